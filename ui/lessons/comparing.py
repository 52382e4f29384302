"""Steps on reasons: the same text to several models with verdicts on answer and reasons; the masks of a model."""

from collections.abc import Sequence

import streamlit as st

from robust_core import highlight
from robust_core.explainers import word_importance
from robust_core.lessons.steps import Masks, Reasons
from robust_core.protocols import WeighsWords
from robust_core.registry import to_record
from robust_core.text import Draft
from robust_core.types import Attribution
from ui.comparison import rows, verdicts
from ui.comparison.row import Row
from ui.lessons import guesses, reading, running
from ui.lessons import progress as progress_
from ui.lessons.progress import Place
from ui.session import selection
from ui.session.choices import Limits
from ui.session.outcome import Outcome, Pair
from ui.shared import catalogue, loaded
from ui.widgets import refresh
from ui.widgets.markdown import escape_markdown, warn

LIMITS = Limits(selection.TAU_AT_LEAST, selection.TOP5_AT_LEAST)
# What FLAT's Fig. 1 calls A, B and C.
KINDS = {"A": "the answer changed", "B": "the same answer, for other reasons",
         "C": "the same answer, for the same reasons"}
_LEGEND = ("**How to read this.** Blue-violet words speak for the answer, orange words against it; the stronger the "
           "colour, the more the word counts for this model. Outlined words were swapped. *Prediction* says whether "
           "the answer is still the same. *Interpretation* says whether the reasons are: whether mostly the same words "
           "count, in about the same order. τ (tau) compares the orders: 1 is the same, 0 no relation; *top-5* counts "
           "how many of the five most important words are still among the five.")


def draw_reasons(place: Place) -> None:
    """Draw the step on reasons."""
    step = place.step
    assert isinstance(step, Reasons)
    reading.draw_quote(step.review)
    running.show_predictions(place, step.review, step.models)
    ready = guesses.draw_guess(place)
    asked = running.make_choices(step.review, step.models[:1], step.attack, step.preset)
    now = running.run_attack(place, asked, ready, "Run the attack and compare")
    if now is None:
        return
    if now.running:
        refresh.make_fragment(lambda: _watch(place, now), True, now.id)
        return
    if running.show_trouble(now):
        return
    result = next(iter(now.results.values()), None)
    if result is None or result.perturbed == step.review:
        st.info("The attack changed no word, so there is nothing to compare. Go on, or run it again.")
        return
    _draw_table(place, step, now, result.perturbed)


def _watch(place: Place, now: Outcome) -> bool:
    latest = running.read_outcome(place, now.asked) or now
    st.caption(f"Attacking: {latest.queries:,} texts tried")
    return latest.running


def _draw_table(place: Place, step: Reasons, now: Outcome, other: str) -> None:
    def make() -> list[Row]:
        explainer = to_record(selection.make_default_explainer())
        return [rows.make_row(Pair(model, ""), step.review, other, now.asked.device, explainer)
                for model in step.models]

    lines = make()
    named = {line.pair: place.name_model(line.pair.model) for line in lines}
    names = {model: catalogue.find_labels(model) for model in step.models}

    def draw() -> bool:
        latest = make()
        st.html(verdicts.make_verdict_table(latest, named, names, LIMITS))
        return not rows.is_complete(latest)

    complete = rows.is_complete(lines)
    known = complete and not any(line.error for line in lines)
    if known:
        _compare(place, lines)
    st.markdown(_LEGEND)
    refresh.make_fragment(draw, not complete, now.id)
    if known:
        running.show_afterwards(step)


def _compare(place: Place, lines: Sequence[Row]) -> None:
    kinds = {line.pair.model: find_kind(line) for line in lines}
    found = "; ".join(f"{kind} ({KINDS[kind]}): {', '.join(names)}" for kind in KINDS
                      if (names := [place.name_model(model) for model, own in kinds.items() if own == kind]))
    missing = [kind for kind in KINDS if kind not in kinds.values()]
    gap = f" No model is a case of {' or '.join(missing)} on this text." if missing else ""
    if place.guess is not None and place.guess.ask == "steadiest":
        truth, line = find_steadiest(place, lines)
        guesses.compare(place, truth, line)
    else:
        guesses.compare(place, {model for model, kind in kinds.items() if kind == "B"}, f"{found}.{gap}")


def find_kind(line: Row) -> str:
    """Return A, B or C, the cases of FLAT's Fig. 1."""
    return "A" if not line.kept else "C" if line.interpretation(LIMITS) else "B"


def find_steadiest(place: Place, lines: Sequence[Row]) -> tuple[set[str], str]:
    """Return the models whose words count most alike in both texts, and that in a sentence."""
    scores = {line.pair.model: float(line.agreement["kendall_tau"]) for line in lines if line.agreement}
    scores = {model: score for model, score in scores.items() if score == score}
    if not scores:
        return set(), "Nobody can tell on this text: all words count alike."
    best = max(scores.values())
    each = ", ".join(f"{place.name_model(model)} {score:.2f}" for model, score in scores.items())
    return {model for model, score in scores.items() if score == best}, \
        f"How alike the order of the words is before and after, 1 is the same: {each}."


def draw_masks(place: Place) -> None:
    """Draw the step on masks."""
    step, device = place.step, selection.find_default_device()
    assert isinstance(step, Masks)
    reading.draw_quote(step.review)
    ready = guesses.draw_guess(place)
    if not progress_.read_answer(place).done:
        st.button("Look inside", key=f"{place.key}.run", type="primary", icon=":material/play_arrow:",
                  disabled=not ready, on_click=progress_.change_answer, args=(place,), kwargs={"done": True})
        return
    with st.spinner("Reading the model …"):
        model = loaded.wait_for_model(step.model, device)
    if not word_importance.has_masks(model):
        warn(f"{place.name_model(step.model)} has no masks. Go on to the next step.")
        return
    _draw_volumes(place, step, model)
    running.show_afterwards(step)


def _draw_volumes(place: Place, step: Masks, model: WeighsWords) -> None:
    """Draw each word's mask, and compare the loudest word with the prediction."""
    words = Draft.of(step.review)
    values = word_importance.read_masks(model, list(words.words))
    scores = tuple(values[word] for word in words.words)
    ordered = sorted({word.lower(): word for word in reversed(words.words)}.values(), key=lambda word: -values[word])
    offered = set(guesses.list_options(place)) if place.guess is not None else {word.lower() for word in ordered}
    top = next(word for word in ordered if word.lower() in offered)
    guesses.compare(place, {top.lower()}, f"The loudest of these words is “{top}”, at {100 * values[top]:.0f} %.")
    st.html(highlight.highlight_words(
        step.review, Attribution(step.review, words.spans, scores, 0, {}, float("nan")), strongest=1.0,
        label="Mask of each word", sides=("let through", "")))
    st.caption("The stronger the colour, the louder the word.")
    listed = ", ".join(f"{word} {100 * values[word]:.0f} %" for word in ordered[:6])
    st.markdown(f"**Loudest:** {escape_markdown(listed)}")
    low = ", ".join(f"{word} {100 * values[word]:.0f} %" for word in ordered[::-1][:6])
    st.markdown(f"**Most turned down:** {escape_markdown(low)}")
