"""What a person asks of an attack for one text: words that must stay, and the class to reach."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from robust_core.attacks.base import Attack
from robust_core.cleaning import clean
from robust_core.registry import to_record
from robust_core.text import Draft
from ui.widgets.markdown import escape_markdown

ANY = ""


def _make_key(what: str, text: str) -> str:
    # A widget for each text, as that of the true label: its words are the ones that can be clicked.
    return f"{what}.{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"


def draw_locks(text: str, classes: Mapping[str, str]) -> None:
    """Let a person click the words of a text that an attack must leave alone, and choose what it looks for.

    Args:
        text: What stands in the text box.
        classes: Names of the classes, each with what is shown for it.
    """
    words = list(dict.fromkeys(word.lower() for word in Draft.of(clean(text)).words))
    chosen = [word for word in read_words(text) if word in words]
    with st.popover(f"Lock words ({len(chosen)})" if chosen else "Lock words", icon=":material/lock:"):
        if words:
            st.pills("Click the words that must stay", words, selection_mode="multi", default=chosen or None,
                     key=_make_key("lock", text), format_func=escape_markdown,
                     help="Names and numbers can be locked in the settings of an attack.")
        if read_target(text) not in classes:
            st.session_state.pop(_make_key("target", text), None)
        st.selectbox("What the attack looks for", [ANY, *classes], key=_make_key("target", text),
                     format_func=lambda name: f"the answer {classes[name]}" if name else "any other answer")


def read_words(text: str) -> tuple[str, ...]:
    """Return the words of a text that are locked."""
    return tuple(st.session_state.get(_make_key("lock", text)) or ())


def read_target(text: str) -> str:
    """Return the class that an attack on a text looks for; ANY where any other will do."""
    return st.session_state.get(_make_key("target", text)) or ANY


def make_records(attacks: Sequence[Attack], text: str) -> tuple[Mapping[str, Any], ...]:
    """Return the records of attacks on a text, with what is asked for it.

    Raises:
        BadInput: An attack looks for something else already.
    """
    asked = {"lock": read_words(text), "target": read_target(text)}
    return tuple(to_record(dataclasses.replace(attack, **asked)) for attack in attacks)
