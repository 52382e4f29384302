"""The true label that an example brings or a person picks. It belongs to one text and holds for no other."""

import hashlib

import streamlit as st

NO_LABEL = ""


def _make_key(text: str) -> str:
    # A widget for each text: a browser that has not yet heard of the next text still sends the label of the one before.
    return f"label.{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"


def write_label(text: str, label: str) -> None:
    """Remember the true class of a text, by the name that people read; NO_LABEL takes one back."""
    st.session_state[_make_key(text)] = label


def read_label(text: str) -> str:
    """Return the true class of a text, or NO_LABEL."""
    return st.session_state.get(_make_key(text), NO_LABEL)


def pick_label(text: str, classes: dict[str, str]) -> None:
    """Let a person pick the true class of a text.

    Args:
        text: What stands in the text box.
        classes: Names of the classes, each with what is shown for it.
    """
    if read_label(text) not in classes:
        write_label(text, NO_LABEL)
    st.selectbox(
        "True label",
        [NO_LABEL, *classes],
        key=_make_key(text),
        persist_state="session",
        width=150,
        format_func=lambda name: classes.get(name, "not given"),
        help="With a true label, a model that is wrong before the attack is skipped. Without one, the attack "
             "tries to change whatever the model predicts first, as on a model that has no class of this name.",
    )
