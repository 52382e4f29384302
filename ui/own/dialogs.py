"""The dialogs for what people bring, and the button that opens the one for models."""

import streamlit as st

from ui.own import data, model
from ui.session import dialogs
from ui.widgets import refresh


def draw_button() -> None:
    """Draw the button that opens the dialog for models."""
    st.button("Your own model", icon=":material/add:", key="own.open", type="tertiary", on_click=dialogs.open_dialog,
              args=(dialogs.MODEL,), help="Bring a classifier as a zip, a folder or a Hugging Face id. It is tried "
                                          "first, then it is in every picker.")


def draw_dialog() -> None:
    """Draw the dialog that is open, if one is; each run of the page calls this, else the dialog would close."""
    name = dialogs.find_open()
    if name == dialogs.MODEL:
        st.dialog("Your own model", width="large", on_dismiss=dialogs.close_dialog)(_draw_model)()
    elif name == dialogs.DATA:
        st.dialog("Your own texts", width="large", on_dismiss=dialogs.close_dialog)(_draw_data)()


def _draw_model() -> None:
    # A dialog is a fragment: only a run of the whole page closes it.
    if dialogs.find_open() != dialogs.MODEL:
        st.rerun()
    with refresh.show_failure("the dialog for models"):
        model.draw_dialog()


def _draw_data() -> None:
    if dialogs.find_open() != dialogs.DATA:
        st.rerun()
    with refresh.show_failure("the dialog for texts"):
        data.draw_dialog()
