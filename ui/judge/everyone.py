"""All judges in one place: what most of them say, how far they agree, on which texts they differ; downloads."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from robust_core import highlight
from robust_core.errors import RobustError
from robust_core.judging import agreement
from robust_core.judging.agreement import Agreement
from robust_core.judging.kept import read_content, read_kept
from robust_core.judging.records import COLUMNS, Judged, fold_name, keep_latest, list_judges, to_record
from ui.judge.choosing import Task
from ui.judge.result import draw_scores, name_group
from ui.widgets.markdown import escape_markdown, note, warn
from ui.widgets.spreadsheet import write_csv

if TYPE_CHECKING:
    from pandas import DataFrame

_MOST_FILES, _MOST_MEGABYTES, _MOST_DISPUTED = 100, 2, 10


def draw_everyone(task: Task) -> None:
    """Draw what all judges say of these texts, those whose files are uploaded here too."""
    st.caption("For whoever leads the class: this view shows where texts come from. Judge first.")
    judged = keep_latest([*task.shipped, *_read_kept(task), *_read_uploaded()])
    if not judged:
        st.info("Nobody has judged these texts yet. Judge some, or add the files of others above.")
        return
    names = list_judges(judged)
    counted = st.multiselect("Judges counted", list(names.values()), default=list(names.values()),
                             key=f"judge.counted.{'.'.join(names)}")
    folded = {fold_name(name) for name in counted}
    judged = [each for each in judged if fold_name(each.judge) in folded]
    if not judged:
        note("Choose at least one judge.")
        return
    draw_scores(judged)
    st.subheader("Agreement")
    _draw_agreement(agreement.measure_agreement(judged))
    _draw_disputed(judged)
    st.subheader("Every text")
    st.dataframe(make_grid(judged), hide_index=True, placeholder="–", height=320, key="judge.grid",
                 column_config={"Text": st.column_config.TextColumn(width=360)})
    _draw_downloads(judged)


def _read_kept(task: Task) -> list[Judged]:
    judged, troubles = read_kept(task.source.id)
    for line in troubles:
        warn(line)
    return judged


def _read_uploaded() -> list[Judged]:
    files = st.file_uploader("Judgements of others", ["jsonl", "csv"], accept_multiple_files=True, key="judge.others",
                             max_upload_size=_MOST_MEGABYTES,
                             help="What other judges downloaded below. They are counted as long as this page is open.")
    judged: list[Judged] = []
    for file in files[:_MOST_FILES]:
        try:
            judged += read_content(file.name, file.getvalue())
        except RobustError as error:
            warn(error)
    if len(files) > _MOST_FILES:
        note(f"{_MOST_FILES} files are read at most; put more together on the command line.")
    return judged


def _draw_agreement(found: Sequence[Agreement]) -> None:
    if not found:
        st.info("No text has two judges yet, so there is no agreement to measure. Judge some texts under your name, or "
                "add the files of others above.")
        return
    with st.container(horizontal=True):
        for each in found:
            value = "–" if math.isnan(each.kappa) else f"{each.kappa:.2f}"
            error = "" if math.isnan(each.error) else f" ± {each.error:.2f}"
            st.metric(f"{escape_markdown(each.method)}, {escape_markdown(each.about)}",
                      f"{escape_markdown(value)}{escape_markdown(error)}", border=True,
                      help="How far judges agree beyond chance: 1 is full agreement, 0 is chance. Not defined where "
                           "all said the same of all texts.")
    first = found[0]
    note(f"{first.judges} judges; {first.texts} texts that at least two of them judged. Of pairs of judges "
         + " and ".join(f"{100 * each.observed:.0f} % ± {100 * each.observed_error:.0f} agree on the {each.about}"
                        for each in found) + ".")


def _draw_disputed(judged: Sequence[Judged]) -> None:
    found = agreement.list_disputed(judged)
    if not found:
        return
    with st.expander(f"The most disputed texts ({len(found):d} in all)", icon=":material/forum:", expanded=True):
        for each in found[:_MOST_DISPUTED]:
            says = ", ".join(f"{label} {count}" for label, count in each.says.most_common())
            where = name_group(each.item.group) if each.item.adversarial else "Original"
            line = f"{says}; passable {each.passable} of {each.judges}; true label {each.item.label}"
            st.markdown(f"**{escape_markdown(line)}** · {escape_markdown(where)}")
            marks = highlight.mark_changes(each.item.original, each.item.text)[1] if each.item.adversarial else None
            st.html(highlight.highlight_words(each.item.text, marks=marks, label="Disputed text"))


def make_grid(judged: Sequence[Judged]) -> "DataFrame":
    """Return a table with a row a text and a column a judge."""
    import pandas as pd

    names = list_judges(judged)
    columns = ["Text", "True label", *(f"{name} says" for name in names.values()), "From"]
    texts: dict[tuple[str, str], dict[str, object]] = {}
    for each in judged:
        item = each.item
        row = texts.setdefault((each.source, item.id), {
            "Text": item.text, "True label": item.label,
            "From": name_group(item.group) if item.adversarial else "Original"})
        row[f"{names[fold_name(each.judge)]} says"] = each.says + ("" if each.passable else ", not passable")
    return pd.DataFrame(list(texts.values()), columns=columns)


def _draw_downloads(judged: Sequence[Judged]) -> None:
    records = [to_record(each) for each in judged]
    with st.container(horizontal=True):
        st.download_button("JSONL", "".join(json.dumps(record) + "\n" for record in records), "judgements.jsonl",
                           "application/jsonl", icon=":material/download:", key="judge.jsonl")
        st.download_button("CSV", write_csv(COLUMNS, ([record[name] for name in COLUMNS] for record in records)),
                           "judgements.csv", "text/csv", icon=":material/download:", key="judge.csv")
    st.caption("Score files on the command line, as many as there are:")
    st.code("python -m robust_core judge judgements.jsonl", language="bash")
