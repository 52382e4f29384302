"""The view for the projector: large letters, nothing beside the lesson, keys for next, back and reveal."""

import streamlit as st

from ui.lessons import progress

# Every size of a page is a multiple of the root's, so that one number enlarges all of it.
_STYLE = """
html { font-size: clamp(16px, 1.75vw, 30px); }
[data-testid="stSidebar"], [data-testid="stSidebarCollapsedControl"], [data-testid="stExpandSidebarButton"]
  { display: none; }
/* The page's own title and the line below it say nothing to a class. */
[data-testid="stElementContainer"]:has(h1),
[data-testid="stElementContainer"]:has(h1) + [data-testid="stElementContainer"] { display: none; }
"""
KEYS = {"next": "Right", "back": "Left", "reveal": "A"}


def draw_toggle() -> None:
    """Draw the switch of the view, and its style where it is on."""
    st.session_state.setdefault(progress.PRESENT, False)
    st.toggle("Presenter view", key=progress.PRESENT, persist_state="session",
              help="Large letters for a projector. Keys: → next, ← back, A shows the answer or runs the step without a "
                   "guess.")
    if progress.presents():
        st.html(f"<style>{_STYLE}</style>")


def list_keys() -> dict[str, str]:
    """Return the keys of the buttons; none outside the view, where they would surprise."""
    return KEYS if progress.presents() else {}
