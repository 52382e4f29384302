"""Which dialog is open: kept here, so that a page that runs again, as an attack makes it do, does not close it."""

import streamlit as st

MODEL, DATA = "model", "data"
_OPEN, _AFTER, _FOR = "dialog.open", "dialog.after", "dialog.for"


def open_dialog(name: str, after: str = "", picker: str = "") -> None:
    """Open a dialog; for a button's `on_click`.

    Args:
        name: MODEL or DATA.
        after: The dialog that opens when it is closed.
        picker: Key of the picker of data sets that it was opened from.
    """
    st.session_state[_OPEN], st.session_state[_AFTER], st.session_state[_FOR] = name, after, picker


def close_dialog() -> None:
    """Close the dialog that is open."""
    st.session_state[_OPEN], st.session_state[_AFTER] = st.session_state.get(_AFTER, ""), ""


def find_open() -> str:
    """Return the name of the dialog that is open; empty where none is."""
    return st.session_state.get(_OPEN, "")


def find_picker() -> str:
    """Return the key of the picker of data sets that the dialog was opened from; empty where there was none."""
    return st.session_state.get(_FOR, "")
