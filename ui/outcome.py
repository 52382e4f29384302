"""An attack and all that a page shows of it, as plain data: from a running job, this session, or a permalink."""

import contextlib
import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import streamlit as st

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, RobustError
from robust_core.explainers import EXPLAINERS
from robust_core.jobs import QUEUED, Job
from robust_core.metrics import consistency
from robust_core.registry import from_record, to_record
from robust_core.store import result_of, result_record
from robust_core.text import Draft, align, check_typed
from robust_core.types import AttackResult, Attribution, Event, Example, Span
from ui import forms, state

UID = "typed"
SHARED, OWN = "shared", "own"
_VERSION = 1
_POLL = 0.1


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was asked of an attack and what came of it so far.

    Args:
        id: Job it came from.
        asked: text, label, models, attack, seed and device of the attack.
        results: Results by model id.
        errors: One plain line for each model that could not be attacked.
        latest: Newest event of each model that is still being attacked.
        curves: (queries, probability) so far of each model.
        running: Whether the job goes on.
        queue: Place in the queue, 0 when it does not wait.
        seconds: How long it ran.
        trouble: One plain line when the whole job failed.
    """

    id: str
    asked: Mapping[str, Any]
    results: Mapping[str, AttackResult]
    errors: Mapping[str, str]
    latest: Mapping[str, Event] = dataclasses.field(default_factory=dict)
    curves: Mapping[str, list[tuple[int, float]]] = dataclasses.field(default_factory=dict)
    running: bool = False
    queue: int = 0
    seconds: float = 0.0
    trouble: str = ""

    @property
    def text(self) -> str:
        """The attacked text, cleaned."""
        return self.asked["text"]

    @property
    def queries(self) -> int:
        """Texts submitted to all models so far."""
        live = sum(int(e.data.get("queries", 0)) for m, e in self.latest.items() if m not in self.results)
        return live + sum(r.queries for r in self.results.values())

    def donors(self) -> list[str]:
        """Return the models with a changed text, those that flipped first."""
        changed = [m for m in self.asked["models"] if m in self.results and self.results[m].perturbed != self.text]
        return sorted(changed, key=lambda m: self.results[m].status != "succeeded")


@dataclasses.dataclass(frozen=True)
class Row:
    """One model's line of the table: both texts with their attributions, the predictions, and the verdicts.

    Attributions, probabilities and verdicts are None until they are ready; `error` says what went wrong.
    """

    model: str
    original: str
    other: str
    target: int
    before: tuple[float, ...] | None = None
    after: tuple[float, ...] | None = None
    explained: Attribution | None = None
    explained_other: Attribution | None = None
    readable: int | None = None
    readable_other: int | None = None
    agreement: Mapping[str, Any] | None = None
    error: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether the prediction on the other text is still the reference label."""
        return None if self.after is None else self.after.index(max(self.after)) == self.target

    def interpretation(self, tau_at_least: float, top5_at_least: float) -> bool | None:
        """Whether the interpretation is kept; None while it is unknown or undefined."""
        if self.agreement is None or math.isnan(self.agreement["kendall_tau"]):
            return None
        return self.agreement["kendall_tau"] >= tau_at_least and self.agreement["top_k"][5] >= top5_at_least


def start() -> None:
    """Begin an attack on the chosen models; what cannot be begun is said in one plain line."""
    chosen = state.selection()
    try:
        if not chosen.models:
            raise BadInput("Choose at least one model in the sidebar.")
        if chosen.attack is None:
            raise BadInput("The settings of the attack do not fit together; see the sidebar.")
        asked = {"text": check_typed(chosen.text), "label": chosen.label, "models": list(chosen.models),
                 "attack": to_record(chosen.attack), "seed": chosen.seed, "device": chosen.device}
        job_id = state.jobs().submit("attack", lambda stop: _events(asked, stop), f"{chosen.attack.title}, typed text")
    except RobustError as error:
        state.say(str(error))
        return
    forget()
    st.session_state["job"], st.session_state["asked"] = job_id, asked
    state.jobs().wait(job_id, 0.25)


def stop() -> None:
    """Ask the running attack to end with the best it has."""
    if st.session_state.get("job"):
        state.jobs().stop(st.session_state["job"])


def forget() -> None:
    """Drop the present outcome and what was made of it."""
    for key in ("job", "asked", "outcome", "adversarial", "box_shows", "from_model"):
        st.session_state.pop(key, None)


