"""Examples to start from, each with its true label and what comes of it."""

import csv
from collections.abc import Callable
from pathlib import Path

import streamlit as st

from robust_core import datasets
from ui.session.selection import DEFAULT_TEXT
from ui.shared.catalogue import show_label
from ui.widgets.markdown import escape_markdown

# Written by `python -m bench.gallery search`: what TextFooler makes of each text under the preset careful, on the CNN,
# on FLAT and on the additive model with a certificate.
GALLERY = Path(__file__).parent / "gallery.tsv"
# Where it is kept whether the menu is open.
OPEN = "examples.open"
KINDS = {
    "proved": "Certified alone holds, proved", "holds": "Certified alone holds", "flat": "Base alone flips",
    "all hold": "All hold", "all flip": "All flip", "wrong": "Wrong before", "other": "Mixed",
}


@st.cache_data(show_spinner=False)
def read_gallery() -> dict[str, tuple[str, str]]:
    """Return the kind and the true label, as people read it, of the texts of the picker; the opening one first."""
    names = datasets.describe("reviews").labels
    with GALLERY.open(encoding="utf-8", newline="") as file:
        found = {row["text"]: (row["kind"], show_label(names[int(row["label"])]))
                 for row in csv.DictReader(file, delimiter="\t")}
    return {DEFAULT_TEXT: found[DEFAULT_TEXT]} | found


@st.cache_data(show_spinner=False)
def read_labels() -> dict[str, str]:
    """Return the true label, as people read it, of every example: the picker's, then the reviews of the test split."""
    reviews = {e.text: e.label for e in datasets.load("reviews", "test") if e.label is not None}
    names = datasets.describe("reviews").labels
    return {text: label for text, (_, label) in read_gallery().items()} | {
        text: show_label(names[label]) for text, label in reviews.items()}


def list_everything() -> list[str]:
    """Return every example."""
    return list(read_labels())


def list_examples() -> list[str]:
    """Return the examples of the picker."""
    return list(read_gallery())


def draw_menu(take: Callable[[str], None]) -> None:
    """Draw the examples of the picker, whole, each with what comes of it; the menu closes when one is chosen.

    Args:
        take: Puts a text into the text box.
    """
    def choose() -> None:
        chosen = st.session_state.pop("example", None)
        if chosen:
            take(chosen)
            st.session_state[OPEN] = False

    texts = list_examples()
    kinds = [KINDS[read_gallery()[text][0]] for text in texts]
    st.radio("What TextFooler does to it under Careful, on the CNN, on FLAT and on the certified model", texts,
             index=None, key="example", on_change=choose, format_func=escape_markdown, captions=kinds)
