"""The saliency grid: a row a model, both texts in colour, and what changed between them. Pure functions of rows."""

import dataclasses
import html
from collections.abc import Mapping, Sequence

from robust_core import highlight
from robust_core.text import Draft, align
from robust_core.types import Attribution
from ui.comparison.row import Row
from ui.comparison.verdicts import describe_interpretation, describe_prediction, make_tables
from ui.session.choices import Limits
from ui.session.outcome import Pair
from ui.widgets import phrases


def subtract_scores(row: Row) -> Attribution | None:
    """Return how the score of each word of the other text differs from that of the word it stands for.

    An inserted word is compared with nothing, which scores 0; a word that was deleted is in no place here.
    """
    a, b = row.explained, row.explained_other
    if a is None or b is None:
        return None
    scores = list(b.scores)
    for i, j in align_words(row):
        if i is not None and j is not None and i < len(a.scores) and j < len(scores):
            scores[j] = b.scores[j] - a.scores[i]
    return dataclasses.replace(b, scores=tuple(scores))


def align_words(row: Row) -> list[tuple[int | None, int | None]]:
    """Return the pairs of positions of the words of both texts."""
    return align(Draft.of(row.original).words, Draft.of(row.other).words)


def make_grid(rows: Sequence[Row], titles: Mapping[Pair, str], names: Mapping[str, Sequence[str]], limits: Limits
              ) -> str:
    """Return the grid as HTML, one for each set of classes; `names` holds the class names of each model."""
    head = ('<th class="verdict" scope="col">Model</th><th scope="col">Original</th><th scope="col">Adversarial</th>'
            '<th scope="col">Change</th>')
    return make_tables(rows, names, head, lambda row: _make_row(row, titles[row.pair], names[row.pair.model], limits))


def _make_row(row: Row, title: str, names: Sequence[str], limits: Limits) -> str:
    marked, marked_other = highlight.mark_changes(row.original, row.other)
    scale = highlight.find_strongest([row.explained, row.explained_other])
    target = phrases.name_class(names, row.target)
    moved = subtract_scores(row)
    cells = [
        ("Original", highlight.highlight_words(
            row.original, row.explained, strongest=scale, marks=marked, readable=row.readable, target=target,
            label=f"Original text, importance for {target}: {title}")),
        ("Adversarial", highlight.highlight_words(
            row.other, row.explained_other, strongest=scale, marks=marked_other, readable=row.readable_other,
            target=target, label=f"Adversarial text, importance for {target}: {title}")),
        ("Change", "" if moved is None else highlight.highlight_words(
            row.other, moved, strongest=scale, marks=marked_other, readable=row.readable_other, target=target,
            sides=("more for", "less for"), label=f"Change of importance for {target}: {title}")),
    ]
    verdicts = _make_part("Prediction", describe_prediction(row, names))
    if not row.error:
        verdicts += _make_part(
            "Interpretation", describe_interpretation(row, limits) + _describe_chance(row)
        )
    return (f'<tr><th scope="row">{html.escape(title)}<div class="rx-verdicts">{verdicts}</div></th>'
            + "".join(f'<td data-label="{label}">{cell}</td>' for label, cell in cells) + "</tr>")


def _make_part(name: str, body: str) -> str:
    return f'<div class="rx-part"><span class="rx-small">{name}</span> {body}</div>'


def _describe_chance(row: Row) -> str:
    if row.agreement is None or not row.agreement["words"]:
        return ""
    return f'<p class="rx-small">random orders: top-5 {phrases.format_percent(row.agreement["top_k_random"][5])}</p>'


def pair_words(rows: Sequence[Row]) -> list[tuple[Pair, str, str, float, float]]:
    """Return (model and attack, word, word in the other text, score, score in the other text) of all that have both."""
    found = []
    for row in rows:
        a, b = row.explained, row.explained_other
        if a is None or b is None:
            continue
        first, second = Draft.of(row.original).words, Draft.of(row.other).words
        found += [(row.pair, first[i], second[j], a.scores[i], b.scores[j]) for i, j in align_words(row)
                  if i is not None and j is not None and i < len(a.scores) and j < len(b.scores)]
    return found