def _events(asked: dict[str, Any], stop: Any) -> Iterator[Event]:  # noqa: ANN401 (threading.Event)
    """Load the models, then attack them; runs in a worker."""
    victims = []
    for model_id in asked["models"]:
        yield Event("started", UID, model_id, {"asked": asked, "loading": True})
        future = state.models().ask(model_id, state.fingerprint(model_id), asked["device"])
        while not future.done():
            if stop.wait(_POLL):
                return
        try:
            victims.append(future.result())
        except RobustError as error:
            yield Event("error", UID, model_id, {"message": str(error)})
    if victims:
        attack = from_record(ATTACKS, asked["attack"])
        yield from attack.run(victims, [Example(asked["text"], asked["label"], UID)], seed=asked["seed"], stop=stop)


def present() -> Outcome | None:
    """Return the outcome to show: that of the session's job, or the one that was kept."""
    job = state.job()
    if job is not None:
        outcome = _of_job(job)
        if outcome is not None and job.over:
            st.session_state["outcome"] = to_document(outcome)
        return outcome
    kept = st.session_state.get("outcome")
    return of_document(kept) if kept else None


def _of_job(job: Job) -> Outcome | None:
    asked = next((e.data["asked"] for e in job.events if "asked" in e.data), st.session_state.get("asked"))
    if asked is None:
        return None
    curves: dict[str, list[tuple[int, float]]] = {}
    for event in job.events:
        if event.kind in ("started", "step") and "proba" in event.data:
            curves.setdefault(event.victim, []).append((int(event.data.get("queries", 0)), float(event.data["proba"])))
    return Outcome(
        job.id, asked,
        {r.victim: r for r in job.results},
        {e.victim: str(e.data["message"]) for e in job.events if e.kind == "error"},
        {victim: event for (_, victim), event in job.latest.items()},
        curves, not job.over, state.jobs().queue_position(job.id) if job.status == QUEUED else 0,
        job.seconds(state.jobs().clock()), job.error,
    )


def other_text(outcome: Outcome, model_id: str) -> str:
    """Return the text that a model's line compares with the original, by the chosen source."""
    if st.session_state.get("source", SHARED) == OWN:
        result = outcome.results.get(model_id)
        return result.perturbed if result else outcome.text
    return shared_text(outcome)


def shared_text(outcome: Outcome) -> str:
    """Return the one text shown to all models: edited by hand, or the chosen model's."""
    edited = st.session_state.get("adversarial")
    if edited is not None:
        return edited
    return found_text(outcome)


def edit() -> None:
    """Take over the text in the editing box; what cannot be used changes nothing but leaves a plain line."""
    typed = st.session_state.get("adversarial_box")
    # Streamlit also reports a box whose text the program itself has replaced.
    if typed is None or typed == st.session_state.get("box_shows"):
        return
    try:
        st.session_state["adversarial"] = check_typed(typed)
    except RobustError as error:
        state.say(f"The edited text is not used. {error}")


def undo_edit() -> None:
    """Go back to the text that the attack found."""
    for key in ("adversarial", "box_shows"):
        st.session_state.pop(key, None)


def found_text(outcome: Outcome) -> str:
    """Return the text that the attack found on the chosen model, the first that flipped by default."""
    donors = outcome.donors()
    chosen = st.session_state.get("from_model")
    donor = chosen if chosen in donors else donors[0] if donors else None
    return outcome.results[donor].perturbed if donor else outcome.text


def rows(outcome: Outcome) -> list[Row]:
    """Return the lines of the table, each as complete as it can be now; missing parts are being made."""
    return [_row(outcome, m, other_text(outcome, m)) for m in outcome.asked["models"] if m not in outcome.errors]


def _row(outcome: Outcome, model_id: str, other: str) -> Row:
    device, text = outcome.asked["device"], outcome.text
    before, error = state.predict(model_id, device, text)
    after, _ = state.predict(model_id, device, other)
    result = outcome.results.get(model_id)
    label = outcome.asked["label"]
    if result is not None:
        target = result.reference_label
    elif label is not None:
        target = label
    else:
        target = before.index(max(before)) if before else 0
    row = Row(model_id, text, other, target, before, after, error=error)
    if before is None or after is None:
        return row
    record = json.dumps(to_record(state.selection().explainer), sort_keys=True)
    explained = []
    for each in (text, other):
        value, error = state.explanations().peek(model_id, state.fingerprint(model_id), device, each, target, record)
        explained.append(value)
        row = dataclasses.replace(row, error=row.error or error)
    a, b = explained
    agreement = consistency(a, b, align(Draft.of(text).words, Draft.of(other).words)) if a and b else None
    # What a model does not read has no score, so the attribution tells how far it reads.
    return dataclasses.replace(row, explained=a, explained_other=b, agreement=agreement,
                               readable=len(a.spans) if a else None, readable_other=len(b.spans) if b else None)


