"""What can be done with the entries picked: open one, export, delete."""

from collections.abc import Callable, Sequence

import streamlit as st

from robust_core import owners
from robust_core.errors import RobustError
from robust_core.history.entries import EVALUATION, TRAINING, UNFINISHED, Entry
from robust_core.history.export import list_rows, to_jsonl, to_parquet
from robust_core.history.removal import describe_loss, remove_entry
from ui.history import details, opening
from ui.shared import loaded
from ui.widgets import dataset_job
from ui.widgets.markdown import escape_markdown, warn

_ASKED, _GONE = "history.asked", "history.gone"


def show_outcome() -> None:
    """Show what the last deletion came to, once."""
    for line in st.session_state.pop(_GONE, []):
        st.info(escape_markdown(line), icon=":material/delete:")


def draw_actions(picked: Sequence[Entry]) -> None:
    """Draw the buttons for the entries picked."""
    with st.container(horizontal=True):
        if len(picked) == 1:
            _draw_open(picked[0])
        for name, ending, write in (("JSONL", "jsonl", to_jsonl), ("Parquet", "parquet", to_parquet)):
            st.download_button(escape_markdown(name), _make_export(picked, write), f"history.{ending}",
                               "application/octet-stream", icon=":material/download:", key=f"history.export.{ending}",
                               on_click="ignore", help="A row a text, with the figures of each.")
        st.button("Delete", icon=":material/delete:", key="history.delete", on_click=_ask, args=(picked,))
    if st.session_state.get(_ASKED) == [entry.key for entry in picked]:
        _draw_question(picked)


def _draw_open(entry: Entry) -> None:
    try:
        place = opening.find_place(entry, loaded.open_store())
    except RobustError as error:
        st.button("Open", icon=":material/open_in_new:", key="history.open", disabled=True,
                  help=escape_markdown(error))
        return
    if st.button("Open", icon=":material/open_in_new:", key="history.open", type="primary",
                 help="Where it was made, with its settings"):
        try:
            place.restore()
        except RobustError as error:
            warn(error)
            return
        st.switch_page(place.page)


def _make_export(picked: Sequence[Entry], write: Callable[[list], bytes]) -> Callable[[], bytes]:
    """Return a function that gives the file; it may run outside this session, so all that it needs is taken now."""
    person, store, links = owners.find_person(), loaded.open_store(), loaded.open_links()

    def make() -> bytes:
        with owners.act_for(person):
            return write(list(list_rows(picked, store, links)))

    return make


def _ask(picked: Sequence[Entry]) -> None:
    st.session_state[_ASKED] = [entry.key for entry in picked]


def _draw_question(picked: Sequence[Entry]) -> None:
    """Ask once more before anything is removed, and say what will be gone."""
    what = details.name_entry(picked[0]) if len(picked) == 1 else f"{len(picked):,} entries"
    losses = "; ".join(dict.fromkeys(map(describe_loss, picked)))
    st.warning(escape_markdown(f"Delete {what}? Gone will be: {losses}."), icon=":material/warning:")
    with st.container(horizontal=True):
        st.button("Delete for good", key="history.sure", type="primary", on_click=_remove, args=(picked,))
        st.button("Keep", key="history.keep", on_click=lambda: st.session_state.pop(_ASKED, None))


def _remove(picked: Sequence[Entry]) -> None:
    st.session_state.pop(_ASKED, None)
    lines = st.session_state.setdefault(_GONE, [])
    for entry in picked:
        try:
            if reason := _find_use(entry):
                lines.append(reason)
            else:
                lines.append(remove_entry(entry, loaded.open_store(), loaded.open_links()))
        except RobustError as error:
            lines.append(f"{details.name_entry(entry)} is still here. {error}")


def _find_use(entry: Entry) -> str:
    """Say why an entry cannot be removed at this moment; nothing where it can."""
    if entry.kind == EVALUATION and dataset_job.is_running():
        return "A data set is being worked on: stop that first (in the sidebar), or wait for its end."
    if entry.kind in (TRAINING, UNFINISHED) and any(job.label == entry.id and not job.over
                                                    for job in loaded.list_trainings()):
        return f"{entry.id} is being trained at this moment: stop that first, on the Train page."
    return ""
