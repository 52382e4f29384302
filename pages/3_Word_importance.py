"""Word importance: See which words a model cares about everywhere, and whether synonyms count alike.

Icon: scatter_plot
"""

import streamlit as st

from ui import word_importance
from ui.shared import catalogue
from ui.widgets import dataset_job


def draw(model: str, other: str, dataset: str, n: int) -> None:
    """Draw what is known of the words of two models."""
    found, beside = word_importance.find_known(model, dataset, n), word_importance.find_known(other, dataset, n)
    if found is None:
        st.info(
            "Measuring; the sidebar shows how far it is. The plots appear by themselves."
            if dataset_job.is_running()
            else "Press Measure: the texts are attacked and every word gets its importance for this model."
        )
        return
    st.caption(word_importance.describe_importance(found, n))
    searched = word_importance.find_matching(
        found,
        st.text_input("Find words", key="words.find", persist_state="session", placeholder="such as: funny, dull"),
    )
    marked, missing = word_importance.find_typed(found)
    word_importance.draw_clouds(found, marked, searched)
    if missing:
        st.caption(f"Orange: words of the text typed on the Attack page. Not among these texts: {', '.join(missing)}.")
    word_importance.draw_gaps(found, beside, (catalogue.name_model(model), catalogue.name_model(other)))
    word_importance.draw_ranking(found, searched)


chosen = word_importance.draw_controls()
if chosen is not None:
    draw(*chosen)
