"""The Lessons page: the list, and a lesson step by step."""

from collections.abc import Callable, Mapping

import streamlit as st

from robust_core.lessons.reader import Lesson, list_lessons
from robust_core.lessons.steps import (
    Attack,
    ByHand,
    Certificate,
    Choose,
    Distance,
    Judge,
    Masks,
    Reasons,
    Summary,
    Type,
    is_run,
)
from ui.lessons import attacking, comparing, hands, judging, presenter, progress, proofs, reading
from ui.lessons.markup import format_line, format_text
from ui.lessons.progress import Place
from ui.session import next_step
from ui.widgets import refresh
from ui.widgets.markdown import escape_markdown, warn

_DRAWN: Mapping[type, Callable[[Place], None]] = {
    Choose: reading.draw_choice, Type: reading.draw_typing, Summary: reading.draw_summary,
    Attack: attacking.draw_attack, Reasons: comparing.draw_reasons, Masks: comparing.draw_masks,
    Certificate: proofs.draw_certificate, Distance: proofs.draw_distance, ByHand: hands.draw_game,
    Judge: judging.draw_judging}
_STYLE = """
.rx-quote { border-left: 3px solid currentColor; margin: 0.2rem 0 0.6rem; padding: 0.2rem 0 0.2rem 0.9rem;
  font-size: 1.15rem; line-height: 1.5; overflow-wrap: anywhere; }
"""
_TO_THE_TOP = "document.querySelector('[data-testid=\"stMain\"]')?.scrollTo(0, 0)"


def draw_page() -> None:
    """Draw the list of lessons, or the lesson that is open."""
    progress.open_link()
    place = progress.find_place()
    st.html(f"<style>{_STYLE}</style>")
    if place is None:
        _draw_list()
    else:
        _draw_lesson(place)
    progress.write_link(progress.find_place())


def _draw_list() -> None:
    listed = list_lessons()
    with st.grid(columns="auto", min_column_width=280, border=True):
        for number, lesson in enumerate(listed.lessons, 1):
            with st.container():
                _draw_entry(number, lesson)
    for line in listed.broken:
        warn(line)
    if not listed.lessons:
        st.info("No lessons are here. docs/lessons.md says how to write one.")
    st.caption("Each lesson runs on the real models of this program. Nothing that you answer leaves this machine.")
    next_step.suggest("Attack", "Attack a text of your own", key="lessons.attack")


def _draw_entry(number: int, lesson: Lesson) -> None:
    st.markdown(f"**{number:d}. {format_line(lesson.head.title)}**")
    st.markdown(f"{format_line(lesson.head.goal)}")
    at = progress.find_step(lesson.id)
    st.caption(f"About {lesson.head.minutes:d} minutes" + (f" · at step {at:d} of {len(lesson.steps):d}" if at else ""))
    st.button("Go on" if at else "Start", key=f"lessons.open.{lesson.id}", icon=":material/play_arrow:",
              on_click=_open, args=(lesson.id, max(at, 1)))


def _open(name: str, number: int) -> None:
    progress.open_lesson(name)
    progress.go_to(name, number)


def _draw_lesson(place: Place) -> None:
    lesson, steps = place.lesson, len(place.lesson.steps)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.button("All lessons", key="lessons.list", type="tertiary", icon=":material/arrow_back:",
                  on_click=progress.close_lesson)
        presenter.draw_toggle()
    st.progress(place.number / steps, text=f"**{escape_markdown(lesson.head.title)}**, step {place.number:d} of "
                                           f"{steps:d}")
    if place.number == 1:
        st.caption(f"**Goal.** {format_line(lesson.head.goal)} About {lesson.head.minutes:d} minutes.")
    st.markdown(f"#### {format_line(place.step.title)}")
    if place.step.text:
        st.markdown(f"{format_text(place.step.text)}")
    drawn = _DRAWN.get(type(place.step))
    with refresh.show_failure(f"step {place.number} of {lesson.id}"):
        if drawn is not None:
            drawn(place)
    _draw_way_on(place)
    if progress.has_moved():
        # A browser stays where it was in the page; a constant script, made new by the number alone.
        st.html(f"<script>/* {place.number:d} */{_TO_THE_TOP}</script>", unsafe_allow_javascript=True)


def _draw_way_on(place: Place) -> None:
    """Draw the buttons back and on; a step that was not done can be skipped."""
    st.divider()
    keys, last = presenter.list_keys(), place.number == len(place.lesson.steps)
    done = progress.is_done(place)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Back", key="lessons.back", icon=":material/chevron_left:", disabled=place.number == 1,
                  on_click=progress.move, args=(place, -1), shortcut=keys.get("back"))
        if progress.presents() and (is_run(place.step) or isinstance(place.step, Choose | Type)):
            st.button("Reveal", key="lessons.reveal", icon=":material/visibility:", shortcut=keys.get("reveal"),
                      disabled=progress.read_answer(place).done, on_click=progress.change_answer, args=(place,),
                      kwargs={"done": True})
        if last:
            st.button("Choose another lesson", key="lessons.next", type="primary", icon=":material/school:",
                      on_click=progress.close_lesson, shortcut=keys.get("next"))
        elif done or progress.presents():
            st.button("Next", key="lessons.next", type="primary", icon=":material/chevron_right:",
                      on_click=progress.move, args=(place, 1), shortcut=keys.get("next"))
        else:
            st.button("Skip this step", key="lessons.skip", type="tertiary", icon=":material/chevron_right:",
                      on_click=progress.move, args=(place, 1))
