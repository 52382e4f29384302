"""The Judge page: what is judged and by whom, then one of three views."""

import streamlit as st

from ui.judge import choosing, everyone, reading, result
from ui.session import next_step
from ui.widgets import refresh

JUDGE, RESULT, EVERYONE = "Judge", "Your result", "All judges"
VIEW = "judge.view"
_STYLE = """
.rx-judged { font-size: 1.3rem; line-height: 1.55; min-height: 7.5rem; padding: 0.9rem 1.1rem; overflow-wrap: anywhere;
  white-space: pre-line; border-radius: 0.5rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
@media (min-width: 761px) { .rx-scores thead th:first-child { width: 34%; } }
"""
_VIEWS = {JUDGE: reading.draw_reading, RESULT: result.draw_result, EVERYONE: everyone.draw_everyone}


def draw_page() -> None:
    """Draw the choice of texts and the view that is open."""
    st.html(f"<style>{_STYLE}</style>")
    task = choosing.choose_task()
    if task is None:
        return
    if st.session_state.pop(reading.STOPPED, False):
        st.session_state[VIEW] = RESULT
    st.session_state.setdefault(VIEW, JUDGE)
    view = st.segmented_control("View", [JUDGE, RESULT, EVERYONE], key=VIEW, required=True, persist_state="session",
                                label_visibility="collapsed")
    with refresh.show_failure(f"the view {view}"):
        _VIEWS[view or JUDGE](task)
    if view != JUDGE:
        next_step.suggest("Leaderboard", "See what each model keeps under each attack", key="judge.next")
