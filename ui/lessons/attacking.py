"""The step of an attack: predictions before, the attack as it runs, what it did to each model, and the comparison."""

import html

import streamlit as st

from robust_core import highlight
from robust_core.errors import list_names
from robust_core.evaluation.meaning_changes import list_doubts
from robust_core.highlight import make_line, make_small
from robust_core.lessons.steps import Attack
from robust_core.text import Draft
from robust_core.types import AttackResult
from ui.attack import cards
from ui.lessons import guesses, progress, reading, running
from ui.lessons.progress import Place
from ui.session.outcome import Outcome
from ui.shared import catalogue
from ui.widgets import phrases, refresh

_ARTICLES = {"a", "an"}


def draw_attack(place: Place) -> None:
    """Draw the step."""
    step = place.step
    assert isinstance(step, Attack)
    text = progress.find_typed(place)
    reading.draw_quote(text)
    running.show_predictions(place, text, step.models)
    ready = guesses.draw_guess(place, text)
    asked = running.make_choices(text, step.models, step.attack, step.preset)
    now = running.run_attack(place, asked, ready)
    if now is None:
        return

    def draw() -> bool:
        latest = running.read_outcome(place, asked) or now
        _draw_cards(place, latest)
        return latest.running

    ended = not now.running and not running.show_trouble(now)
    if ended:
        _compare(place, now)
    refresh.make_fragment(draw, now.running, now.id)
    if ended:
        running.show_afterwards(step)


def _draw_cards(place: Place, now: Outcome) -> None:
    # A single card takes the page's width.
    with st.grid(columns="auto" if len(now.pairs) > 1 else 1, min_column_width=260, border=True):
        for pair in now.pairs:
            result = now.results.get(pair)
            name, names = place.name_model(pair.model), catalogue.find_labels(pair.model)
            with st.container():
                st.html(cards.make_card(now, pair, name, names) if result is None
                        else cards.make_head(name, cards.find_status(now, pair)) + make_result(result, names))


def make_result(result: AttackResult, names: tuple[str, ...]) -> str:
    """Return what became of a model, without the figures that a beginner has no use for."""
    before, after = highlight.mark_changes(result.example.text, result.perturbed)
    swaps = "; ".join(f"{old} → {new}" for old, new in list_swaps(result))
    moved = f"{phrases.describe_prediction(result.before, names)} → {phrases.describe_prediction(result.after, names)}"
    text = highlight.highlight_words(result.perturbed, marks=after, label="Text after the attack") if before or after \
        else ""
    return (text + (make_line(f"Swapped: {swaps}") if swaps else make_line("No word was swapped."))
            + f'<p class="rx-line rx-move">{html.escape(moved)}</p>' + make_line(cards.describe_end(result, names))
            + "".join(map(make_small, list_doubts(result))))


def list_swaps(result: AttackResult) -> list[tuple[str, str]]:
    """Return the words that were swapped and what took their place, but for "a" that became "an"."""
    return [(swap.old, swap.new) for swap in result.swaps
            if not {swap.old.lower(), swap.new.lower()} <= _ARTICLES]


def _compare(place: Place, now: Outcome) -> None:
    ask = place.guess.ask if place.guess is not None else "models"
    truth, line = find_truth(place, now, ask)
    if line:
        guesses.compare(place, truth, line)


def find_truth(place: Place, now: Outcome, ask: str) -> tuple[set[str], str]:
    """Return what a prediction is compared with, and what happened in a sentence; no sentence where nobody knows."""
    results = {pair.model: result for pair, result in now.results.items()}
    if any(result.status == "stopped" for result in results.values()) or len(results) < len(now.pairs):
        return set(), ""
    flipped = {model for model, result in results.items() if result.status == "succeeded"}
    first = results[now.models[0]]
    if ask == "models":
        if not flipped:
            return set(), "No model changed its answer."
        names = " and ".join(place.name_model(model) for model in now.models if model in flipped)
        return flipped, f"{names} changed the answer{'; all others held' if len(flipped) < len(results) else ''}."
    swaps = list_swaps(first)
    name = place.name_model(now.models[0])
    if ask == "flips":
        return {"yes" if flipped & {now.models[0]} else "no"}, \
            f"{name} {'changed its answer' if now.models[0] in flipped else 'kept its answer'}."
    if ask == "swaps":
        if now.models[0] not in flipped:
            return {guesses.NONE}, f"The attack found no swaps that change the answer of {name}."
        count = len(swaps)
        return {str(count) if count <= 3 else "more"}, f"It took {count} word{'' if count == 1 else 's'}."
    words = {word.lower() for old, _ in swaps for word in Draft.of(old).words}
    done = list_names((f"“{old}” for “{new}”" for old, new in swaps), 200)
    return words, f"The attack swapped {done}." if swaps else "The attack swapped no word."
