"""Saliency: See which words each model rests on, in two texts side by side.

Icon: stacked_bar_chart
"""

import streamlit as st

from ui import running, saliency, state, trust

present = running.present()
lines = saliency.rows(present)
if not lines:
    if not state.selection().models:
        st.info("Choose at least one model in the sidebar.")
    st.stop()
if saliency.show(lines, present):
    saliency.figures(lines)
    trust.show(lines, saliency.names_of(lines))
