"""The game: swap words by hand until a model changes its answer, scored by the attack's own constraint on meaning."""

from typing import NamedTuple

import numpy as np
import streamlit as st

from robust_core import encoders, highlight
from robust_core.attacks.careful import CAREFUL_SIMILARITY, CloseSwaps, make_edit
from robust_core.lessons.answers import MOST_SWAPS, Answer, read_word
from robust_core.lessons.steps import ByHand
from robust_core.resources.meaning import describe_change
from robust_core.text import Draft, diff
from ui.lessons import attacking, progress, running
from ui.lessons.progress import Place
from ui.session import selection
from ui.shared import catalogue
from ui.shared.background_cache import BackgroundCache
from ui.widgets import phrases, refresh
from ui.widgets.markdown import escape_markdown, note

_FAIR = "Fair: every swap keeps the meaning, as far as the program can tell."


class Score(NamedTuple):
    """What came of the swaps by hand.

    Attributes:
        text: The text as it stands.
        swaps: Words that differ from the original.
        flipped: Whether the model changed its answer; None while nobody knows.
        similarity: Cosine of both texts' vectors; None while nobody knows.
        doubts: Which swaps may have changed the meaning, a line each.
    """

    text: str
    swaps: int
    flipped: bool | None
    similarity: float | None
    doubts: tuple[str, ...]

    @property
    def fair(self) -> bool:
        """Whether the attack's own constraint would let the text pass, and no swap is in doubt."""
        return self.similarity is not None and self.similarity >= CAREFUL_SIMILARITY and not self.doubts


@st.cache_resource(show_spinner=False)
def get_similarities() -> BackgroundCache[float]:
    """Return the cosines of two texts, by (device, text, text)."""
    return BackgroundCache(_measure, 2000)


def _measure(device: str, text: str, other: str) -> float:
    first, second = encoders.load_default(device).encode([text, other])
    return float(np.dot(first, second))


@st.cache_data(show_spinner=False, max_entries=200)
def list_suggestions(text: str, position: int) -> list[str]:
    """Return the close synonyms that the attack itself may put at a place of a text."""
    return CloseSwaps(Draft.of(text)).at(position)


def write_text(review: str, answer: Answer) -> str:
    """Return a text with the swaps of an answer made."""
    draft = Draft.of(review)
    words = list(draft.words)
    for place, word in answer.swaps:
        words[place] = word
    return Draft(tuple(words), draft.gaps).text


def score(step: ByHand, answer: Answer) -> Score:
    """Return what an answer's swaps came to so far."""
    text = write_text(step.review, answer)
    swaps = diff(step.review, text)
    # "a" before a vowel becomes "an": no swap that counts.
    counted = [swap for swap in swaps if {swap.old.lower(), swap.new.lower()} != {"a", "an"}]
    before, after = running.predict(step.model, step.review), running.predict(step.model, text)
    flipped = None if before is None or after is None else before.index(max(before)) != after.index(max(after))
    device = selection.find_default_device()
    similarity = 1.0 if text == step.review else get_similarities().peek(device, step.review, text)[0]
    doubts = tuple(f"{swap.old} → {swap.new} ({why})" for swap in counted
                   if (why := describe_change(swap.old, swap.new)))
    return Score(text, len(counted), flipped, similarity, doubts)


def draw_game(place: Place) -> None:
    """Draw the step."""
    step, answer = place.step, progress.read_answer(place)
    assert isinstance(step, ByHand)
    text = write_text(step.review, answer)
    st.html(highlight.highlight_words(text, marks=highlight.mark_changes(step.review, text)[1], label="Your text"))
    running.show_predictions(place, text, [step.model])
    _draw_controls(place, step, answer)

    def draw() -> bool:
        now = score(step, answer)
        if answer.swaps:
            _draw_score(place, step, now)
        return now.flipped is None or now.similarity is None

    now = score(step, answer)
    refresh.make_fragment(draw, now.flipped is None or now.similarity is None, f"{place.key}.{text}")
    st.divider()
    st.markdown("**How does the program do?** It tries the same kind of swaps, and lets only fair ones pass.")
    asked = running.make_choices(step.review, [step.model], step.attack, "careful")
    found = running.run_attack(place, asked, True, "Let the attack play")
    if found is None or found.running or running.show_trouble(found):
        if found is not None and found.running:
            refresh.make_fragment(lambda: (running.read_outcome(place, asked) or found).running, True, found.id)
        return
    for result in found.results.values():
        st.html(attacking.make_result(result, catalogue.find_labels(step.model)))
        _compare(result.status == "succeeded", len(attacking.list_swaps(result)), now)
    running.show_afterwards(step)


