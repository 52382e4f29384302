"""What became of an attack, in words and HTML: chips, cards and the table of both texts. Pure functions of results."""

import html
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from robust_core import highlight
from robust_core.evaluation import outcomes
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.hidden_characters import is_drawn_alike
from robust_core.highlight import make_line, make_small
from robust_core.text import Draft
from robust_core.types import AttackResult
from ui.session.outcome import Outcome, Pair
from ui.widgets.phrases import describe_prediction, format_percent, name_class

# State of a card, and the word people see: what became of an attack, by the engine's status where that says it all.
WORDS = {"succeeded": outcomes.FLIPPED, "reduced": outcomes.REDUCED, "failed": outcomes.HELD,
         "skipped": outcomes.WRONG_BEFORE, "stopped": outcomes.STOPPED, "exhausted": outcomes.EXHAUSTED,
         "unswappable": outcomes.NOTHING_TO_SWAP, "foreign": outcomes.NOT_ENGLISH, "error": "error",
         "running": "attacking", "loading": "loading", "waiting": "waiting"}
_STATES = {word: state for state, word in WORDS.items()}

STYLE = """
.rx-chips { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.rx-chip { border: 1px solid color-mix(in srgb, currentColor 25%, transparent); border-radius: 0.5rem;
  padding: 0.25rem 0.7rem; min-width: 11rem; flex: 0 1 auto; }
.rx-chip b { font-weight: 600; } .rx-chip .name { opacity: 0.85; margin-right: 0.5rem; }
.rx-head { display: flex; justify-content: space-between; align-items: baseline; gap: 0.5rem; margin-bottom: 0.35rem; }
.rx-head .name { font-weight: 600; font-size: 1.05rem; }
.rx-badge { border-radius: 1rem; padding: 0 0.65rem; font-size: 0.86rem; font-weight: 600; white-space: nowrap;
  border: 1.5px solid currentColor; }
.rx-badge.succeeded, .rx-badge.lost { color: light-dark(#8f3a00, #ffab66); }
.rx-badge.failed, .rx-badge.kept { color: light-dark(#4f2f8b, #c3aef5); }
.rx-line { margin: 0.35rem 0 0; } .rx-small { font-size: 0.86rem; opacity: 0.85; margin: 0.25rem 0 0; }
.rx-proof { border-left: 3px solid currentColor; padding-left: 0.6rem; }
.rx-move { font-variant-numeric: tabular-nums; font-weight: 600; }
.rx-wrap { container-type: inline-size; }
.rx-rows { width: 100%; border-collapse: collapse; table-layout: fixed; margin: 0.4rem 0 0.6rem; }
.rx-rows th, .rx-rows td { text-align: left; vertical-align: top; padding: 0.55rem 0.5rem; font-weight: 400;
  border-top: 1px solid color-mix(in srgb, currentColor 22%, transparent); }
.rx-rows thead th { font-size: 0.86rem; opacity: 0.85; border-top: 0; padding-bottom: 0.2rem; }
.rx-rows tbody th { font-weight: 600; }
.rx-rows caption { text-align: left; font-weight: 600; padding: 0.3rem 0; }
.rx-part { font-weight: 400; margin-top: 0.4rem; } .rx-part > .rx-small { margin-right: 0.25rem; }
.rx-part > div { display: contents; }
.rx-rows .narrow { width: 15%; } .rx-rows .verdict { width: 16%; }
@container (max-width: 760px) {
  .rx-rows, .rx-rows caption, .rx-rows tbody, .rx-rows tr, .rx-rows td, .rx-rows tbody th {
    display: block; width: auto; }
  .rx-rows thead { display: none; }
  .rx-rows td, .rx-rows tbody th { border: 0; padding: 0.2rem 0; }
  .rx-rows tr { border-top: 1px solid color-mix(in srgb, currentColor 22%, transparent); padding: 0.6rem 0; }
  .rx-rows td::before { content: attr(data-label); display: block; font-size: 0.86rem; opacity: 0.85; }
}
""".replace(".rx-rows", ":is(.rx-table,.rx-lines)")


def make_chips(entries: Sequence[tuple[str, str]]) -> str:
    """Return small boxes of (model, what it says); without a model the line stands alone."""
    body = ""
    for name, line in entries:
        what = f'<span class="name">{html.escape(name)}</span><b>{html.escape(line)}</b>' if name else html.escape(line)
        body += f'<div class="rx-chip">{what}</div>'
    return f'<div class="rx-chips" role="status">{body}</div>'


def find_status(outcome: Outcome, pair: Pair) -> str:
    """Return the state of a card, a key of `WORDS`."""
    if pair in outcome.results:
        return _STATES[outcomes.name_outcome(outcome.results[pair])]
    if pair in outcome.errors:
        return "error"
    if not outcome.running:
        return "error" if outcome.trouble else "stopped"
    event = outcome.latest.get(pair)
    return "waiting" if event is None or outcome.queue else "loading" if event.data.get("loading") else "running"


