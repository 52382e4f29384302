"""Overview tables: every attack on every model, and which models each model's texts fool. Pure functions."""

import html
from collections.abc import Mapping, Sequence

from robust_core.attacks import ATTACKS
from robust_core.evaluation import fluency
from ui.attack import cards
from ui.attack.transfer_fluency import TransferFluency
from ui.session.outcome import Outcome, Pair
from ui.widgets import phrases

# What a cell shows apart from colour.
_SIGNS = {"succeeded": "✗", "failed": "✓", "reduced": "–", "skipped": "–", "error": "!", "exhausted": "–",
          "unswappable": "–", "foreign": "–"}

STYLE = """
.rx-scroll { overflow-x: auto; }
.rx-matrix { border-collapse: separate; border-spacing: 0.3rem; margin: 0.2rem -0.3rem 0.4rem; font-size: 0.92rem; }
.rx-matrix th { text-align: left; font-weight: 600; padding: 0.15rem 0.4rem; vertical-align: middle; }
.rx-matrix thead th { vertical-align: bottom; } .rx-matrix td { padding: 0; min-width: 6.6rem; }
.rx-cell { display: block; border-radius: 0.4rem; padding: 0.2rem 0.55rem; line-height: 1.35;
  border: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
a.rx-cell { color: inherit !important; text-decoration: none !important; }
a.rx-cell:hover, a.rx-cell:focus-visible { outline: 2px solid currentColor; }
.rx-cell b { font-weight: 600; white-space: nowrap; }
.rx-cell span { display: block; font-size: 0.82rem; opacity: 0.9; }
.rx-cell.succeeded, .rx-cell.fooled { border: 2px solid light-dark(#8f3a00, #ffab66);
  background: color-mix(in srgb, #d9660a 14%, transparent); }
.rx-cell.succeeded b, .rx-cell.fooled b { color: light-dark(#8f3a00, #ffab66); }
.rx-cell.failed b, .rx-cell.exhausted b, .rx-cell.unmoved b { color: light-dark(#4f2f8b, #c3aef5); }
.rx-place { scroll-margin-top: 5rem; }
:has(> .stElementContainer > .stHtml > .rx-place) { position: relative; }
.stElementContainer:has(> .stHtml > .rx-place) { position: absolute; }
.rx-place:target .rx-head, .stElementContainer:has(> .stHtml > .rx-place:target) + .stElementContainer .rx-head {
  outline: 3px solid light-dark(#7e5cd6, #c3aef5); outline-offset: 0.35rem; border-radius: 0.2rem; }
@media (max-width: 640px) {
  .rx-matrix { border-spacing: 0.15rem; } .rx-matrix td { min-width: 4.7rem; } .rx-cell { padding: 0.15rem 0.3rem; }
  .rx-cell b { white-space: normal; } .rx-matrix th { padding: 0.1rem 0.2rem; font-size: 0.86rem; }
  .rx-matrix tbody th, .rx-matrix thead th:first-child { position: sticky; left: 0;
    background: light-dark(#fdfcfa, #15141b); }
}
"""


def make_attack_table(outcome: Outcome, titles: Mapping[Pair, str], names: Mapping[str, Sequence[str]]) -> str:
    """Return a line for each attack and a column for each model; every cell leads to its card.

    Args:
        outcome: What came of the attacks so far.
        titles: Names of the models, by pairs without an attack.
        names: Class names of each model.
    """
    head = "".join(f'<th scope="col">{html.escape(titles[Pair(model, "")])}</th>' for model in outcome.models)
    body = ""
    for attack in outcome.attacks:
        cells = "".join(f"<td>{_make_cell(outcome, Pair(model, attack), titles[Pair(model, '')], names[model])}</td>"
                        for model in outcome.models)
        body += f'<tr><th scope="row">{html.escape(ATTACKS[attack].title)}</th>{cells}</tr>'
    caption = ("Words changed, queries, and the probability of the original class after the attack. Choose a cell to "
               "see its card.")
    return make_table("Attacks and models", caption, f'<th scope="col">Attack</th>{head}', body)