def _draw_controls(place: Place, step: ByHand, answer: Answer) -> None:
    draft, key = Draft.of(step.review), place.key
    now = Draft.of(write_text(step.review, answer)).words
    at = st.pills("1. Press a word", range(len(draft.words)), key=f"{key}.word", persist_state="session",
                  format_func=lambda place_: escape_markdown(now[place_]))
    if at is None:
        st.caption("Press a word of the text to swap it.")
    else:
        found = list_suggestions(step.review, at)
        st.selectbox(f"2. What shall stand there? {'Pick a close word, or type one' if found else 'Type one word'}",
                     found, index=None, key=f"{key}.new.{at:d}", accept_new_options=True, placeholder="A word",
                     on_change=_swap, args=(place, at, f"{key}.new.{at:d}"))
    if trouble := st.session_state.get(f"{key}.note"):
        note(trouble)
    with st.container(horizontal=True):
        st.button("Take the last swap back", key=f"{key}.back", icon=":material/undo:", disabled=not answer.swaps,
                  on_click=_take_back, args=(place, drop_last(answer.swaps)))
        st.button("Take all back", key=f"{key}.clear", type="tertiary", disabled=not answer.swaps,
                  on_click=_take_back, args=(place, ()))


def _swap(place: Place, at: int, key: str) -> None:
    step, answer, typed = place.step, progress.read_answer(place), st.session_state.get(key)
    assert isinstance(step, ByHand)
    st.session_state.pop(f"{place.key}.note", None)
    if not typed:
        return
    word = read_word(typed)
    if word is None:
        st.session_state[f"{place.key}.note"] = "That is not one word: type a single word, without blanks."
        return
    if len(answer.swaps) >= MOST_SWAPS - 1:
        st.session_state[f"{place.key}.note"] = f"{MOST_SWAPS} swaps are the most. Take some back."
        return
    draft = Draft.of(step.review)
    edit = make_edit(draft, at, word)
    # The attack puts "a" or "an" before a word right, and so does this game.
    made = [(at - 1, edit.new[0])] if edit.start == at - 1 else []
    progress.change_answer(place, swaps=(*answer.swaps, *made, (at, word)))


def drop_last(swaps: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Return swaps without the last one, and without the "a" or "an" that was put right for it."""
    if not swaps:
        return ()
    rest, (at, _) = swaps[:-1], swaps[-1]
    return rest[:-1] if rest and rest[-1][0] == at - 1 and rest[-1][1].lower() in ("a", "an") else rest


def _take_back(place: Place, swaps: tuple[tuple[int, str], ...]) -> None:
    st.session_state.pop(f"{place.key}.note", None)
    for key in [key for key in st.session_state if str(key).startswith(f"{place.key}.new.")]:
        del st.session_state[key]
    progress.change_answer(place, swaps=swaps)


def _draw_score(place: Place, step: ByHand, now: Score) -> None:
    proba = running.predict(step.model, now.text)
    said = phrases.describe_prediction(proba, catalogue.find_labels(step.model)) if proba else "loading …"
    left, middle, right = st.columns(3)
    left.metric("Words swapped", f"{now.swaps:d}")
    middle.metric("The answer", "Flipped" if now.flipped else "Holds" if now.flipped is not None else "…")
    right.metric("Closeness of both texts", "…" if now.similarity is None else f"{now.similarity:.2f}",
                 help="How alike a language model finds both texts: 1 is the same. The attack lets nothing below "
                      f"{CAREFUL_SIMILARITY:g} pass.")
    if now.similarity is None or now.flipped is None:
        return
    if now.flipped and now.fair:
        st.success(f"**You did it** with {now.swaps:d} swap{'' if now.swaps == 1 else 's'}. {escape_markdown(_FAIR)}",
                   icon=":material/check:")
    elif now.flipped:
        st.warning(f"**Flipped, but not fairly.** {escape_markdown(describe_unfair(now))} Try a closer word.")
    else:
        rest = "So far it is fair, as far as the program can tell." if now.fair else describe_unfair(now)
        st.info(escape_markdown(f"{place.name_model(step.model)} still says {said}. {rest}"),
                icon=":material/lightbulb:")


def describe_unfair(now: Score) -> str:
    """Say why swaps may have changed the meaning."""
    lines = []
    if now.similarity is not None and now.similarity < CAREFUL_SIMILARITY:
        lines.append(f"The texts are {now.similarity:.2f} alike; {CAREFUL_SIMILARITY:g} is the least.")
    if now.doubts:
        lines.append(f"May have changed the meaning: {'; '.join(now.doubts)}.")
    return " ".join(lines)


def _compare(succeeded: bool, needed: int, now: Score) -> None:
    own = now.flipped and now.fair
    if not succeeded:
        line = "The attack found nothing. You did better!" if own else "The attack found nothing either."
    elif not own:
        line = f"The attack needed {needed} swap{'' if needed == 1 else 's'}. You can go on trying above."
    elif now.swaps < needed:
        line = f"The attack needed {needed}, you {now.swaps}: you beat it."
    else:
        line = f"The attack needed {needed}, you {now.swaps}{': a draw' if now.swaps == needed else ''}."
    st.info(escape_markdown(line), icon=":material/lightbulb:")
