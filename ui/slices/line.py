"""The line that says which slice is chosen, on every page, and leads to what can be done with its texts."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from robust_core import slices
from robust_core.errors import RobustError
from robust_core.judging.sources import list_runs
from robust_core.slices import RUN, Slice
from ui.session import next_step, selection
from ui.shared import loaded
from ui.slices import state
from ui.widgets.markdown import escape_markdown

# Whether figures of stored runs are those of the slice alone, and whether Judge shows its texts alone.
STORED_ONLY, JUDGE_ONLY = "stored.slice", "judge.slice"
# The form for a new run stands open where the slice was sent there.
OPEN_FORM = "stored.open_form"


class _Way(NamedTuple):
    """What can be done with a slice: the label, the page, what it does, and what sets that page."""

    label: str
    page: str
    about: str
    prepare: Callable[[Slice], None]


def draw_line() -> None:
    """Draw the slice in one line, if there is one."""
    chosen = state.find_slice()
    if chosen is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="slice.line"):
        said = state.describe_slice(chosen) + (f", {chosen.name}" if chosen.name else "")
        st.markdown(f"**Slice:** {escape_markdown(said)}", width="content",
                    help="Texts that you picked. They stay in the address, so a reload or a link brings them back.")
        for way in _WAYS:
            if st.button(escape_markdown(way.label), key=f"slice.{way.label}", type="tertiary",
                         on_click=way.prepare, args=(chosen,), help=escape_markdown(way.about)):
                st.switch_page(next_step.find_page(way.page))
        with st.popover("rename", type="tertiary", key="slice.rename"):
            st.text_input("Name of the slice", chosen.name, key=f"slice.name.{state.find_word()}",
                          max_chars=slices.LONGEST_NAME, on_change=_rename, args=(state.find_word(),))
        st.button("clear", key="slice.clear", type="tertiary", on_click=state.clear_slice,
                  help="Forget the slice. What was measured on it stays stored.")


def _rename(word: str) -> None:
    state.rename_slice(st.session_state[f"slice.name.{word}"])


def _attack(chosen: Slice) -> None:
    next_step.choose({"saliency.source": "Stored results", OPEN_FORM: True,
                      "stored.new.dataset": slices.write_slice(chosen)})


def _explain(chosen: Slice) -> None:
    next_step.choose({"words.dataset": slices.write_slice(chosen)})


def _measure(chosen: Slice) -> None:
    next_step.choose({"saliency.source": "Stored results", STORED_ONLY: True,
                      "stored.dataset": state.find_dataset(chosen), "stored.which": "All texts"})


def _judge(chosen: Slice) -> None:
    next_step.choose({"judge.from": "Stored runs", JUDGE_ONLY: True})
    try:
        if runs := list_flipped(chosen):
            st.session_state["judge.runs"] = runs
        else:
            selection.notify("No stored attack flips a text of this slice, so there is nothing to judge yet. Attack "
                             "its texts first: “attack” in the line of the slice.")
    except RobustError as error:
        selection.notify(str(error))


def list_flipped(chosen: Slice) -> list[str]:
    """Return the ids of the stored runs that flip a text of a slice, the newest first.

    Raises:
        BadInput: The store cannot be read.
    """
    store = loaded.open_store()
    runs = [run.id for run in list_runs(store)]
    if chosen.split == RUN:
        runs = [run for run in runs if run == chosen.source]
    else:
        uids = [f"{chosen.source}/{chosen.split}/{place}" for place in chosen.places]
        runs = [run for run in runs if store.done(run, uids)]
    return [run for run in runs
            if any(result.status == "succeeded" for result in slices.list_results(chosen, store, run))]


_WAYS = (
    _Way("attack", "Saliency", "Attack these texts with the models and attacks of the sidebar, and explain the pairs",
         _attack),
    _Way("explain", "Word importance", "Which words matter to a model in these texts", _explain),
    _Way("metrics", "Saliency", "The figures of stored attacks, over these texts alone", _measure),
    _Way("judge", "Judge", "Judge what attacks made of these texts", _judge),
)
