"""Examples to start from."""

import streamlit as st

from robust_core import datasets

TYPED = (
    "an exceedingly clever piece of cinema",
    "a warm, funny and honest film about growing old together",
    "the plot is thin and the jokes fall flat",
    "it is slow at times, but the ending makes up for everything",
    "a tedious, clumsy thriller that wastes a talented cast",
    "the performances are strong and the music is beautiful",
)
_SHOWN = 20


@st.cache_data(show_spinner=False)
def list_everything() -> list[str]:
    """Return every example: typed ones, then the reviews of the test split."""
    return [*TYPED, *(e.text for e in datasets.load("reviews", "test"))]


def list_examples() -> list[str]:
    """Return the examples of the picker: typed ones and the first reviews."""
    return list_everything()[: len(TYPED) + _SHOWN]
