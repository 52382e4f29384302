"""Certified: Which changes of an input provably cannot change the answer: swapped words, or a small move of a vector.

Icon: verified_user
Sidebar: models
"""

import streamlit as st

from ui.certified import distance, words
from ui.session import next_step, selection

WORDS, DISTANCE = "Words", "Distance (L1)"

st.session_state.setdefault("text", selection.DEFAULT_TEXT)
st.session_state.setdefault("certified.view", WORDS)
words.note_own_models()
view = st.segmented_control("What is proved", [WORDS, DISTANCE], key="certified.view", required=True,
                            persist_state="session", label_visibility="collapsed")
if view == DISTANCE:
    distance.draw_view()
    next_step.suggest("Attack", "Attack a text", key="certified.next",
                      about="What searches for swapped words find, where no proof holds")
else:
    words.draw_view()
