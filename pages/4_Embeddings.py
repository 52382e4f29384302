"""Embeddings: See how far an attack moves a text in the embedding spaces of encoders and of models.

Icon: hub
Sidebar: models
"""

import streamlit as st

from robust_core.errors import RobustError
from ui.embeddings import page, perturbation, similarity, text_map
from ui.session import next_step
from ui.widgets.markdown import warn

path = page.ask_texts()
try:
    if path is not None:
        above = st.container()
        # The map needs one encoder, the similarity all of them and the models: what is ready first is shown first.
        text_map.draw_map(path)
        with above:
            similarity.draw_similarity(path)
        perturbation.draw_slider(path)
    similarity.draw_sentences()
except RobustError as error:
    warn(error)
next_step.suggest("Certified", "See what is proved of the original text", key="embeddings.next",
                  prepare=next_step.choose, args=({"text": path.texts[0]} if path is not None else {},),
                  about="Whether swaps of words can flip an additive model on it, however many")
