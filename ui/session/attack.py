"""The attack of this session: begun, stopped, looked at."""

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.cleaning import check_typed
from robust_core.errors import BadInput, RobustError
from robust_core.events import Event
from robust_core.jobs.manager import BROKEN, QUEUED, Job
from robust_core.registry import from_record
from robust_core.types import Example
from ui.session import locks, selection
from ui.session.choices import Choices
from ui.session.outcome import Outcome, Pair, from_document, to_document
from ui.shared import catalogue, loaded

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

_LOG = logging.getLogger(__name__)
UID = "typed"
MOST_CARDS = 40
_POLL = 0.1
# Seconds between two drawings of an attack without a new verdict, and between two looks for one.
_BETWEEN, _LOOK = 0.4, 0.03


def start_attack() -> None:
    """Begin the chosen attacks on the chosen models; a plain message says why where they cannot begin."""
    chosen = selection.read_selection()
    if not selection.is_ready(chosen):
        # The page says so already, where the predictions stand otherwise.
        return
    try:
        asked = _make_choices(chosen)
        job_id = submit_choices(asked)
    except RobustError as error:
        selection.notify(str(error))
        return
    forget_attack()
    st.session_state["job"], st.session_state["asked"] = job_id, asked.to_document()
    loaded.get_jobs().wait(job_id, 0.25)


def submit_choices(asked: Choices) -> str:
    """Begin attacks as a job; return its id.

    Raises:
        BadInput: Too many jobs are under way.
    """
    label = f"{', '.join(ATTACKS[record['name']].title for record in asked.attacks)}, typed text"
    return loaded.submit_job("attack", lambda stop: _run_attacks(asked, stop), label)


def _make_choices(chosen: selection.Selection) -> Choices:
    """Return what is asked for.

    Raises:
        BadInput: An attack is missing, or it is too much for one page.
    """
    models, attacks = len(chosen.models), len(chosen.attacks)
    if not attacks:
        raise BadInput("The settings of an attack do not fit together; see the sidebar."
                       if st.session_state.get("attacks") else "Choose at least one attack in the sidebar.")
    if attacks > 1 and models * attacks > MOST_CARDS:
        raise BadInput(f"{models} models under {attacks} attacks make {models * attacks} cards; {MOST_CARDS} are the "
                       "limit. Choose fewer of them.")
    return Choices(check_typed(chosen.text), chosen.models, locks.make_records(chosen.attacks, chosen.text),
                   chosen.label, chosen.seed, chosen.device)


def stop_attack() -> None:
    """Ask the running attack to end with the best it has."""
    loaded.stop_job(st.session_state.get("job", ""))


def forget_attack() -> None:
    """Drop the present outcome and what was made of it."""
    for key in ("job", "asked", "outcome", "adversarial", "box_shows", "found_on"):
        st.session_state.pop(key, None)


def _run_attacks(asked: Choices, stop: threading.Event) -> Iterator[Event]:
    """Attack the models as they get loaded; runs in a worker."""
    loading = {}
    for model_id in asked.models:
        yield Event("started", UID, model_id, {"asked": asked.to_document(), "loading": True})
        loading[model_id] = loaded.get_models().ask(model_id, catalogue.fingerprint_model(model_id), asked.device)
    while loading:
        victims = []
        for model_id in [m for m, future in loading.items() if future.done()]:
            try:
                victims.append(loading.pop(model_id).result())
            except Exception as error:  # noqa: BLE001 (whatever it is, it is this model's card that shows it)
                yield Event("error", UID, model_id, {"message": _describe_error(error, f"loading {model_id}")})
        yield from _run_in_turn(victims, asked, stop)
        if loading and stop.wait(_POLL):
            return


def _run_in_turn(victims: "Sequence[TextClassifier]", asked: Choices, stop: threading.Event) -> Iterator[Event]:
    """Run one attack after the other, so that the seconds of each are its own; its name goes into its events."""
    # The true label has another place, or none, among other classes.
    alike: dict[int | None, list[TextClassifier]] = {}
    for victim in victims:
        names = [catalogue.show_label(name) for name in victim.labels]
        alike.setdefault(names.index(asked.label) if asked.label in names else None, []).append(victim)
    for record in asked.attacks:
        for label, members in alike.items():
            if stop.is_set():
                return
            for event in _run_attack(record, members, Example(asked.text, label, UID), asked.seed, stop):
                yield dataclasses.replace(event, data={**event.data, "attack": record["name"]})


