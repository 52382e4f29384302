"""The story of an attack in one glance: the text with the swaps inside it, and a line a model. Functions of results."""

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robust_core import highlight
from robust_core.text import diff
from robust_core.types import AttackResult
from ui.attack import cards
from ui.comparison import verdicts
from ui.comparison.row import Row
from ui.session.choices import Limits
from ui.session.outcome import Outcome, Pair
from ui.widgets import phrases

STYLE = """
.rx-story { container-type: inline-size; }
.rx-story > .rx-strip { font-size: 1.2rem; line-height: 1.7; margin: 0 0 0.5rem; max-height: 18rem; overflow-y: auto; }
.rx-lines { margin-bottom: 0.2rem; }
.rx-lines th, .rx-lines td { padding: 0.35rem 0.5rem; }
.rx-lines .model { width: 21%; } .rx-lines .reads { width: 19%; }
.rx-lines .reasons { width: 15%; } .rx-story .rx-badge { margin-right: 0.35rem; }
@container (max-width: 760px) {
  .rx-lines tbody tr { display: grid; grid-template-columns: 1fr auto; gap: 0 0.6rem; }
  .rx-lines tbody th, .rx-lines td:nth-child(2) { grid-column: 1 / -1; }
}
"""
# Swaps that a line names; what is beyond is counted.
_MOST_SWAPS = 3


class Proof(NamedTuple):
    """What is proved of the text on a model.

    Attributes:
        certified: Whether no text that the swaps can make flips the model.
        line: What is proved, in a sentence.
    """

    certified: bool
    line: str


def choose_shown(outcome: Outcome) -> Pair | None:
    """Return whose text stands above the lines: the first that flipped, else one still at work, else a changed one."""
    flipped = [pair for pair, result in outcome.results.items() if result.status == "succeeded"]
    # What a job was at when it broke off is no result.
    working = [pair for pair in outcome.pairs if outcome.running and pair not in outcome.results
               and pair in outcome.latest and "text" in outcome.latest[pair].data]
    return next(iter([*flipped, *working, *outcome.donors()]), None)


def find_text(outcome: Outcome, pair: Pair | None) -> tuple[str, str]:
    """Return the text of a pair as it stands, and the word that is being tried."""
    if pair is None:
        return outcome.text, ""
    if pair in outcome.results:
        return outcome.results[pair].perturbed, ""
    data = outcome.latest[pair].data
    return str(data.get("text", outcome.text)), str(data.get("trying", ""))


def list_lines(outcome: Outcome, own: bool) -> list[Pair]:
    """Return what a line stands for each: a model, or a model under an attack.

    Args:
        outcome: The attack.
        own: Whether each line is about the text that its own attack found.
    """
    if own or len(outcome.models) == 1:
        return outcome.pairs
    return [Pair(model, "") for model in outcome.models]


def make_story(outcome: Outcome, head: str, text: str, lines: Sequence[Pair], rows: Mapping[Pair, Row],
               titles: Mapping[Pair, str], names: Mapping[str, Sequence[str]], proofs: Mapping[Pair, Proof],
               limits: Limits, trying: str = "") -> str:
    """Return the text with its swaps, and a line for each model.

    Args:
        outcome: The attack.
        head: What the text is, in a few words.
        text: The text whose swaps are shown; empty to leave it out.
        lines: What each line stands for; see `list_lines`.
        rows: What each line's model makes of the text above, or of its own, once that is known.
        titles: What each line is called.
        names: Class names of each model.
        proofs: What is proved, by model and attack.
        limits: When an interpretation counts as kept.
        trying: Word that is being tried.
    """
    shown = highlight.make_inline_changes(outcome.text, text, trying=trying, label=head) if text else ""
    own = any(pair.attack for pair in rows)
    body = "".join(_make_line(outcome, pair, rows.get(pair), titles[pair], names[pair.model], proofs, limits, own)
                   for pair in lines)
    cells = [("model", "Attack" if len(outcome.models) == 1 < len(outcome.attacks) else "Model"),
             ("attacked", "Under attack"), ("reads", "Reads its own text as" if own else "Reads this text as"),
             ("reasons", "Reasons")]
    top = "".join(f'<th class="{kind}" scope="col">{title}</th>' for kind, title in cells[:4 if rows else 2])
    return (f'<section class="rx-story" aria-label="What the attack did">{highlight.make_small(head)}{shown}'
            f'<table class="rx-lines"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></section>')


