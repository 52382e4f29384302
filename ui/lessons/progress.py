"""Where a learner is in which lesson, and what was answered: kept in the session, and in the address."""

import dataclasses
from typing import Any, NamedTuple

import streamlit as st

from robust_core.errors import RobustError
from robust_core.lessons.answers import EMPTY, Answer, read_answers, write_answers
from robust_core.lessons.reader import Lesson, find_lesson
from robust_core.lessons.steps import Attack, ByHand, Choose, Judge, Step, Type, is_run
from ui.session import selection
from ui.session.selection import PAGE_LINK
from ui.shared import catalogue

TITLE = "Lessons"
PRESENT = "lessons.present"
_LESSON, _STEPS, _ANSWERS, _OPENED = "lessons.lesson", "lessons.steps", "lessons.answers", "lessons.opened"
_MOVED = "lessons.moved"


class Place(NamedTuple):
    """A step of a lesson.

    Attributes:
        lesson: The lesson.
        number: Number of the step, from 1.
    """

    lesson: Lesson
    number: int

    @property
    def step(self) -> Step:
        """The step."""
        return self.lesson.steps[self.number - 1]

    @property
    def guess(self) -> Any:  # noqa: ANN401 (its class is made from the step's kind)
        """The prediction that the step asks for; None where it asks for none."""
        return getattr(self.step, "guess", None)

    @property
    def key(self) -> str:
        """Prefix of the keys of its widgets and of what it keeps."""
        return f"lessons.{self.lesson.id}.{self.number}"

    def name_model(self, model_id: str) -> str:
        """Return what a model is called in this lesson."""
        return dict(self.lesson.head.names).get(model_id) or catalogue.name_option(model_id)


def open_link() -> None:
    """Take over what the address of a new session asks for; a message says what does not fit."""
    if st.session_state.get(_OPENED):
        return
    st.session_state[_OPENED] = True
    query = st.query_params.to_dict()
    if "lesson" not in query:
        return
    try:
        lesson = find_lesson(query["lesson"][:100])
    except RobustError as error:
        selection.notify(str(error))
        return
    number = query.get("step", "1")
    fits = number.isascii() and number.isdecimal() and len(number) <= 3 and 1 <= int(number) <= len(lesson.steps)
    answers, lost = read_answers(lesson, query.get("answers", ""))
    st.session_state[_ANSWERS] = {lesson.id: {n: dataclasses.asdict(each) for n, each in answers.items()}}
    st.session_state[PRESENT] = query.get("present") == "1"
    open_lesson(lesson.id)
    go_to(lesson.id, int(number) if fits else 1)
    if lost or not fits:
        selection.notify("The link does not fit this lesson in all parts: what fits is here, the rest is left out.")


def find_place() -> Place | None:
    """Return where the learner is; None in the list of lessons."""
    name = st.session_state.get(_LESSON)
    if not name:
        return None
    try:
        lesson = find_lesson(name)
    except RobustError as error:
        st.session_state.pop(_LESSON)
        selection.notify(str(error))
        return None
    return Place(lesson, min(max(find_step(name), 1), len(lesson.steps)))


def hides_controls() -> bool:
    """Return whether the sidebar has no controls now: in the list, and in most lessons."""
    open_link()
    place = find_place()
    return place is None or place.lesson.head.controls == "hidden" or presents()


def presents() -> bool:
    """Return whether the view for the projector is on."""
    return bool(st.session_state.get(PRESENT))


def open_lesson(name: str) -> None:
    """Open a lesson where it was left."""
    st.session_state[_LESSON] = name


def close_lesson() -> None:
    """Go back to the list; the place and the answers stay."""
    st.session_state.pop(_LESSON, None)


def start_again(lesson: Lesson) -> None:
    """Forget the answers to a lesson and go to its first step."""
    st.session_state.setdefault(_ANSWERS, {}).pop(lesson.id, None)
    for key in [key for key in st.session_state if str(key).startswith(f"lessons.{lesson.id}.")]:
        del st.session_state[key]
    go_to(lesson.id, 1)


def find_step(name: str) -> int:
    """Return the number of the step at which a lesson was left; 0 where it was not begun."""
    return int(st.session_state.get(_STEPS, {}).get(name, 0))


def go_to(name: str, number: int) -> None:
    """Go to a step of a lesson."""
    st.session_state.setdefault(_STEPS, {})[name] = number


def move(place: Place, by: int) -> None:
    """Go forward or back."""
    go_to(place.lesson.id, min(max(place.number + by, 1), len(place.lesson.steps)))
    st.session_state[_MOVED] = True


def has_moved() -> bool:
    """Return, once, whether another step is shown than before."""
    return bool(st.session_state.pop(_MOVED, False))


def read_answer(place: Place) -> Answer:
    """Return the answer to a step so far."""
    found = st.session_state.get(_ANSWERS, {}).get(place.lesson.id, {}).get(place.number)
    return Answer(**found) if found else EMPTY


def change_answer(place: Place, **changes: Any) -> None:  # noqa: ANN401 (fields of `Answer`)
    """Keep a part of the answer to a step."""
    answers = st.session_state.setdefault(_ANSWERS, {}).setdefault(place.lesson.id, {})
    answers[place.number] = dataclasses.asdict(dataclasses.replace(read_answer(place), **changes))


def is_done(place: Place) -> bool:
    """Return whether the learner has done what a step waits for."""
    answer, step = read_answer(place), place.step
    if isinstance(step, Choose):
        return answer.option >= 0 or answer.done
    if isinstance(step, Type):
        return answer.done or answer.typed not in ("", step.review)
    if isinstance(step, Judge):
        return answer.done and "-" not in answer.verdicts and len(answer.verdicts) > 0
    if isinstance(step, ByHand):
        return answer.done or bool(answer.swaps)
    return answer.done or not is_run(step)


def find_typed(place: Place) -> str:
    """Return the text that a step is about: its own, or what was typed before it."""
    step = place.step
    if isinstance(step, Attack) and step.typed:
        before = [Place(place.lesson, n) for n in range(1, place.number)]
        last = [each for each in before if isinstance(each.step, Type)][-1]
        return read_answer(last).typed or getattr(last.step, "review", "")
    return getattr(step, "review", "")


def write_link(place: Place | None) -> None:
    """Leave the place and the answers for the address."""
    if place is None:
        st.session_state.pop(PAGE_LINK, None)
        return
    found = st.session_state.get(_ANSWERS, {}).get(place.lesson.id, {})
    answers = write_answers({number: Answer(**each) for number, each in found.items()})
    wanted = {"lesson": place.lesson.id, "step": str(place.number)}
    st.session_state[PAGE_LINK] = wanted | ({"answers": answers} if answers else {}) | (
        {"present": "1"} if presents() else {})
