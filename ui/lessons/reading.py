"""Steps without a run: a question with fixed answers, a text box, a summary."""

import html
from collections.abc import Sequence

import streamlit as st

from robust_core.cleaning import check_typed
from robust_core.errors import BadInput, RobustError
from robust_core.lessons.answers import MOST_TYPED
from robust_core.lessons.steps import Choose, Summary, Type
from ui.lessons import progress, running
from ui.lessons.markup import format_line
from ui.lessons.progress import Place
from ui.shared import catalogue
from ui.widgets import phrases
from ui.widgets.markdown import escape_markdown, warn

_MOST_WORDS = 60


def draw_quote(text: str) -> None:
    """Show the text that a step is about."""
    st.html(f'<blockquote class="rx-quote" dir="auto">{html.escape(text)}</blockquote>')


def draw_choice(place: Place) -> None:
    """Draw a question; each answer says at once why it is right, or not, and can be changed."""
    step, answer, key = place.step, progress.read_answer(place), f"{place.key}.option"
    assert isinstance(step, Choose)
    st.session_state[key] = answer.option if answer.option >= 0 else None
    st.radio(f"**{format_line(step.question)}**", range(len(step.options)), key=key, persist_state="session",
             on_change=_keep_option, args=(place, key),
             format_func=lambda place_: escape_markdown(step.options[place_].text))
    if answer.option >= 0:
        chosen = step.options[answer.option]
        if chosen.right:
            st.success(f"**Right.** {format_line(chosen.why)}", icon=":material/check:")
        else:
            st.info(f"**Not quite.** {format_line(chosen.why)}", icon=":material/lightbulb:")
    if answer.done:
        for option in step.options:
            if option.right:
                st.success(f"**{format_line(option.text)}** {format_line(option.why)}", icon=":material/check:")


def _keep_option(place: Place, key: str) -> None:
    if st.session_state[key] is not None:
        progress.change_answer(place, option=st.session_state[key])


def draw_typing(place: Place) -> None:
    """Draw a text box, what the models say of its text, and whether the goal is reached."""
    step, key = place.step, f"{place.key}.typed"
    assert isinstance(step, Type)
    text = progress.read_answer(place).typed or step.review
    st.session_state.setdefault(key, text)
    st.text_area("Your text", key=key, height=100, max_chars=MOST_TYPED, persist_state="session",
                 on_change=_keep_typed, args=(place, key))
    if trouble := st.session_state.get(f"{key}.trouble"):
        warn(trouble)
    st.caption("Press Ctrl + Enter, or click beside the box, and the answers follow.")
    running.show_predictions(place, text, step.models)
    if text != step.review:
        st.button("Back to the first text", key=f"{place.key}.undo", type="tertiary", icon=":material/undo:",
                  on_click=_undo_typed, args=(place, key))
    reached = _draw_goal(place, step, text) if step.flip else text != step.review
    if reached or progress.read_answer(place).done:
        running.show_afterwards(step)


def _keep_typed(place: Place, key: str) -> None:
    try:
        text = check_typed(st.session_state[key], max_words=_MOST_WORDS)
        if len(text) > MOST_TYPED:
            raise BadInput(f"The text is too long: {len(text):,} characters; {MOST_TYPED} are the limit.")
    except RobustError as error:
        st.session_state[f"{key}.trouble"] = str(error)
        return
    st.session_state.pop(f"{key}.trouble", None)
    progress.change_answer(place, typed=text)


def _undo_typed(place: Place, key: str) -> None:
    st.session_state.pop(f"{key}.trouble", None)
    st.session_state[key] = getattr(place.step, "review", "")
    progress.change_answer(place, typed="")


def _draw_goal(place: Place, step: Type, text: str) -> bool:
    """Say whether a model has changed its answer; return whether it has."""
    first, now = running.predict(step.flip, step.review), running.predict(step.flip, text)
    if first is None or now is None or text == step.review:
        return False
    name, names = place.name_model(step.flip), catalogue.find_labels(step.flip)
    flipped = first.index(max(first)) != now.index(max(now))
    if not flipped:
        st.info(escape_markdown(f"{name} still says {phrases.describe_prediction(now, names)}. Try another change."),
                icon=":material/lightbulb:")
    else:
        st.success(f"**Done.** {escape_markdown(f'{name} now says {phrases.describe_prediction(now, names)}.')}",
                   icon=":material/check:")
    return flipped


def draw_summary(place: Place) -> None:
    """Draw what to take away, and the way back to the list."""
    step = place.step
    assert isinstance(step, Summary)
    draw_points(step.points)
    guessed = [n for n in range(1, place.number) if Place(place.lesson, n).guess is not None]
    made = sum(bool(progress.read_answer(Place(place.lesson, n)).guess) for n in guessed)
    if guessed:
        st.caption(f"You made {made:d} of {len(guessed):d} predictions. Go back to any step: your answers are kept.")
    st.caption("The address of this page holds your answers: whoever opens it sees the lesson as you left it.")
    st.button("Start again", key=f"{place.key}.restart", icon=":material/restart_alt:", on_click=progress.start_again,
              args=(place.lesson,), help="Forget the answers to this lesson and go to its first step")


def draw_points(points: Sequence[str]) -> None:
    """Draw sentences as a list."""
    for point in points:
        st.markdown(f"* {format_line(point)}")


