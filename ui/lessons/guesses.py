"""A learner's prediction: asked before a run, compared with what came of it afterwards."""

from collections.abc import Collection

import streamlit as st

from robust_core.lessons.answers import list_guesses
from robust_core.resources import stop_words
from ui.lessons import progress
from ui.lessons.progress import Place
from ui.widgets.markdown import escape_markdown

NONE = "none"
_SEVERAL = ("models", "changed")
_NAMES = {"swaps": {"1": "One word", "2": "Two words", "3": "Three words", "more": "More than three",
                    NONE: "It cannot be done"}}
_NO_MODEL = "None of them"


def draw_guess(place: Place, text: str = "") -> bool:
    """Ask for the prediction of a step; return whether the run may begin.

    Args:
        place: The step.
        text: The text that it is about.
    """
    guess = place.guess
    if guess is None:
        return True
    answer, key = progress.read_answer(place), f"{place.key}.guess"
    options = list_options(place, text)
    several = guess.ask in _SEVERAL
    kept = [each for each in answer.guess if each in options]
    if answer.done:
        if kept:
            said = ", ".join(name_option(place, each) for each in kept)
            st.markdown(f"**{escape_markdown(guess.question)}** You said: **{escape_markdown(said)}**")
        return True
    st.session_state[key] = kept if several else kept[0] if kept else None
    st.markdown(f"**Your guess.** {escape_markdown(guess.question)}")
    st.pills("Your guess", options, key=key, selection_mode="multi" if several else "single",
             format_func=lambda name: escape_markdown(name_option(place, name)), on_change=_keep, args=(place, key),
             label_visibility="collapsed", persist_state="session")
    return bool(kept)


def _keep(place: Place, key: str) -> None:
    found = st.session_state[key]
    guess = found if isinstance(found, list) else [] if found is None else [found]
    if NONE in guess and len(guess) > 1:
        # "None of them" excludes all others: what was pressed last counts.
        before = progress.read_answer(place).guess
        guess = [each for each in guess if each != NONE] if NONE in before else [NONE]
        st.session_state[key] = guess
    progress.change_answer(place, guess=tuple(guess))


def list_options(place: Place, text: str = "") -> list[str]:
    """Return what may be predicted: of the words of a text those that carry its meaning."""
    found = list_guesses(place.step, text) or []
    if place.guess.ask != "word":
        return found
    return [word for word in found if word not in stop_words()] or found


def name_option(place: Place, name: str) -> str:
    """Return what people read of an option."""
    ask = place.guess.ask
    if ask in ("models", "changed", "steadiest"):
        return _NO_MODEL if name == NONE else place.name_model(name)
    return _NAMES.get(ask, {}).get(name, name.capitalize() if name in ("yes", "no") else name)


def compare(place: Place, truth: Collection[str], line: str) -> None:
    """Say whether the prediction was right, and what happened.

    Args:
        place: The step.
        truth: What is right; of several models all, of other things any of these.
        line: What happened, in a sentence.
    """
    guess, answer = place.guess, progress.read_answer(place)
    if guess is None or not answer.guess:
        st.info(escape_markdown(line), icon=":material/lightbulb:")
    elif is_right(guess.ask, answer.guess, truth):
        st.success(f"**You were right.** {escape_markdown(line)}", icon=":material/check:")
    else:
        st.info(f"**Not this time.** {escape_markdown(line)}", icon=":material/lightbulb:")


def is_right(ask: str, guess: Collection[str], truth: Collection[str]) -> bool:
    """Return whether a prediction came true."""
    return set(guess) == (set(truth) or {NONE}) if ask in _SEVERAL else bool(set(guess) & set(truth))
