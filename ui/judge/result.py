"""What one judge's judgements come to: labels kept, passable English, valid success, and where texts came from."""

import html
import math
from collections.abc import Iterable, Sequence

import streamlit as st

from robust_core import highlight
from robust_core.attacks import ATTACKS
from robust_core.judging import scores
from robust_core.judging.items import ORIGINALS, Group
from robust_core.judging.records import Judged
from robust_core.judging.scores import Figure, Score
from ui.judge.choosing import Task
from ui.shared import catalogue
from ui.widgets.markdown import escape_markdown, note

_HEAD = ("Texts", "Label kept", "Passable English", "Raw success", "Valid success")


def draw_result(task: Task) -> None:
    """Draw what the judge found of the texts drawn; before the first judgement, what the shipped reading found."""
    own = task.read_own()
    judged = [own[item.id] for item in task.items if item.id in own]
    if not judged:
        _draw_example(task)
        return
    if len(judged) < len(task.items):
        st.info(f"You have judged {len(judged):d} of {len(task.items):d} texts. What you see here may sway what you "
                "say of the others.", icon=":material/visibility:")
    draw_scores(judged)
    with st.expander("Which text came from where", icon=":material/visibility:"):
        for each in judged:
            draw_origin(each)


def _draw_example(task: Task) -> None:
    if not task.shipped:
        st.info("You have judged no text yet. Press Judge above.")
        return
    st.info("You have judged no text yet. This is what the reader of the shipped reading found of all its texts.")
    draw_scores(task.shipped)


def draw_scores(judged: Iterable[Judged]) -> None:
    """Draw the result in a sentence, and a table of it."""
    found = scores.score_verdicts(scores.decide(judged))
    flips = [score for score in found if score.adversarial]
    control = [score for score in found if not score.adversarial]
    if flips:
        st.markdown(f"#### {escape_markdown(_describe(flips[-1]))}")
    st.html(make_table(found))
    if control and control[0].kept.value < 0.8:
        note("Of the originals, which no attack has touched, many were given another label as well: the texts are hard "
             "to judge, or were judged in haste. Read the other figures with that in mind.")
    if not any(score.counts.attempted for score in flips):
        note("How often the attack succeeded is not known of these texts, so there is no valid success: a column "
             "status would tell.")
    note(scores.MEANING)


def _describe(score: Score) -> str:
    kept, n = round(score.kept.value * score.texts), score.texts
    line = f"{kept} of {n} adversarial texts still have the original's label"
    if math.isnan(score.valid.value):
        return f"{line}: {_write(score.kept)}."
    return f"{line}: valid success {_write(score.valid)}, of {_write(score.raw)} raw."


def make_table(found: Sequence[Score]) -> str:
    """Return the scores as an HTML table; on a phone its cells stand below each other."""
    rows = ""
    for score in found:
        cells = (str(score.texts), _write(score.kept), _write(score.passable), _write(score.raw),
                 f"<b>{_write(score.valid)}</b>")
        rows += (f'<tr><th scope="row">{html.escape(name_group(score.group))}</th>'
                 + "".join(f'<td data-label="{name}">{cell}</td>' for name, cell in zip(_HEAD, cells, strict=True))
                 + "</tr>")
    titles = "".join(f'<th scope="col">{name}</th>' for name in ("", *_HEAD))
    return (f'<div class="rx-wrap"><table class="rx-table rx-scores"><thead><tr>{titles}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>")


def _write(figure: Figure) -> str:
    if math.isnan(figure.value):
        return "–"
    # Small errors get a decimal: 0 would claim certainty.
    places = 1 if figure.error < 0.01 else 0
    return f"{100 * figure.value:.{places}f}\u00a0%\u00a0±\u00a0{100 * figure.error:.{places}f}"


def name_group(group: Group | None) -> str:
    """Return in words where texts come from."""
    if group is None:
        return "All adversarial texts"
    if group == ORIGINALS:
        return "Originals (control)"
    attack = ATTACKS[group.attack].title if group.attack in ATTACKS else group.attack
    parts = [catalogue.name_option(group.model), attack, group.preset]
    return " · ".join(part for part in parts if part) or "Adversarial texts"


def draw_origin(judged: Judged) -> None:
    """Draw a judged text with its changed words marked, where it comes from, and what was said of it."""
    item = judged.item
    where = name_group(item.group) if item.adversarial else "Original"
    said = f"you said {judged.says}, {'passable' if judged.passable else 'not passable'}; true label {item.label}"
    icon = "check" if judged.keeps_label else "close"
    st.markdown(f":material/{escape_markdown(icon)}: **{escape_markdown(where)}** · {escape_markdown(said)}")
    marks = highlight.mark_changes(item.original, item.text)[1] if item.adversarial else None
    st.html(highlight.highlight_words(item.text, marks=marks, label="Judged text"))
