"""The view on distance: how far a vector may move, in L1, before a smoothed classifier can change its answer."""

import streamlit as st

from robust_core.certify import SMOOTHERS
from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from ui.certified import accuracy, digits, text
from ui.widgets.markdown import warn

_EXPLANATION = """
A *smoothed* classifier does not read the input itself: it blurs it in many ways, lets a small network judge every copy,
and takes the majority. A small move changes few copies, so a clear majority cannot be overturned: that is the
*certificate*. What is certified is a distance: the sum of all changes (L1) of a short vector made from MiniLM's
sentence embedding. **It is not a statement about words.** One swapped word may move the vector by more than the
radius, and then nothing is promised; nor is it about the classifiers of the Attack page.
"""


def draw_view() -> None:
    """Draw the certificate of a text, certified accuracy, and a digit."""
    st.markdown(_EXPLANATION)
    _draw_text()
    st.subheader("Certified accuracy")
    accuracy.draw_curves()
    st.subheader("A digit")
    try:
        digits.draw_digit()
    except RobustError as error:
        warn(error)


def _draw_text() -> None:
    found = {card.id: card for card in text.read_cards("text")}
    if not found:
        st.info("No smoothed classifiers are here. Train them: `python -m robust_core train-smoothed --dataset sst2`")
        return
    st.text_area("Type a review", key="text", height=80, persist_state="session")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        card = found[st.selectbox("Trained on", list(found), key="certified.model", width=180,
                                  format_func=lambda name: str(text.TITLES.get(name, name)))]
        method = st.selectbox("Noise", list(SMOOTHERS), key="certified.method", width=220,
                              format_func=lambda name: SMOOTHERS[name].title,
                              help="DSSN counts the votes of every split exactly; the other two estimate them from "
                                   "random samples.")
        scale = st.select_slider("Λ", text.LAMBDAS, value=0.5, key="certified.scale", width=220,
                                 help="Half the width of a cell, where every coordinate reaches from 0 to 1")
    try:
        text.draw_text(card, check_typed(st.session_state["text"]), method, scale)
        st.subheader("How far the last attack moved the vector")
        text.draw_attack(card, method, scale)
    except RobustError as error:
        warn(error)
