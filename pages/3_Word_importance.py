"""Word importance: See which words matter to a model in all texts, and whether synonyms count alike.

Icon: scatter_plot
Sidebar: models, attacks, explanation, seed
"""

import streamlit as st

from robust_core.errors import list_names
from ui.session import next_step, selection
from ui.shared import catalogue, example_run
from ui.widgets import dataset_job
from ui.widgets.markdown import note
from ui.word_importance import measurement, page, plots


def draw(model: str, other: str, dataset: str, n: int) -> None:
    """Draw what is known of the words of two models."""
    found, beside = measurement.find_known(model, dataset, n), measurement.find_known(other, dataset, n)
    if found is None:
        if dataset_job.is_running():
            st.info("Measuring; the sidebar shows the progress. The plots appear by themselves.")
            return
        with st.spinner("Reading the example …"):
            example, other_example = measurement.find_example(model), measurement.find_example(other)
        if example is None:
            st.info("Press Measure: the texts are attacked and every word gets its importance for this model.")
            return
        note(f"{example_run.ABOUT} Press Measure for the texts and the attack that are chosen here.")
        (found, n), dataset, beside = example, example_run.DATASET, other_example and other_example[0]
    page.draw_importance(found, n)
    searched = page.find_matching(
        found,
        st.text_input("Find words", key="words.find", persist_state="session", placeholder="such as: funny, dull"),
    )
    searched |= found.values.keys() & set(st.session_state.get(plots.PICKED, ()))
    marked, missing = page.find_typed(found)
    plots.draw_clouds(found, marked, searched)
    plots.draw_picked(dataset, n)
    if missing:
        note(f"Orange: words of the text typed on the Attack page. Not among these texts: {list_names(missing)}.")
    plots.draw_gaps(found, beside, (model, other))
    plots.draw_ranking(found, searched)


chosen = page.draw_controls()
if chosen is not None:
    draw(*chosen)
    next_step.suggest("Attack", f"Attack a text on {catalogue.name_model(chosen[0])}", key="words.next",
                      prepare=selection.choose_models, args=(chosen[0],))
