"""The view on words: what is proved of a text under swaps of words, for models that add up what each word says."""

from typing import TYPE_CHECKING

import streamlit as st

from robust_core import highlight
from robust_core.cleaning import check_typed
from robust_core.errors import RobustError
from robust_core.resources import swap_sets
from ui.certified import word_accuracy, word_chart
from ui.session import next_step, selection
from ui.shared import catalogue, loaded, word_proof
from ui.widgets import charts
from ui.widgets.markdown import escape_markdown, note, warn
from ui.widgets.phrases import name_class

if TYPE_CHECKING:
    from robust_core.certify.word_swaps import WordCertificate

ANY = "any"
_DEFAULT = "sst2/additive/close"


def draw_view() -> None:
    """Draw the certificate of the typed text, what each word adds to it, and certified accuracy."""
    st.markdown("**Proved** means: no text that swaps from the chosen set can make, however many, flips the answer. An "
                "*additive* model adds up a score for each word, so the worst case is a sum: this is exact arithmetic, "
                "not an estimate. It says nothing of other changes: paraphrases, inserted words or typos.")
    known = [model for model, card in catalogue.read_cards().items() if card.is_certified]
    if not known:
        st.info("No additive models are here. Train one: `python -m robust_core train --dataset sst2 --architecture "
                "additive --defence certified`")
        return
    st.text_area("Type a review", key="text", height=80, persist_state="session")
    model, swap_set = _pick(known)
    note(word_proof.ABOUT[swap_set])
    try:
        _draw_text(model, swap_set, check_typed(st.session_state["text"]))
    except RobustError as error:
        warn(error)
    st.subheader("Certified accuracy")
    word_accuracy.draw_accuracy(catalogue.read_cards()[model].dataset, swap_set)
    next_step.suggest("Attack", "Attack this text", key="certified.attack", prepare=selection.choose_models,
                      args=(model,), about="What searches find on this text and this model")


def note_own_models() -> None:
    """Say why a model of one's own that is picked in the sidebar has no certificate."""
    cards = catalogue.read_cards()
    own = [catalogue.name_model(m) for m in selection.read_selection().models if m in cards and cards[m].is_imported]
    if own:
        note(f"No certificate for {', '.join(own)}: a proof over swaps needs a model that adds up a score for each "
             "word, and one in L1 needs a smoothed classifier. A model that reads words together has neither; attack "
             "it instead, or train an additive model on your texts.")


def _pick(known: list[str]) -> tuple[str, str]:
    """Return the model and the swap set that are picked."""
    if st.session_state.get("certified.additive") not in known:
        # One that is picked in the sidebar, too, is the one that a person has just attacked.
        picked = [model for model in (*selection.read_selection().models, _DEFAULT) if model in known]
        st.session_state["certified.additive"] = [*picked, *known][0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        model = st.selectbox("Model", known, key="certified.additive", format_func=catalogue.name_option, width=240,
                             persist_state="session")
        swap_set = st.selectbox("Swap set", swap_sets.NAMES, key="certified.swap_set", format_func=str.capitalize,
                                width=160, persist_state="session", help="Which words may stand in for which")
    return model, swap_set


def _draw_text(model_id: str, swap_set: str, text: str) -> None:
    device = selection.read_selection().device
    with st.spinner("Certifying …"):
        found = _certify(model_id, swap_set, text, device)
    names = catalogue.find_labels(model_id)
    label = name_class(names, found.prediction)
    st.markdown(f"**{escape_markdown(label)}. {escape_markdown(word_proof.write_verdict(found, swap_set))}**")
    note(_describe_lead(found, names))
    if reading := loaded.describe_reading(model_id, device, text):
        note(reading)
    swaps = _pick_swaps(sum(word.swaps > 0 for word in found.words))
    if swaps is not None:
        _draw_worst(model_id, swap_set, text, found, swaps, device)
    if found.words:
        chosen = found.find_costliest(len(found.words) if swaps == ANY else int(swaps or 0))
        st.plotly_chart(word_chart.make_word_bars(found.words, chosen, label), config=charts.CONFIG,
                        key="certified.words")
        many = len(found.words) > word_chart.MOST_WORDS
        longest = f" Only the {word_chart.MOST_WORDS:d} words with the longest bars are drawn." if many else ""
        st.caption(f"{word_chart.EXPLANATION}{escape_markdown(longest)}")


def _certify(model_id: str, swap_set: str, text: str, device: str) -> "WordCertificate":
    return word_proof.certify_text(model_id, catalogue.fingerprint_model(model_id), swap_set, text,
                                   loaded.wait_for_model(model_id, device))


def _describe_lead(found: "WordCertificate", names: tuple[str, ...]) -> str:
    rival = name_class(names, found.rival) if len(names) == 2 else "the strongest other class"
    worst = "no such swaps can bring it below" if found.certified else "swaps may bring it down to"
    return (f"The lead over {rival}, a difference of scores before softmax, is {_write(found.margin)}; {worst} "
            f"{_write(found.worst_margin)}.")


def _write(lead: float) -> str:
    return f"{lead:.2f}".replace("-", "−")


def _pick_swaps(words: int) -> int | str | None:
    """Return how many words may be swapped, None where the text has no swaps."""
    if not words:
        st.caption("No word of this text has a swap in this set.")
        return None
    options = [*range(words), ANY]
    if st.session_state.get("certified.swaps") not in options:
        st.session_state["certified.swaps"] = ANY
    return st.select_slider("Number of swaps", options, key="certified.swaps",
                            help="At most so many words are swapped at once")


def _draw_worst(model_id: str, swap_set: str, text: str, found: "WordCertificate", swaps: int | str,
                device: str) -> None:
    """Show how far so many swaps can bring the lead down, and the most dangerous text that they make."""
    from robust_core.certify.word_swaps import write_worst_text

    lowest = found.worst_margin if swaps == ANY else found.lowest_leads[int(swaps)]
    if swaps == 0:
        note(f"Without a swap the lead is {_write(found.margin)}.")
        return
    made = "With any number of swaps" if swaps == ANY else f"With {swaps} swap{'' if swaps == 1 else 's'}"
    verdict = "cannot flip" if lowest > 0 else "may flip"
    line = f"{made} the lead falls at most from {_write(found.margin)} to {_write(lowest)}:"
    st.markdown(f"{escape_markdown(line)} they **{escape_markdown(verdict)}** the answer.")
    worst = found.worst_text if swaps == ANY else write_worst_text(text, found, int(swaps))
    if worst == text:
        st.caption("No such swap lowers the lead.")
        return
    st.html(highlight.highlight_words(worst, marks=highlight.mark_changes(text, worst)[1],
                                      label="Most dangerous text"))
    answer = _certify(model_id, swap_set, worst, device).prediction
    note(f"The most dangerous text. The model says {name_class(catalogue.find_labels(model_id), answer)} of it. "
         "Outlined words were swapped: hover or focus one to see what it was.")