def _make_line(outcome: Outcome, pair: Pair, row: Row | None, title: str, names: Sequence[str],
               proofs: Mapping[Pair, Proof], limits: Limits, own: bool) -> str:
    members = [pair] if pair.attack else [Pair(pair.model, attack) for attack in outcome.attacks]
    cells = [("Under attack", _describe_members(outcome, members, names, proofs))]
    if row is not None:
        reads = "" if row.after is None or row.error else _describe_reading(row, names)
        cells += [("Reads its own text as" if own else "Reads this text as", reads),
                  ("Reasons", verdicts.describe_interpretation(row, limits, brief=True))]
    return (f'<tr><th scope="row">{html.escape(title)}</th>'
            + "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in cells) + "</tr>")


def _describe_reading(row: Row, names: Sequence[str]) -> str:
    says = html.escape(phrases.describe_prediction(row.after or (), names))
    state, sign = ("kept", "✓") if row.kept else ("lost", "✗")
    return f'<span class="rx-badge {state}">{sign} {says}</span>'


def _describe_members(outcome: Outcome, members: Sequence[Pair], names: Sequence[str],
                      proofs: Mapping[Pair, Proof]) -> str:
    states = [cards.find_status(outcome, pair) for pair in members]
    proof = next((proofs[pair] for pair in members if pair in proofs), None)
    mark = f'<span class="rx-badge kept" title="{html.escape(proof.line)}">✓ proved</span>' \
        if proof is not None and proof.certified else ""
    if len(members) == 1:
        pair, state = members[0], states[0]
        badge = f'<span class="rx-badge {state}">{cards.WORDS[state]}</span>'
        return f"{badge}{mark}{_describe_one(outcome, pair, state, names)}"
    flipped = [pair for pair, state in zip(members, states, strict=True) if state == "succeeded"]
    ended = [state for state in states if state not in ("running", "waiting", "loading")]
    if flipped:
        word, state = f"flipped by {len(flipped)} of {len(ended)} attacks", "succeeded"
    elif len(ended) < len(states):
        word, state = "attacking", "running"
    elif set(states) == {"failed"}:
        word, state = f"held under {len(states)} attacks", "failed"
    else:
        word, state = ", ".join(cards.WORDS[each] for each in dict.fromkeys(states)), "running"
    best = min(flipped, key=lambda pair: len(outcome.results[pair].swaps), default=None)
    more = f" {highlight.make_small(_list_swaps(outcome.results[best]))}" if best else ""
    return f'<span class="rx-badge {state}">{word}</span>{mark}{more}'


def _describe_one(outcome: Outcome, pair: Pair, state: str, names: Sequence[str]) -> str:
    result = outcome.results.get(pair)
    if result is None:
        if state == "error":
            return highlight.make_small(outcome.errors.get(pair) or outcome.trouble)
        queries = int(outcome.latest[pair].data.get("queries", 0)) if pair in outcome.latest else 0
        return highlight.make_small(f"{queries:,} queries") if state == "running" else ""
    before, after = (phrases.describe_prediction(each, names) for each in (result.before, result.after))
    if not result.swaps:
        return highlight.make_small(before)
    return highlight.make_small(f"{before} → {after}: {_list_swaps(result)}")


def _list_swaps(result: AttackResult) -> str:
    """Name the first swaps of a text: `lovely → beautiful, save → salvage`."""
    swaps = diff(result.example.text, result.perturbed)
    named = [f"{swap.old} → {swap.new}" if swap.old and swap.new else f"+ {swap.new}" if swap.new else f"− {swap.old}"
             for swap in swaps]
    rest = len(named) - _MOST_SWAPS
    return ", ".join(named[:_MOST_SWAPS]) + (f" and {rest} more" if rest > 0 else "")
