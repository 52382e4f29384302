"""Saliency: See which words each prediction rests on, in two texts side by side.

Icon: stacked_bar_chart
Sidebar: models, attacks, explanation, thresholds, seed
"""

import streamlit as st

from ui.saliency import faithfulness, page
from ui.session import attack, next_step, selection

make = page.ask_texts(attack.find_outcome())
if make is not None and not make():
    st.info("Choose at least one model in the sidebar.")
elif make is not None:
    lines = page.show_grid(make)
    if lines:
        page.draw_figures(lines)
        faithfulness.show_faithfulness(lines)
if selection.read_selection().models:
    next_step.suggest("Word importance", "See which words matter over a whole data set", key="saliency.next",
                      about="For the models chosen in the sidebar, and whether synonyms count alike")
