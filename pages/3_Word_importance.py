"""Word importance: See which words a model cares about everywhere, and whether synonyms count alike.

Icon: scatter_plot
"""

import streamlit as st

from ui import word_importance
from ui.shared import catalogue
from ui.widgets import dataset_job


def draw(model: str, other: str, dataset: str, n: int) -> None:
    """Draw what is known of the words of two models."""
    found, beside = word_importance.known(model, dataset, n), word_importance.known(other, dataset, n)
    if found is None:
        st.info("Measuring; the sidebar shows how far it is. The plots appear by themselves." if dataset_job.running() else
                "Press Measure: the texts are attacked and every word gets its importance for this model.")
        return
    st.caption(word_importance.about(found, n))
    searched = word_importance.matching(found, st.text_input("Find words", key="words.find", persist_state="session",
                                                   placeholder="such as: funny, dull"))
    marked, missing = word_importance.typed(found)
    word_importance.clouds(found, marked, searched)
    if missing:
        st.caption(f"Orange: words of the text typed on the Attack page. Not among these texts: {', '.join(missing)}.")
    word_importance.gaps(found, beside, (catalogue.title(model), catalogue.title(other)))
    word_importance.ranking(found, searched)


chosen = word_importance.controls()
if chosen is not None:
    draw(*chosen)
