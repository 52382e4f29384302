"""Steps on certificates: what is proved under swaps of words, and within a distance."""

import json
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from robust_core import highlight
from robust_core.certify.certified_accuracy import certify_texts
from robust_core.lessons.steps import Certificate, Distance
from ui.certified import text as vectors
from ui.lessons import guesses, progress, reading, running
from ui.lessons.progress import Place
from ui.session import selection
from ui.shared import catalogue, loaded, word_proof
from ui.widgets.markdown import note
from ui.widgets.phrases import name_class

if TYPE_CHECKING:
    from robust_core.certify.word_swaps import WordCertificate

# What may stand in for a word, in plain words; the Certified page says it exactly.
SWAPS = {"careful": "Careful swaps: for each word a list of close synonyms, without opposites, names or numbers.",
         "close": "Close swaps: for each word all words that a table of word meanings puts near by.",
         "wide": "Here anything near by may stand for a word: neighbours and synonyms in any sense, good ones or not."}
_SCALE, _METHOD, _DATASET = 0.5, "dssn", "sst2"
_MANY = 10**15


def _draw_run(place: Place, ready: bool, label: str) -> bool:
    """Draw the button that shows the proof; return whether it was pressed."""
    if progress.read_answer(place).done:
        return True
    st.button(label, key=f"{place.key}.run", type="primary", icon=":material/play_arrow:", disabled=not ready,
              on_click=progress.change_answer, args=(place,), kwargs={"done": True})
    if not ready:
        st.caption("First make your guess above.")
    return False


def draw_certificate(place: Place) -> None:
    """Draw what is proved of a text in words."""
    step, device = place.step, selection.find_default_device()
    assert isinstance(step, Certificate)
    reading.draw_quote(step.review)
    running.show_predictions(place, step.review, [step.model])
    if not _draw_run(place, guesses.draw_guess(place), "Work out the proof"):
        return
    with st.spinner("Working out the proof …"):
        model = loaded.wait_for_model(step.model, device)
        found = word_proof.certify_text(step.model, catalogue.fingerprint_model(step.model), step.swaps, step.review,
                                        model)
    label = name_class(catalogue.find_labels(step.model), found.prediction)
    guesses.compare(place, {"yes" if found.certified else "no"}, describe(found, label))
    note(SWAPS[step.swaps])
    if found.worst_text != step.review:
        st.html(highlight.highlight_words(found.worst_text, label="Most dangerous text",
                                          marks=highlight.mark_changes(step.review, found.worst_text)[1]))
        st.caption("The most dangerous of all these texts. Outlined words were swapped.")
    running.show_predictions(place, found.worst_text, [step.model])
    running.show_afterwards(step)


def describe(found: "WordCertificate", label: str) -> str:
    """Say in plain words what is proved of a text.

    Args:
        found: The certificate.
        label: Name of the class that the model answers with.
    """
    if found.certified:
        many = f"{found.texts:,}" if found.texts < _MANY else f"more than {_MANY:,}"
        return f"It is proved. The swaps can make {many} texts, and the model says {label} to each of them."
    if found.swaps_proven > 0:
        return (f"It is not proved for any number of swaps. With up to {found.swaps_proven} the answer stays; more may "
                "change it.")
    return "It is not proved. One swap may be enough to change the answer."


def draw_distance(place: Place) -> None:
    """Draw how far swapped words move a text's vector, beside the distance that is proved."""
    step = place.step
    assert isinstance(step, Distance)
    reading.draw_quote(step.review)
    marks = highlight.mark_changes(step.review, step.other)[1]
    st.html(highlight.highlight_words(step.other, marks=marks, label="The text with words swapped"))
    if not _draw_run(place, guesses.draw_guess(place), "Measure the distance"):
        return
    card = next((card for card in vectors.read_cards("text") if card.id == _DATASET), None)
    if card is None:
        st.info("The smoothed classifier of SST-2 is not here, so nothing can be measured. Go on to the next step.")
        return
    with st.spinner("Measuring …"):
        radius, moved, same = measure(json.dumps(dict(card.files), sort_keys=True), step.review, step.other)
    inside = moved <= radius
    kept = "the answer stayed the same all the same" if same else "the answer did change"
    line = "The changed text is inside the proved distance: the answer cannot change." if inside else \
        f"The changed text is outside the proved distance, so the proof says nothing about it; here {kept}."
    guesses.compare(place, {"yes" if inside else "no"}, line)
    left, right = st.columns(2)
    left.metric("Proved up to a distance of", f"{radius:.3f}")
    right.metric("The swaps move the text by", f"{moved:.3f}")
    running.show_afterwards(step)


@st.cache_data(show_spinner=False, max_entries=100)
def measure(stamp: str, text: str, other: str) -> tuple[float, float, bool]:
    """Return the proved L1 distance of a text, how far another text is from it, and whether both get one answer.

    Args:
        stamp: Files of the smoothed classifier, as `ui.certified.text` has them.
        text: The text.
        other: The text with words swapped.
    """
    del stamp
    card = next(card for card in vectors.read_cards("text") if card.id == _DATASET)
    model = vectors.load_model(card)
    first, second = certify_texts(model, [text, other], _METHOD, [_SCALE])
    moved = int(np.abs(model.vectors([text])[0] - model.vectors([other])[0]).sum()) / model.levels
    return float(first["radius"]), moved, first["prediction"] == second["prediction"]
