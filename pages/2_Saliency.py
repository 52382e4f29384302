"""Saliency: See which words each model rests on, in two texts side by side.

Icon: stacked_bar_chart
"""

import streamlit as st

from ui import running, saliency, trust

make = saliency.ask(running.present())
if make is not None and not make():
    st.info("Choose at least one model in the sidebar.")
elif make is not None:
    lines = saliency.show(make)
    if lines:
        saliency.figures(lines)
        trust.show(lines, saliency.names_of(lines))
