"""The Embeddings page's texts: those of the last attack, or two typed ones."""

from typing import NamedTuple

import streamlit as st

from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.evaluation.embedding_space import attack_path
from robust_core.types import AttackResult
from ui.session import attack, selection
from ui.widgets.markdown import warn

LAST, PAIR = "Last attack", "Two texts"


class AttackPath(NamedTuple):
    """Texts from an original to an adversarial one, both included."""

    texts: tuple[str, ...]


def ask_texts() -> AttackPath | None:
    """Ask which two texts to look at; None where they cannot be used."""
    result = _find_last()
    choices = [LAST, PAIR] if result is not None else [PAIR]
    if st.session_state.get("embeddings.source") not in choices:
        st.session_state["embeddings.source"] = choices[0]
    source = st.segmented_control("Texts", choices, key="embeddings.source", required=True, persist_state="session")
    if source == LAST and result is not None:
        return AttackPath(tuple(attack_path(result.example.text, result.perturbed, result)))
    st.session_state.setdefault("embeddings.first", selection.DEFAULT_TEXT)
    st.session_state.setdefault("embeddings.second", selection.OTHER_TEXT)
    left, right = st.columns(2)
    first = left.text_area("Original", key="embeddings.first", height="content", persist_state="session")
    second = right.text_area("Adversarial", key="embeddings.second", height="content", persist_state="session")
    try:
        return AttackPath(tuple(attack_path(check_typed(first), check_typed(second))))
    except RobustError as error:
        warn(error)
        return None


def _find_last() -> AttackResult | None:
    present = attack.find_outcome()
    donors = present.donors() if present is not None and not present.running else []
    return present.results[donors[0]] if present is not None and donors else None