def _run_attack(record: Mapping[str, Any], victims: "Sequence[TextClassifier]", example: Example, seed: int,
             stop: threading.Event) -> Iterator[Event]:
    """Run an attack; when it breaks, the models that had not ended go on alone, so that only one at fault fails."""
    open_ = {victim.id: victim for victim in victims}
    try:
        for event in from_record(ATTACKS, record).run(victims, [example], seed=seed, stop=stop):
            if event.kind in ("result", "error"):
                open_.pop(event.victim, None)
            yield event
    except Exception as error:  # noqa: BLE001 (as above)
        if len(victims) > 1 and not isinstance(error, RobustError):
            for victim in open_.values():
                yield from _run_attack(record, [victim], example, seed, stop)
            return
        line = _describe_error(error, f"{record['name']} on {', '.join(open_)}")
        yield from (Event("error", UID, name, {"message": line}) for name in open_)


def _describe_error(error: Exception, what: str) -> str:
    """Return what people see of an error; what nobody foresaw goes into the log with its traceback."""
    if isinstance(error, RobustError):
        return str(error)
    _LOG.error("%s failed", what, exc_info=error)
    return BROKEN


def find_outcome() -> Outcome | None:
    """Return the outcome to show: that of the session's job, or the one that was kept."""
    found = find_job()
    if found is not None:
        outcome = read_job(found, st.session_state.get("asked"))
        if outcome is not None and found.over:
            st.session_state["outcome"] = to_document(outcome)
        return outcome
    kept = st.session_state.get("outcome")
    return from_document(kept) if kept else None


def read_job(job: Job, asked: Mapping[str, Any] | None = None) -> Outcome | None:
    """Return what a job of attacks has come to.

    Args:
        job: The job.
        asked: What it was asked to do, as a document; used while the job itself has not said so.
    """
    asked = next((e.data["asked"] for e in job.events if "asked" in e.data), asked)
    if asked is None:
        return None
    outcome = Outcome(job.id, Choices.from_document(asked), {}, {}, running=not job.over, trouble=job.error,
                      queue=loaded.get_jobs().queue_position(job.id) if job.status == QUEUED else 0,
                      seconds=job.seconds(loaded.get_jobs().clock()))
    ended = {Pair(r.victim, r.attack["name"]): r for r in job.results}
    curves: dict[Pair, list[tuple[int, float]]] = {}
    for event in job.events:
        if event.kind in ("started", "step") and "proba" in event.data:
            point = (int(event.data.get("queries", 0)), float(event.data["proba"]))
            curves.setdefault(Pair(event.victim, event.data["attack"]), []).append(point)
    return dataclasses.replace(
        outcome, curves=curves, results={pair: ended[pair] for pair in outcome.pairs if pair in ended},
        errors={p: str(e.data["message"]) for e in job.events if e.kind == "error" for p in _concerns(outcome, e)},
        latest={p: e for e in job.latest.values() for p in _concerns(outcome, e)})


def _concerns(outcome: Outcome, event: Event) -> list[Pair]:
    """Return the pairs that an event tells of: while a model is loaded, those of every attack on it."""
    return [p for p in outcome.pairs if p.model == event.victim and event.data.get("attack", p.attack) == p.attack]


def wait_for_verdict(ended: int) -> int:
    """Wait until the session's attack has more verdicts than were drawn, or for a moment.

    Every drawing takes the server and the browser time that a running attack lacks, so they are not drawn more often
    than eyes can follow, but a verdict is shown at once.

    Args:
        ended: Results and errors that are on the page; -1 before the first drawing.

    Returns:
        Results and errors that there are.
    """
    until = time.monotonic() + _BETWEEN
    while True:
        # Looking into the session lets a click through, such as one on Stop.
        found, over = loaded.get_jobs().count_ended(st.session_state.get("job", ""))
        if over or found > ended or time.monotonic() > until:
            return found
        time.sleep(_LOOK)


def find_job() -> Job | None:
    """Return this session's attack job, if it is still known, and say that somebody watches it."""
    job_id = st.session_state.get("job")
    if not job_id:
        return None
    loaded.get_jobs().touch(job_id)
    return loaded.get_jobs().get(job_id)
