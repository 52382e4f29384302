"""Runs of a lesson: attacks in the background, with Run, Stop and what they came to."""

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import TYPED_SECONDS
from robust_core.attacks.presets import read_preset
from robust_core.errors import RobustError
from robust_core.jobs.manager import Job
from robust_core.registry import to_record
from ui.attack import cards
from ui.lessons import progress
from ui.lessons.markup import format_text
from ui.lessons.progress import Place
from ui.session import attack, selection
from ui.session.choices import Choices
from ui.session.outcome import Outcome, from_document, to_document
from ui.shared import catalogue, loaded
from ui.widgets import phrases, refresh
from ui.widgets.markdown import escape_markdown, warn

_RUNNING = "Running. The result appears by itself."


def make_choices(text: str, models: Sequence[str], name: str, preset: str) -> Choices:
    """Return what an attack of a lesson is asked to do: the same for every learner, whatever the sidebar says."""
    cls = ATTACKS[name]
    record = to_record(cls(**read_preset(cls, preset), time_limit=TYPED_SECONDS))
    return Choices(text, tuple(models), (record,), device=selection.find_default_device())


def run_attack(place: Place, asked: Choices, ready: bool, label: str = "Run the attack") -> Outcome | None:
    """Draw Run and Stop, begin what was asked for, and return what it has come to; None before it is asked for."""
    key = f"{place.key}.outcome"
    job = run_job(place, ready, lambda: attack.submit_choices(asked), label, kept=key)
    if job is not None:
        outcome = attack.read_job(job, asked.to_document())
        if outcome is not None and job.over:
            st.session_state[key] = to_document(outcome)
        return outcome
    kept = st.session_state.get(key)
    found = from_document(kept) if kept else None
    if found is not None and found.asked != asked:
        # The text was changed since, or the models were.
        forget(place)
        st.rerun()
    return found


def run_job(place: Place, ready: bool, submit: Callable[[], str], label: str, kept: str) -> Job | None:
    """Draw Run and Stop and return the step's job; None before it was begun and where only its outcome is left.

    Args:
        place: The step.
        ready: Whether it may begin: the prediction was made.
        submit: Begins it; returns its id.
        label: What the button says.
        kept: Where the session keeps the outcome.
    """
    wanted, key = progress.read_answer(place).done, f"{place.key}.job"
    job = find_job(place)
    if wanted and job is None and kept not in st.session_state and f"{place.key}.trouble" not in st.session_state:
        try:
            st.session_state[key] = submit()
            loaded.get_jobs().wait(st.session_state[key], 0.25)
            job = find_job(place)
        except RobustError as error:
            st.session_state[f"{place.key}.trouble"] = str(error)
    _draw_buttons(place, ready, label, wanted, job)
    if trouble := st.session_state.get(f"{place.key}.trouble"):
        warn(trouble)
    return job


def _draw_buttons(place: Place, ready: bool, label: str, wanted: bool, job: Job | None) -> None:
    running, failed = job is not None and not job.over, f"{place.key}.trouble" in st.session_state
    stopped = job is not None and job.over and job.status != "done"
    with st.container(horizontal=True, vertical_alignment="center"):
        if not wanted:
            st.button(label, key=f"{place.key}.run", type="primary", icon=":material/play_arrow:", disabled=not ready,
                      on_click=progress.change_answer, args=(place,), kwargs={"done": True})
            if not ready:
                st.caption("First make your guess above.")
        if running:
            st.button("Stop", key=f"{place.key}.stop", icon=":material/stop:", on_click=loaded.stop_job,
                      args=(st.session_state[f"{place.key}.job"],))
            st.caption(_RUNNING)
        if stopped or failed:
            st.button("Run it again", key=f"{place.key}.again", icon=":material/refresh:", on_click=forget,
                      args=(place,))


def find_job(place: Place) -> Job | None:
    """Return the job of a step, if it is still known, and say that somebody watches it."""
    job_id = st.session_state.get(f"{place.key}.job")
    if not job_id:
        return None
    loaded.get_jobs().touch(job_id)
    return loaded.get_jobs().get(job_id)


def forget(place: Place) -> None:
    """Drop what a step has run, so that it runs anew."""
    for key in ("job", "outcome", "trouble"):
        st.session_state.pop(f"{place.key}.{key}", None)


def read_outcome(place: Place, asked: Choices) -> Outcome | None:
    """Return what a step's attack has come to, without drawing anything."""
    job = find_job(place)
    if job is not None:
        return attack.read_job(job, asked.to_document())
    kept = st.session_state.get(f"{place.key}.outcome")
    return from_document(kept) if kept else None


def show_predictions(place: Place, text: str, models: Sequence[str]) -> None:
    """Show what each model says of a text, as soon as it is loaded."""
    device = selection.find_default_device()

    def ask() -> list[tuple[str, tuple[float, ...] | None, str]]:
        return [(model, *loaded.predict(model, device, text)) for model in models]

    def draw() -> bool:
        entries = [(place.name_model(model), phrases.describe_prediction(proba, catalogue.find_labels(model)) if proba
                    else error or "loading …") for model, proba, error in ask()]
        st.html(cards.make_chips(entries))
        return any(proba is None and not error for _, proba, error in ask())

    refresh.make_fragment(draw, any(proba is None and not error for _, proba, error in ask()), f"{place.key}.{text}")


def predict(model: str, text: str) -> tuple[float, ...] | None:
    """Return what a model says of a text, None while it is not loaded or cannot be."""
    return loaded.predict(model, selection.find_default_device(), text)[0]


def show_afterwards(step: Any) -> None:  # noqa: ANN401 (any step with a text for afterwards)
    """Show what to notice in a result."""
    if step.afterwards:
        st.markdown(f"{format_text(step.afterwards)}")


def show_trouble(outcome: Outcome) -> bool:
    """Show why an attack came to nothing; return whether it did."""
    lines = [*outcome.errors.values(), *([outcome.trouble] if outcome.trouble else [])]
    for line in dict.fromkeys(lines):
        st.warning(escape_markdown(line))
    return bool(lines)
