"""One entry picked: what it is, and its figure."""

import math

import streamlit as st

from robust_core.explainers import EXPLAINERS
from robust_core.history.entries import EVALUATION, Entry
from ui.history import table
from ui.widgets.markdown import escape_markdown, note


def draw_details(entry: Entry) -> None:
    """Draw what is known of an entry without reading all of it."""
    st.subheader(escape_markdown(name_entry(entry)), anchor=False)
    if not math.isnan(entry.value):
        error = "" if math.isnan(entry.error) else f" (± {100 * entry.error:.1f})"
        with st.grid(columns=4, min_column_width=150):
            st.metric(escape_markdown(f"{entry.figure.capitalize()}{error}"), f"{100 * entry.value:.1f} %")
            st.metric("Texts", f"{entry.n:,}")
    elif entry.figure:
        st.markdown(escape_markdown(f"{entry.figure.capitalize()}."))
    if entry.text:
        st.markdown(escape_markdown(entry.text))
    parts = [f"{entry.when:%Y-%m-%d %H:%M} UTC", table.name_data(entry), entry.id]
    if entry.kind == EVALUATION:
        names = ", ".join(EXPLAINERS[name].title if name in EXPLAINERS else name for name in entry.explained)
        parts.append(f"explained: {names}" if names else "not explained yet")
    note(" · ".join(filter(None, parts)))


def name_entry(entry: Entry) -> str:
    """Name an entry in a few words: `TextFooler (careful) on CNN · base`."""
    models, attacks = table.name_models(entry), table.name_attacks(entry)
    if attacks and models:
        return f"{attacks} on {models}"
    return f"{entry.kind.capitalize()}: {attacks or models or entry.text or entry.id}"
