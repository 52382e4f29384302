"""The table of verdicts: was the prediction kept, was the interpretation kept?"""

import html
import math
from collections.abc import Callable, Mapping, Sequence

from robust_core import highlight
from robust_core.highlight import make_line, make_small
from robust_core.text import find_words
from ui.comparison.row import Row
from ui.session.choices import Limits
from ui.session.outcome import Pair
from ui.widgets import phrases
from ui.widgets.phrases import format_percent


def make_verdict_table(rows: Sequence[Row], titles: Mapping[Pair, str], names: Mapping[str, Sequence[str]],
                       limits: Limits, heading: str = "Model") -> str:
    """Return the table of both texts: words coloured by importance, and the two verdicts; one for each set of classes.

    Args:
        rows: The lines.
        titles: What each line is called.
        names: Class names of each model.
        limits: When an interpretation counts as kept.
        heading: What the lines stand for.
    """
    head = (f'<th class="narrow" scope="col">{heading}</th><th scope="col">Original</th>'
            '<th scope="col">Adversarial</th><th class="verdict" scope="col">Prediction</th>'
            '<th class="verdict" scope="col">Interpretation</th>')
    return make_tables(rows, names, head, lambda row: _make_row(row, titles[row.pair], names[row.pair.model], limits))


def make_tables(rows: Sequence[Row], names: Mapping[str, Sequence[str]], head: str, draw: Callable[[Row], str]) -> str:
    """Return lines as a table, or as one for each set of classes, which its caption names."""
    groups, made = group_rows(rows, names), ""
    for classes, members in groups.items():
        caption = f"<caption>{html.escape(phrases.list_classes(classes))}</caption>" if len(groups) > 1 else ""
        made += (f'<div class="rx-wrap"><table class="rx-table">{caption}<thead><tr>{head}</tr></thead>'
                 f"<tbody>{''.join(map(draw, members))}</tbody></table></div>")
    return made


def group_rows(rows: Sequence[Row], names: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], list[Row]]:
    """Return the lines by their models' classes: what compares probabilities of a class stands in one group."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(names[row.pair.model]), []).append(row)
    return groups


def _make_row(row: Row, title: str, names: Sequence[str], limits: Limits) -> str:
    marked, marked_other = highlight.mark_changes(row.original, row.other)
    scale = highlight.find_strongest([row.explained, row.explained_other])
    target = phrases.name_class(names, row.target)
    texts = [
        highlight.highlight_words(text, attribution, strongest=scale, marks=m, readable=readable, target=target,
                             label=f"{what} text, importance for {target}: {title}")
        for what, text, attribution, m, readable in (
            ("Original", row.original, row.explained, marked, row.readable),
            ("Adversarial", row.other, row.explained_other, marked_other, row.readable_other))
    ]
    cells = [("Original", texts[0]), ("Adversarial", texts[1]), ("Prediction", describe_prediction(row, names)),
             ("Interpretation", describe_interpretation(row, limits))]
    return (f'<tr><th scope="row">{html.escape(title)}</th>'
            + "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in cells) + "</tr>")


def describe_prediction(row: Row, names: Sequence[str]) -> str:
    """Return whether the prediction on the other text is still the reference label, and both predictions."""
    if row.error:
        return make_line(row.error)
    if row.after is None or row.before is None:
        return make_small("loading the model …")
    moved = f"{phrases.describe_prediction(row.before, names)} → {phrases.describe_prediction(row.after, names)}"
    return _make_verdict(bool(row.kept), "ok", "lost") + make_small(moved)


def describe_interpretation(row: Row, limits: Limits, brief: bool = False) -> str:
    """Return whether the interpretation is kept, and the figures that say so.

    Args:
        row: The line.
        limits: When an interpretation counts as kept.
        brief: Leave the figures to the verdict's hint.
    """
    if row.agreement is None:
        return "" if row.error else make_small("explaining …")
    kept = row.interpretation(limits)
    figures = f"{describe_agreement(row)}; by chance {format_percent(row.agreement['top_k_random'][5])} of the top five"
    verdict = '<span class="rx-badge">– undefined</span>' if kept is None else _make_verdict(kept, "kept", "lost")
    if brief:
        return f'<span title="{html.escape(figures)}">{verdict}</span>'
    return (f'<div title="{html.escape(figures)}">{verdict}{make_small(describe_agreement(row))}'
            f"{_describe_reading(row)}</div>")


def _describe_reading(row: Row) -> str:
    """Say how much of the texts the model reads, where it does not read all: the rest has no importance."""
    lines = [f"reads {readable:,} of {len(find_words(text)):,} words" for text, readable in
             ((row.original, row.readable), (row.other, row.readable_other))
             if readable is not None and readable < len(find_words(text))]
    return "".join(make_small(line) for line in dict.fromkeys(lines))


def describe_agreement(row: Row) -> str:
    """Write how far two attributions agree: `τ 0.31, top-5 2/5`."""
    if row.agreement is None:
        return ""
    tau, size = row.agreement["kendall_tau"], min(5, row.agreement["words"])
    shared = row.agreement["top_k"][5]
    counted = f"{round(shared * size)}/{size}" if size else "–"
    return f"τ {'undefined' if math.isnan(tau) else f'{tau:.2f}'}, top-5 {counted}"


def _make_verdict(good: bool, yes: str, no: str) -> str:
    return (f'<span class="rx-badge kept">✓ {yes}</span>' if good else f'<span class="rx-badge lost">✗ {no}</span>')


def describe_rule(limits: Limits) -> str:
    """State when an interpretation counts as kept."""
    return (
        f"Prediction is ok when the class is still the one the attack set out to change. Interpretation is kept "
        f"when Kendall's τ of the word importances is at least {limits.tau_at_least:.2f} and at least "
        f"{format_percent(limits.top5_at_least)} of the five most important words stay the same (adjustable in the "
        "sidebar)."
    )