def _make_cell(outcome: Outcome, pair: Pair, model: str, names: Sequence[str]) -> str:
    state = cards.find_status(outcome, pair)
    result = outcome.results.get(pair)
    word, what, aloud = cards.WORDS[state], "", ""
    if result is not None and state != "skipped":
        words, label = len(result.swaps), result.reference_label
        changed = f"{words} word{'' if words == 1 else 's'}"
        after = phrases.format_percent(result.after[label])
        what = f"<span>{changed}, {after}</span><span>{result.queries:,} queries</span>"
        aloud = (f", {changed} changed, {result.queries:,} queries, probability of {phrases.name_class(names, label)} "
                 f"{after} afterwards")
    elif state == "running":
        queries = int(outcome.latest[pair].data.get("queries", 0))
        what, aloud = f"<span>{queries:,} queries</span>", f", {queries:,} queries so far"
    label = html.escape(f"{ATTACKS[pair.attack].title} on {model}: {word}{aloud}. Go to the card.")
    sign = f"{_SIGNS[state]} " if state in _SIGNS else ""
    link = f'href="#{cards.make_anchor(pair)}" aria-label="{label}"'
    return f'<a class="rx-cell {state}" {link}><b>{sign}{word}</b>{what}</a>'


def make_transfer_table(outcome: Outcome, after: Mapping[Pair, TransferFluency], titles: Mapping[Pair, str]) -> str:
    """Return how many of the texts that flip one model fool each other one; empty where there is nothing to tell."""
    sources = [m for m in outcome.models if any(p.model == m and found.fools for p, found in after.items())]
    if not sources:
        return ""
    head = "".join(f'<th scope="col">{html.escape(titles[Pair(model, "")])}</th>' for model in outcome.models)
    body = ""
    for source in sources:
        texts = {outcome.results[p].perturbed: found.fools for p, found in after.items()
                 if p.model == source and found.fools}
        cells = "".join(
            f"<td>{_describe_share(source, model, list(texts.values()), titles)}</td>" for model in outcome.models
        )
        body += f'<tr><th scope="row">{html.escape(titles[Pair(source, "")])}</th>{cells}</tr>'
    caption = "Transfer: how many of the texts that flip the model in the row flip each other model too."
    return make_table("Transfer between models", caption, f'<th scope="col">Texts found on</th>{head}', body)


def _describe_share(source: str, model: str, judged: Sequence[Mapping[str, bool | None]],
                    titles: Mapping[Pair, str]) -> str:
    if model == source:
        return f'<div class="rx-cell"><b>itself</b><span>{_count_texts(len(judged))}</span></div>'
    answers = [fools[model] for fools in judged if model in fools]
    if not answers:
        return '<div class="rx-cell"><b>–</b><span>cannot tell</span></div>'
    if None in answers:
        return '<div class="rx-cell"><b>testing …</b></div>'
    fooled = sum(map(bool, answers))
    label = html.escape(f"{fooled} of {_count_texts(len(answers))} found on {titles[Pair(source, '')]} fool "
                        f"{titles[Pair(model, '')]}")
    return (f'<div class="rx-cell {"fooled" if fooled else "unmoved"}" role="img" aria-label="{label}">'
            f'<b>{"✗" if fooled else "✓"} {fooled} of {len(answers)}</b><span>{"fooled" if fooled else "not fooled"}'
            "</span></div>")


def _count_texts(count: int) -> str:
    return f"{count} text{'' if count == 1 else 's'}"


def make_table(label: str, caption: str, head: str, body: str) -> str:
    """Return a table of cells as HTML that scrolls where it is too wide.

    Args:
        label: What it is, for those who hear the page.
        caption: What stands above it.
        head: The cells of its first line.
        body: Its other lines.
    """
    return (f'<p class="rx-small">{caption}</p><div class="rx-scroll" role="region" tabindex="0" aria-label="{label}">'
            f'<table class="rx-matrix" aria-label="{label}"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def _keep_whole(name: str) -> str:
    """Keep a name on one line."""
    return name.replace(" ", "\u00a0")


def list_remarks(found: TransferFluency | None, titles: Mapping[Pair, str]) -> list[str]:
    """Say on a card whom else its text fools and how fluent it is."""
    if found is None:
        return []
    remarks = []
    if found.fools:
        also = [_keep_whole(titles[Pair(m, "")]) for m, fooled in found.fools.items() if fooled]
        held = [_keep_whole(titles[Pair(m, "")]) for m, fooled in found.fools.items() if fooled is False]
        remarks.append("Testing the text on the other models …" if None in found.fools.values() else
                       " ".join(part for part in (f"Also fools {', '.join(also)}." if also else "",
                                                  f"Does not fool {', '.join(held)}." if held else "") if part))
    if found.perplexity is not None:
        before, after = found.perplexity
        remarks.append(f"{fluency.compare_perplexities(before, after)} "
                       f"(pseudo-perplexity {before:,.0f} → {after:,.0f})")
    elif not found.trouble:
        remarks.append("Measuring fluency …")
    return remarks
