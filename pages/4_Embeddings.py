"""Embeddings: See how far an attack's words move a text, for sentence encoders and for models.

Icon: hub
"""

import streamlit as st

from robust_core.errors import RobustError
from ui import embeddings

way = embeddings.ask_texts()
try:
    if way is not None:
        above = st.container()
        # The map needs one encoder, the similarity all of them and the models: what is ready first is shown first.
        embeddings.draw_map(way)
        with above:
            embeddings.draw_similarity(way)
        embeddings.draw_slider(way)
    embeddings.draw_matrix()
except RobustError as error:
    st.warning(str(error))
