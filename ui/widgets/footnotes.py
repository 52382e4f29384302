"""Footnotes of a table on a page: the mark and what was found, the advice in a tooltip."""

import streamlit as st

from robust_core.claims.footnotes import Footnotes
from ui.widgets.markdown import escape_markdown

HELP = "What speaks against taking the figure as it stands: see the lines below the table"


def draw_footnotes(footnotes: Footnotes) -> None:
    """Draw a line for each kind of warning, below the table whose cells have the marks."""
    for note in footnotes.notes():
        st.caption(escape_markdown(note.line), help=escape_markdown(note.advice) or None)
