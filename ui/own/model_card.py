"""The card of a model that was tried: what was found, what its classes are called, and whether it is used."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from robust_core import datasets
from robust_core.errors import RobustError
from robust_core.evaluation.preflight import (
    FINE,
    PROBES,
    ROWS,
    Check,
    Preflight,
    check_accuracy,
    check_answers,
    check_names,
)
from robust_core.models.own_models import check_labels
from robust_core.models.staging import Staged
from ui.session import dialogs
from ui.shared import catalogue
from ui.widgets import dataset_job
from ui.widgets.markdown import escape_markdown, note, warn

_MOST_NAMES = 12
_AS_IS = "As the model names them"


class Actions(NamedTuple):
    """What the buttons do.

    Attributes:
        use: Keeps the model; called with its files, its name and the names of its classes.
        discard: Takes its files away.
        measure: Tries it on rows of a data set.
    """

    use: Callable[..., None]
    discard: Callable[..., None]
    measure: Callable[..., None]


def draw_card(staged: Staged, found: Preflight, dataset: str, actions: Actions) -> None:
    """Draw the card."""
    size = sum(path.stat().st_size for path in staged.folder.glob("*")) / 1e6
    note(f"{staged.source} · {found.architecture} · {found.parameters:,} parameters · {size:.3g} MB · reads "
         f"{found.length:,} pieces")
    # What was found comes first; what it is called decides on a part of that.
    above = st.container()
    labels = _name_classes(found, staged)
    chosen = _choose_texts(staged, found, dataset, actions)
    about = datasets.describe(chosen).labels if chosen and found.examples else ()
    with above:
        _draw_checks([check_names(labels), check_accuracy(found, labels, about), check_answers(found, labels),
                      *found.checks])
        _draw_answers(found, labels)
    name = st.text_input("Name", staged.name, key=f"own.name.{staged.folder.parent.name}", max_chars=40,
                         persist_state="session",
                         help="What it is called in the pickers.")
    problem = _find_problem(labels)
    if problem:
        warn(problem)
    with st.container(horizontal=True):
        st.button("Use it", type="primary", icon=":material/check:", key="own.model.use", disabled=bool(problem),
                  on_click=actions.use, args=(staged, name, labels))
        st.button("Discard", icon=":material/delete:", key="own.model.discard", on_click=actions.discard,
                  args=(staged,))
    if staged.left_out:
        with st.expander(f"Left out of {escape_markdown(staged.source)}: {len(staged.left_out)} files"):
            note(", ".join(staged.left_out[:50]))


def _find_problem(labels: Sequence[str]) -> str:
    try:
        check_labels(labels, len(labels))
    except RobustError as error:
        return str(error)
    return ""


def _name_classes(found: Preflight, staged: Staged) -> list[str]:
    """Draw a field for the name of each class, and a picker that fills them with those of a data set."""
    key, count = f"own.class.{staged.folder.parent.name}", len(found.labels)
    if count > _MOST_NAMES:
        return list(found.labels)
    for i, label in enumerate(found.labels):
        st.session_state.setdefault(f"{key}.{i}", label)
    sets = {data.labels: None for data in (*datasets.list_own().values(), *datasets.DATASETS.values())
            if len(data.labels) == count}
    options = [_AS_IS, *(", ".join(names) for names in sets)]

    def fill() -> None:
        at = options.index(st.session_state[f"{key}.like"])
        for i, name in enumerate(found.labels if not at else [*sets][at - 1]):
            st.session_state[f"{key}.{i}"] = name

    st.selectbox("Names of the classes", options, key=f"{key}.like", on_change=fill, persist_state="session",
                 help="In the order of the model's outputs. Data sets and true labels find a class by its name.")
    with st.container(horizontal=True):
        return [st.text_input(f"Class {i:d}: {escape_markdown(label)}", key=f"{key}.{i}", max_chars=80, width=170,
                              persist_state="session")
                for i, label in enumerate(found.labels)]


def _choose_texts(staged: Staged, found: Preflight, dataset: str, actions: Actions) -> str:
    """Draw the picker of the texts with labels that accuracy is measured on; return the data set's name."""
    here = list_datasets(len(found.labels))
    key = f"own.rows.{staged.folder.parent.name}"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if here:
            if st.session_state.get(key) not in here:
                st.session_state[key] = dataset if dataset in here else here[0]
            chosen = st.selectbox(f"Try it on {ROWS:d} texts of", here, key=key, format_func=catalogue.name_dataset,
                                  width=220, persist_state="session")
            # Chosen here, or brought along a moment ago; what cannot begin is not begun again and again.
            if st.session_state.setdefault(f"{key}.asked", dataset) != chosen:
                st.session_state[f"{key}.asked"] = chosen
                actions.measure(staged, chosen)
                st.rerun()
        st.button("Your own texts", icon=":material/upload:", key="own.model.data", on_click=dialogs.open_dialog,
                  args=(dialogs.DATA, dialogs.MODEL, key), help="Measure it on texts of yours with labels.")
    return dataset


def list_datasets(classes: int) -> list[str]:
    """Return the data sets that are here and have so many classes, this person's own first."""
    known = {**datasets.list_own(), **datasets.DATASETS}
    return [name for name, data in known.items() if len(data.labels) == classes and dataset_job.is_here(name)]


def _draw_checks(checks: Sequence[Check]) -> None:
    """Draw a line for each check, those that ask for a look first."""
    odd = [check for check in checks if check.verdict != FINE]
    if odd:
        st.markdown(f"**Look at {len(odd)} thing{'' if len(odd) == 1 else 's'} before you use it**")
    else:
        st.markdown("**Nothing speaks against using it**")
    for check in [*odd, *(check for check in checks if check.verdict == FINE)]:
        if check.verdict == FINE:
            st.markdown(f":material/check_circle: **{escape_markdown(check.name)}** · {escape_markdown(check.line)}")
        else:
            st.markdown(f":material/warning: **{escape_markdown(check.name)}** · {escape_markdown(check.line)} "
                        f"*{escape_markdown(check.advice)}*")


def _draw_answers(found: Preflight, labels: Sequence[str]) -> None:
    """Draw what it answers to the five texts that everybody's model is asked."""
    rows: list[dict[str, Any]] = []
    for text, proba in zip(PROBES, found.proba, strict=False):
        best = int(proba.argmax())
        rows.append({"Text": text, "Answer": labels[best], "Probability": 100 * float(proba[best])})
    st.dataframe(rows, hide_index=True, column_config={
        "Probability": st.column_config.NumberColumn(format="%.1f %%", help="Of the class that it answers")})
