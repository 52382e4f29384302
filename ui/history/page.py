"""What the History page draws, from the search field to what can be done with the lines picked."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from robust_core import datasets
from robust_core.errors import RobustError
from robust_core.history.entries import (
    EVALUATION,
    JUDGED,
    TRAINING,
    TYPED,
    UNFINISHED,
    Entry,
    find_entries,
    list_entries,
)
from ui.history import actions, details, sides, table
from ui.saliency.stored_results import make_job
from ui.session import next_step, selection
from ui.shared import catalogue, loaded
from ui.widgets import dataset_job
from ui.widgets.markdown import escape_markdown, warn
from ui.widgets.report_button import draw_report

_FIRST = 20
_SEVERAL = {EVALUATION: ("evaluation", "evaluations"), TYPED: ("typed attack", "typed attacks"),
            TRAINING: ("training", "trainings"), UNFINISHED: ("unfinished training", "unfinished trainings"),
            JUDGED: ("judge's file", "judges' files")}


def draw_page() -> None:
    """Draw the page."""
    actions.show_outcome()
    try:
        entries = list_entries(loaded.open_store(), loaded.open_links())
        if not entries:
            _offer_first()
            return
        _draw_counts(entries)
        asked = st.text_input("Search", key="history.search", persist_state="session", icon=":material/search:",
                              placeholder="model, data set, attack, preset, date or words of a text",
                              help="Every word must stand in the line, or all of them together in one of its texts.")
        shown = find_entries(entries, asked or "", loaded.open_store())
    except RobustError as error:
        warn(error)
        return
    if not shown:
        st.info("Nothing here fits this search.")
        st.button("Show all", on_click=_clear_search, icon=":material/filter_alt_off:")
        return
    picked = _pick(shown)
    if not picked:
        st.caption("Pick a line for what can be done with it; two evaluations are compared.")
    else:
        _draw_picked(picked)
    next_step.suggest("Judge", "Judge whether attacked texts still mean the same", key="history.next")


def _clear_search() -> None:
    st.session_state["history.search"] = ""


def _draw_counts(entries: Sequence[Entry]) -> None:
    counts = Counter(entry.kind for entry in entries)
    parts = [f"{count:,} {_SEVERAL[kind][count > 1]}" for kind, count in counts.items()]
    st.markdown(escape_markdown(f"Kept here: {', '.join(parts)}. The newest stands first."))


def make_key(shown: Sequence[Entry]) -> str:
    """Return the key of the table: another one for other lines, since lines are picked by their place."""
    return f"history.rows.{hashlib.sha256(repr([entry.key for entry in shown]).encode()).hexdigest()[:12]}"


def _pick(shown: Sequence[Entry]) -> list[Entry]:
    event = st.dataframe(table.make_table(shown), column_config=table.configure_columns(), hide_index=True,
                         selection_mode="multi-row", on_select="rerun", key=make_key(shown), placeholder="–")
    st.caption("± is one standard error. Right under attack: the share of the texts that the model still gets right "
               "after the attack.")
    return [shown[row] for row in sorted(event["selection"]["rows"]) if row < len(shown)]


def _draw_picked(picked: Sequence[Entry]) -> None:
    # The older run first, as in the comparison.
    runs = [entry.id for entry in reversed(picked) if entry.kind == EVALUATION]
    if len(picked) == 1:
        details.draw_details(picked[0])
    elif len(picked) == 2 and len(runs) == 2:
        # The newest stands first.
        sides.draw_comparison(picked[1], picked[0])
    else:
        st.subheader(f"{len(picked):,} picked", anchor=False)
        st.caption("Two evaluations are compared; pick just these.")
    actions.draw_actions(picked)
    if runs:
        draw_report(runs, "history.report")


def _offer_first() -> None:
    """Say what will stand here, and offer a first run by one click."""
    st.info("Nothing was run here yet. Each evaluation of a data set, each typed attack that you share by its link, "
            "each training and each judge's file will stand here, to be opened again, compared, exported or removed.",
            icon=":material/history:")
    labels = datasets.describe("reviews").labels
    known = catalogue.read_cards()
    models = [model for model in dict.fromkeys([*selection.list_default_models(), *known])
              if model in known and datasets.same_labels(known[model].labels, labels)][:2]
    if not models:
        st.caption("No trained model is here that tells positive from negative reviews: train one on the Train page.")
        return
    if dataset_job.is_running():
        st.caption("A run is under way: its line stands here with its first result.")
        return
    names = " and ".join(map(catalogue.name_model, models))
    st.button(f"Attack {_FIRST:d} sample reviews", type="primary", icon=":material/play_arrow:", key="history.first",
              on_click=dataset_job.start_job, args=("A first run", make_job(models, "reviews", _FIRST)),
              help=escape_markdown(f"The attacks chosen on the Attack page, on {names}; both texts of each pair are "
                                   "explained. Less than a minute."))