def describe_end(result: AttackResult, names: Sequence[str]) -> str:
    """Say in one plain sentence how an attack ended."""
    target, words = result.reference_label, len(result.swaps)
    first, last = result.before[target], result.after[target]
    changed, before = f"{words} word{'' if words == 1 else 's'} changed", name_class(names, target)
    fall = f"the probability of {before} went from {format_percent(first)} to {format_percent(last)}"
    if outcomes.is_reduction(result) and result.status in ("succeeded", "failed"):
        dropped = f"{words} word{'' if words == 1 else 's'} dropped, and the prediction is still {before}."
        return dropped if words else "No word could be dropped without losing the prediction."
    if result.status == "succeeded":
        return f"{changed}, and the prediction flips from {before} to {name_class(names, result.perturbed_label)}."
    if result.status == "skipped":
        return (
            f"The model was wrong before the attack: it says {describe_prediction(result.before, names)}, and the true "
            f"label is {before}. Nothing was tried."
        )
    if result.status == "stopped":
        limit = float(result.attack.get("time_limit", 0))
        # A search is ended a moment after its time, never before.
        why = f"The limit of {limit:g} seconds ran out; the settings of the attack change it." \
            if limit and result.seconds >= limit else "Stopped before the end."
        return f"{why} Best so far: {changed}; {fall}." if words else f"{why} No change had helped so far."
    if result.status == "exhausted":
        best = f"Best so far: {changed}; {fall}." if words else "No change had helped so far."
        return f"The budget of {result.queries:,} queries ran out; the settings of the attack change it. {best}"
    ended = outcomes.name_outcome(result)
    if ended == outcomes.NOT_ENGLISH:
        return "Most of these words are not English, and the attack has English swaps only: the model was not tested."
    if ended == outcomes.NOTHING_TO_SWAP:
        return "No word of this text has a swap under this attack: the model was not put to the test."
    return f"The attack found no words that flip it. At worst, with {changed}, {fall}." if words else \
        "The attack found no words that lower its confidence."


def make_head(name: str, state: str) -> str:
    """Return the head of a card: what it is of and how that stands."""
    return (f'<div class="rx-head"><span class="name">{html.escape(name)}</span>'
            f'<span class="rx-badge {state}">{WORDS[state]}</span></div>')


def make_place(pair: Pair, card: str = "") -> str:
    """Return what links to a card lead to: around the card, or alone before it.

    An element that is drawn again is the address's target no more; alone, this one never changes.
    """
    return f'<div class="rx-place" id="{html.escape(make_anchor(pair))}">{card}</div>'


def describe_queue(place: int) -> str:
    """Say which place in the queue an attack has."""
    if place == 1:
        return "Waiting: next in the queue"
    teen = place % 100 in (11, 12, 13)
    return f"Waiting: {place}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(place % 10, 'th')} in the queue"


def make_anchor(pair: Pair) -> str:
    """Return the id of a card in the page."""
    return "card-" + re.sub(r"[^\w-]+", "-", f"{pair.model}-{pair.attack}")


def make_card(outcome: Outcome, pair: Pair, name: str, names: Sequence[str], remarks: Sequence[str] = (),
              proof: str = "") -> str:
    """Return a card without its curve and its place: head, text as it stands, what happened, figures, remarks.

    Args:
        outcome: The attack.
        pair: Model and attack.
        name: What people call them.
        names: The model's classes.
        remarks: Further lines, in small print.
        proof: What is proved of the text, empty where nothing can be.
    """
    state = find_status(outcome, pair)
    top = make_head(name, state)
    if outcome.asked.label is not None and names and outcome.asked.label not in names and state != "error":
        remarks = [*remarks, f"Attacked without a true label: this model has no class {outcome.asked.label}."]
    if pair in outcome.results:
        proved = f'<p class="rx-line rx-proof">{html.escape(proof)}</p>' if proof else ""
        return top + _describe_ended(outcome.results[pair], names) + proved + "".join(map(make_small, remarks))
    if state == "error":
        return top + make_line(outcome.errors.get(pair) or outcome.trouble)
    if state == "stopped":
        return top + make_line("Stopped before it began.")
    if state == "waiting":
        return top + make_line("Waiting for its turn.")
    if state == "loading":
        return top + make_line("loading the model …")
    return top + _describe_running(outcome, outcome.latest[pair].data)


def _describe_running(outcome: Outcome, data: Mapping[str, Any]) -> str:
    trying = str(data.get("trying", ""))
    text = str(data.get("text", outcome.text))
    marked = highlight.mark_changes(outcome.text, text)[1]
    # While it ranks the words an attack says so instead of naming one.
    doing = f"trying {trying}" if trying.lower() in map(str.lower, Draft.of(text).words) else trying
    what = " · ".join(part for part in (f"{int(data.get('queries', 0)):,} queries", doing) if part)
    return highlight.highlight_words(text, marks=marked, trying=trying, label="Text as it stands") + \
        f'<p class="rx-small" role="status">{html.escape(what)}</p>'


def _draw_text(result: AttackResult) -> str:
    """Return the text after the attack; where it looks as before, what is seen and what is written there."""
    if not is_drawn_alike(result.example.text, result.perturbed):
        marked = highlight.mark_changes(result.example.text, result.perturbed)[1]
        return highlight.highlight_words(result.perturbed, marks=marked, label="Text after the attack")
    return (make_small("What a reader sees:")
            + highlight.highlight_words(result.example.text, label="What a reader sees")
            + make_small("What is written there:")
            + highlight.highlight_hidden(result.perturbed, result.example.text, "What is written there"))


def _describe_ended(result: AttackResult, names: Sequence[str]) -> str:
    move = f"{describe_prediction(result.before, names)} → {describe_prediction(result.after, names)}"
    figures = [f"{result.queries:,} queries", f"{result.seconds:.1f} s"]
    if not math.isnan(result.similarity) and result.swaps:
        figures.append(f"similarity {result.similarity:.2f}")
    notes = "".join(make_small(note) for note in (*result.notes, *list_doubts(result)))
    return (_draw_text(result)
            + (f'<p class="rx-line rx-move">{html.escape(move)}</p>' if result.status != "skipped" else "")
            + make_line(describe_end(result, names)) + notes + make_small(" · ".join(figures)))
