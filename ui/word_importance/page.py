"""The Word importance page's controls and searches."""

import streamlit as st

from robust_core.claims.footnotes import Footnotes
from robust_core.errors import RobustError
from robust_core.text import Draft
from ui.session import selection
from ui.shared import catalogue
from ui.widgets import dataset_job
from ui.widgets.footnotes import draw_footnotes
from ui.widgets.markdown import note
from ui.word_importance.measurement import Words, make_job


def draw_controls() -> tuple[str, str, str, int] | None:
    """Draw the pickers; return the model, the one beside it, the data set and the number of texts, or None."""
    models = list(selection.read_selection().models)
    if not models:
        st.info("Choose at least one model in the sidebar.")
        return None
    first, beside = _choose_first(models)
    if st.session_state.get("words.model") not in models:
        st.session_state["words.model"] = first
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox("Model", models, key="words.model", format_func=catalogue.name_option,
                             persist_state="session", width=220)
        alike = dataset_job.list_alike(model, models)
        if st.session_state.get("words.other") not in alike:
            st.session_state["words.other"] = beside if beside in alike else alike[-1]
        other = st.selectbox("Compare with", alike, key="words.other", format_func=catalogue.name_option,
                             persist_state="session", width=220, help="The second model of the synonym plot.")
        texts = dataset_job.draw_controls("words", catalogue.read_cards().get(model), 30)
        if texts is None:
            return None
        dataset, n = texts
        both = list(dict.fromkeys([model, other]))
        st.button("Measure", type="primary", icon=":material/play_arrow:", key="words.run",
                  disabled=dataset_job.is_running(), on_click=dataset_job.start_job,
                  args=("Measuring words", make_job(both, dataset, n)),
                  help="Attacks the texts with the sidebar's attacks, so that it is known which words get replaced, "
                       "and gives every word its importance. What is stored already is used again.")
    return model, other, dataset, n


def _choose_first(models: list[str]) -> tuple[str, str]:
    """Return the models to begin with: one with word masks, if any is chosen, beside the base of its architecture."""
    cards = catalogue.read_cards()
    masked = [m for m in models if m in cards and cards[m].config.get("network", {}).get("masks")]
    if not masked:
        return models[0], models[-1]
    base = masked[0].rpartition("/")[0] + "/base"
    return masked[0], base if base in models else next((m for m in models if m != masked[0]), masked[0])


def draw_importance(found: Words, n: int) -> None:
    """Say what the importance is, what it rests on, and what speaks against that."""
    footnotes = Footnotes()
    marks = [f" {marks}" if (marks := footnotes.mark(warnings)) else ""
             for warnings in (found.importance_warnings, found.attack_warnings)]
    what = ("Importance is the model's own word mask, the same in every text." if found.masks else
            f"This model has no word masks: importance is the mean absolute attribution "
            f"({selection.read_selection().explainer.title}) of a word over {n} texts{marks[0]}.")
    note(f"{what} {len(found.values):,} words; substitutions counted over {found.attacked:,} stored attacks on this "
         f"model{marks[1]}.")
    draw_footnotes(footnotes)


def find_matching(found: Words, text: str) -> set[str]:
    """Return the known words that contain any of the searched parts."""
    parts = [part.lower() for part in text.replace(",", " ").split()]
    return {word for word in found.values if any(part in word for part in parts)} if parts else set()


def find_typed(found: Words) -> tuple[set[str], list[str]]:
    """Return the words of the typed review that have an importance, and those that have none."""
    try:
        words = {word.lower() for word in Draft.of(selection.read_selection().text).words}
    except RobustError:
        return set(), []
    return {word for word in words if word in found.values}, sorted(words - set(found.values))
