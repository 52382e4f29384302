"""Footnotes of a table on a page: the mark and what was found, the advice in a tooltip."""

import streamlit as st

from robust_core.claims.footnotes import Footnotes
from ui.widgets.markdown import escape_markdown

# The column of a table's marks.
MARKS = st.column_config.TextColumn(
    help="What speaks against taking the figures as they stand: see the lines below the table")


def draw_footnotes(footnotes: Footnotes) -> None:
    """Draw a line for each kind of warning, below the table whose cells have the marks."""
    for note in footnotes.notes():
        st.caption(escape_markdown(note.line), help=escape_markdown(note.advice) or None)
