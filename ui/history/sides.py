"""Two evaluations side by side: differences with paired errors, and the texts that changed sides."""

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st

from robust_core.errors import RobustError
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.evaluation.outcomes import name_outcome
from robust_core.history.comparison import Changed, Comparison, Difference, compare_runs
from robust_core.history.entries import Entry
from robust_core.leaderboard.ranking import TOLD_APART
from robust_core.reports.tables import format_difference
from ui.history.details import name_entry
from ui.history.table import name_data
from ui.shared import loaded
from ui.slices import state as slices
from ui.widgets.markdown import escape_markdown, note, warn

FIRST, SECOND = "A", "B"
_MOST = 500


def draw_comparison(older: Entry, newer: Entry) -> None:
    """Draw two evaluations beside each other; the older one, A, is what the newer one, B, is compared with."""
    st.subheader("Side by side", anchor=False)
    try:
        store, ids = loaded.open_store(), (older.id, newer.id)
        # Both grow while they are measured: what was compared at another number of texts is compared anew.
        compared = [(of.run_id, of.compared) for of in list_stored(store) if of.run_id in ids]
        found = _compare(str(store.folder), *ids, repr((older.n, newer.n, compared)))
    except RobustError as error:
        warn(error)
        return
    st.markdown(escape_markdown(describe_result(found)))
    for name, entry in ((FIRST, older), (SECOND, newer)):
        note(f"{name}: {name_entry(entry)} · {name_data(entry)} · {entry.when:%Y-%m-%d %H:%M} UTC · run {entry.id}")
    st.dataframe([_make_line(each) for each in found.differences], hide_index=True, placeholder="–", column_config={
        f"{SECOND} − {FIRST}": st.column_config.TextColumn(
            help="One standard error beside it, paired over the texts: both runs met the same ones.")})
    counts = {FIRST: found.only_first, SECOND: found.only_second}
    apart = [f"{count:,} only {name}" for name, count in counts.items() if count]
    note(f"Over the {found.shared:,} texts that both attacked" + (f"; left out: {', '.join(apart)}." if apart else "."))
    _draw_changed(found.changed, newer.id)


@st.cache_resource(show_spinner="Comparing …", max_entries=16)
def _compare(folder: str, first: str, second: str, state: str) -> Comparison:
    return compare_runs(loaded.open_store(), first, second)


def describe_result(found: Comparison) -> str:
    """Say in a sentence or two how the newer run differs in what is right under attack."""
    held = next(each for each in found.differences if each.name == "Right under attack")
    points, error = 100 * held.value, 100 * held.error
    gained = sum(each.now_right for each in found.changed)
    sides = f"{len(found.changed):,} of {found.shared:,} texts changed sides: {gained:,} are right only in {SECOND}, " \
            f"{len(found.changed) - gained:,} only in {FIRST}."
    if math.isnan(error) or abs(points) <= TOLD_APART * error:
        return f"Under attack the two cannot be told apart: {points:+.1f} ± {error:.1f} points. {sides}"
    return (f"{SECOND} keeps {'more' if points > 0 else 'less'} under attack: {points:+.1f} ± {error:.1f} points. "
            f"{sides}")


def _make_line(each: Difference) -> dict[str, Any]:
    first, second, difference = format_difference(each)
    return {"Figure": each.name, FIRST: first, SECOND: second, f"{SECOND} − {FIRST}": difference, "Texts": each.n}


def _draw_changed(changed: Sequence[Changed], run: str) -> None:
    if not changed:
        return
    with st.expander(f"Texts that changed sides ({len(changed):,})", icon=":material/compare_arrows:"):
        event = st.dataframe(
            [{"Right only in": SECOND if each.now_right else FIRST, "Original": each.first.example.text,
              f"{FIRST}: outcome": name_outcome(each.first), f"{FIRST}: text": each.first.perturbed,
              f"{SECOND}: outcome": name_outcome(each.second), f"{SECOND}: text": each.second.perturbed}
             for each in changed[:_MOST]],
            hide_index=True, selection_mode="multi-row", on_select="rerun", key=f"history.changed.{run}")
        rows = event["selection"]["rows"]
        if rows:
            st.button(f"Make a slice of {len(rows):d} {'text' if len(rows) == 1 else 'texts'}", key="history.take",
                      icon=":material/join_inner:", on_click=slices.take_results, args=(
                          run, [changed[row].second.example.uid for row in rows if row < len(changed)],
                          "changed sides"), help="To attack, explain or judge these texts alone")
        if len(changed) > _MOST:
            note(f"The first {_MOST} are listed; the export has all.")
