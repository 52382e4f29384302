"""Embeddings: See how far an attack's words move a text, for sentence encoders and for models.

Icon: hub
"""

import streamlit as st

from robust_core.errors import RobustError
from ui import embeddings

way = embeddings.ask()
try:
    if way is not None:
        embeddings.similarity(way)
        embeddings.world(way)
        embeddings.slider(way)
    embeddings.matrix()
except RobustError as error:
    st.warning(str(error))
