"""Word importance: See which words a model cares about everywhere, and whether synonyms count alike.

Icon: scatter_plot
"""

import streamlit as st

from ui import corpus, state, words


def draw(model: str, other: str, dataset: str, n: int) -> None:
    """Draw what is known of the words of two models."""
    found, beside = words.known(model, dataset, n), words.known(other, dataset, n)
    if found is None:
        st.info("Measuring; the sidebar shows how far it is. The plots appear by themselves." if corpus.running() else
                "Press Measure: the texts are attacked and every word gets its importance for this model.")
        return
    st.caption(words.about(found, n))
    searched = words.matching(found, st.text_input("Find words", key="words.find", persist_state="session",
                                                   placeholder="such as: funny, dull"))
    marked, missing = words.typed(found)
    words.clouds(found, marked, searched)
    if missing:
        st.caption(f"Orange: words of the text typed on the Attack page. Not among these texts: {', '.join(missing)}.")
    words.gaps(found, beside, (state.title(model), state.title(other)))
    words.ranking(found, searched)


chosen = words.controls()
if chosen is not None:
    draw(*chosen)
