"""Measuring an entry again from its own command: a job with progress and Stop, then one line on whether it agrees."""

import math
import queue
import threading
from collections.abc import Iterator
from typing import Any

import streamlit as st

from robust_core import owners
from robust_core.claims.files import Claim
from robust_core.errors import RobustError
from robust_core.events import Event
from robust_core.experiments.again import estimate_seconds
from robust_core.experiments.draw import DIFFERS, EQUAL, WITHIN, Outcome
from robust_core.jobs.manager import STOPPED
from robust_core.jobs.process import run_command
from robust_core.jobs.progress import format_duration
from robust_core.leaderboard import rerun
from robust_core.leaderboard.entries import Source
from ui.shared import loaded
from ui.widgets import dataset_job, refresh
from ui.widgets.markdown import escape_markdown, note, warn

_TICK = 1.0
# Where the session keeps the job of each file, and what came of it.
_JOBS, _OUTCOMES = "board.jobs", "board.outcomes"


def draw_again(source: Source) -> None:
    """Draw the button that measures a claim again, its progress, and what came of it; or what is missing for that."""
    try:
        claim = rerun.read_source(source.file)
    except RobustError as error:
        note(error)
        return
    if missing := rerun.list_obstacles(claim):
        for line in missing:
            st.info(escape_markdown(f"It cannot be measured again here. {line}"), icon=":material/info:")
        return
    seconds = estimate_seconds(source.file, claim)
    running = _find_running(source.file)
    if not running:
        st.button("Measure again", key="board.again", icon=":material/replay:", disabled=dataset_job.is_running(),
                  on_click=_start, args=(source.file, seconds),
                  help="Runs the command in an empty store and compares what comes out with the stored figure. Nothing "
                       "that is stored changes. Another work on a data set must end first.")
        note(f"It takes about {format_duration(max(seconds, 1.0))}, and longer on a busy machine. "
             + " ".join(rerun.list_cautions(claim)))
    else:
        _watch(source.file, running, seconds)
    _draw_outcome(source, claim)


def _find_running(file: str) -> str:
    """Return the id of the job that measures a file at this moment, if there is one; keep what ended ones found."""
    job_id = st.session_state.get(_JOBS, {}).get(file, "")
    job = loaded.get_jobs().get(job_id) if job_id else None
    if job is None:
        return ""
    found = next((event.data for event in job.events if event.kind == "outcome"), None)
    if found is not None:
        st.session_state.setdefault(_OUTCOMES, {})[file] = dict(found)
    elif job.status == STOPPED:
        st.session_state.setdefault(_OUTCOMES, {})[file] = {"stopped": True}
    return "" if job.over else job_id


def _start(file: str, seconds: float) -> None:
    st.session_state.setdefault(_OUTCOMES, {}).pop(file, None)
    before = st.session_state.get(dataset_job.KEY)
    dataset_job.start_job("Measuring a figure again", make_work(file, seconds))
    if (job_id := st.session_state.get(dataset_job.KEY)) != before:
        st.session_state.setdefault(_JOBS, {})[file] = job_id


def make_work(file: str, seconds: float) -> dataset_job.Work:
    """Return a job that measures a claim again with `claims draw`.

    Args:
        file: Name of the claim's file in results/.
        seconds: What it takes, about.
    """
    person = owners.find_person()

    def work(stop: threading.Event) -> Iterator[Event | str]:
        said: queue.SimpleQueue[dict[str, Any] | RobustError | None] = queue.SimpleQueue()

        def read() -> None:
            with owners.act_for(person):
                try:
                    for line in run_command(["claims", "draw", file, "--json"], stop, what="measurement", grace=5.0):
                        said.put(line)
                except RobustError as error:
                    said.put(error)
                finally:
                    said.put(None)

        threading.Thread(target=read, name="measuring again", daemon=True).start()
        gone, found = 0, False
        while True:
            yield Event("progress", "", file, {"part": "Seconds", "done": gone, "total": max(round(seconds), gone + 5)})
            try:
                line = said.get(timeout=_TICK)
            except queue.Empty:
                gone += 1
                continue
            if line is None:
                return
            if isinstance(line, RobustError):
                # A figure that differs ends the command with an exit code, after it was said.
                if not found:
                    raise line
            else:
                found = True
                yield Event("outcome", "", file, line)

    return work


def _watch(file: str, job_id: str, seconds: float) -> None:
    def draw() -> bool:
        job = loaded.get_jobs().get(job_id)
        if job is None or job.over:
            return False
        gone = job.seconds(loaded.get_jobs().clock())
        expected = format_duration(max(seconds, 1.0))
        line = (f"Measuring again for {format_duration(gone)}; about {expected} are expected" if job.started is not None
                else "Waiting for its turn")
        st.progress(min(gone / max(seconds, 1.0), 0.95), escape_markdown(line))
        return True

    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key="board.stop", on_click=dataset_job.stop_job, icon=":material/stop:")
        with st.container():
            refresh.make_fragment(draw, True, f"{file} {job_id}", every=1.0)


def _draw_outcome(source: Source, claim: Claim) -> None:
    found = st.session_state.get(_OUTCOMES, {}).get(source.file)
    if found is None:
        return
    if "stopped" in found:
        st.info("Stopped before it had a figure.", icon=":material/stop:")
        return
    outcome = Outcome(found["name"], found["verdict"], _to_number(found["stored"]), _to_number(found["again"]),
                      float(found["seconds"]), str(found["note"]))
    line = rerun.describe_outcome(outcome, source.error)
    if outcome.verdict in (EQUAL, WITHIN):
        st.success(escape_markdown(line), icon=":material/check:")
    elif outcome.verdict == DIFFERS:
        warn(line, icon=":material/warning:")
        for caution in rerun.list_cautions(claim):
            note(caution)
    else:
        st.error(escape_markdown(line), icon=":material/error:")


def _to_number(value: float | None) -> float:
    return math.nan if value is None else float(value)