def complete(lines: list[Row]) -> bool:
    """Return whether every line is as complete as it will get."""
    return all(row.error or (row.explained and row.explained_other) for row in lines)


def to_document(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as plain data."""
    return {"version": _VERSION, "id": outcome.id, "asked": dict(outcome.asked), "errors": dict(outcome.errors),
            "seconds": outcome.seconds, "trouble": outcome.trouble,
            "results": [result_record(r) for r in outcome.results.values()]}


def of_document(document: Mapping[str, Any]) -> Outcome:
    """Read what `to_document` wrote."""
    results = {}
    for record in document["results"]:
        # Strict JSON has no NaN: a view that was downloaded or stored holds null.
        similarity = math.nan if record["similarity"] is None else record["similarity"]
        results[record["victim"]] = result_of({**record, "similarity": similarity})
    return Outcome(document["id"], document["asked"], results, document["errors"], seconds=document["seconds"],
                   trouble=document["trouble"])


def view(outcome: Outcome) -> dict[str, Any]:
    """Write everything a permalink brings back: choices, results, and what was computed for the table."""
    chosen = state.selection()
    lines = rows(outcome)
    attributions = [dataclasses.asdict(a) | {"model": row.model, "fingerprint": state.fingerprint(row.model),
                                             "gap": None if math.isnan(a.gap) else a.gap,
                                             "total": None if math.isnan(a.total) else a.total}
                    for row in lines for a in (row.explained, row.explained_other) if a is not None]
    probabilities = [{"model": row.model, "fingerprint": state.fingerprint(row.model), "text": text, "proba": proba}
                     for row in lines for text, proba in ((row.original, row.before), (row.other, row.after)) if proba]
    return {
        "text": chosen.text, "models": list(chosen.models), "seed": chosen.seed,
        "label": state.NO_LABEL if chosen.label is None else chosen.label,
        "attack": chosen.attack and to_record(chosen.attack), "explainer": to_record(chosen.explainer),
        "tau_at_least": chosen.tau_at_least, "top5_at_least": chosen.top5_at_least,
        "source": st.session_state.get("source"), "from_model": st.session_state.get("from_model"),
        "adversarial": st.session_state.get("adversarial"), "outcome": to_document(outcome),
        "attributions": attributions, "probabilities": probabilities,
    }


def restore(token: str) -> None:
    """Bring back what a permalink holds, without computing anything again.

    Raises:
        BadInput: Nothing is stored under the token, or another version of the program wrote it.
    """
    document = state.store().get(token)
    try:
        if document["outcome"]["version"] != _VERSION:
            raise KeyError("version")
        outcome = of_document(document["outcome"])
        device = outcome.asked["device"]
        for kept in document["attributions"]:
            values = dict(kept)
            model_id, print_ = values.pop("model"), values.pop("fingerprint")
            values["spans"] = tuple(Span(*span) for span in values["spans"])
            values["scores"] = tuple(values["scores"])
            values |= {key: math.nan for key in ("gap", "total") if values[key] is None}
            attribution = Attribution(**values)
            key = (attribution.text, attribution.target, json.dumps(attribution.method, sort_keys=True))
            state.explanations().put(attribution, model_id, print_, device, *key)
        for kept in document["probabilities"]:
            state.remember(tuple(kept["proba"]), kept["model"], kept["fingerprint"], device, kept["text"])
        for key in ("text", "models", "label", "seed", "tau_at_least", "top5_at_least"):
            st.session_state[key] = document[key]
        for key in ("source", "from_model", "adversarial"):
            if document[key] is not None:
                st.session_state[key] = document[key]
        st.session_state["outcome"] = document["outcome"]
        with contextlib.suppress(RobustError):
            forms.preset(ATTACKS, "attack", document["attack"] or {})
            forms.preset(EXPLAINERS, "explainer", document["explainer"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput("This link was made by another version of the program and cannot be shown.") from None

