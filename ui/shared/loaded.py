"""What all pages share: loaded models, jobs, explanations, predictions, the store, the devices found."""

import collections
import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from robust_core import reading
from robust_core.environment import read_limit
from robust_core.evaluation.fluency import check_length
from robust_core.explainers import EXPLAINERS
from robust_core.jobs.manager import Job, JobManager
from robust_core.models import loading
from robust_core.paths import person_folder, runs_folder
from robust_core.registry import from_record
from robust_core.store import ResultStore
from robust_core.types import Attribution
from ui.shared.background_cache import BackgroundCache
from ui.shared.catalogue import fingerprint_model
from ui.shared.people import find_person

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

_ROOM_BYTES = 1_000_000_000
_ROOM_EXPLANATIONS = 4000
_ROOM_PREDICTIONS = 20_000
# Seconds after which what nobody has asked for again is not worked out any more; a page asks several times a second.
PATIENCE = 5.0
# Seconds that the measuring of a text's fluency gives way to what people look at, and between two looks at that.
_GIVES_WAY, _LOOK = 60.0, 0.05
# Seconds that a page waits for a store which another program is writing into.
_STORE_WAIT = 5.0
Work = Callable[[threading.Event], Iterable[Any]]


@st.cache_resource(show_spinner=False)
def get_jobs() -> JobManager:
    """Return the process's job manager."""
    return JobManager()


@st.cache_resource(show_spinner=False)
def get_trainings() -> JobManager:
    """Return the manager of trainings: one at a time, watched or not, each a subprocess."""
    return JobManager(1, idle=math.inf, keep=24 * 3600.0, grace=60.0)


def submit_job(kind: str, work: Work, label: str) -> str:
    """Begin an attack or an evaluation of this person's; return the id of its job.

    Raises:
        BadInput: Too many are under way.
    """
    return get_jobs().submit(kind, work, label, most=read_limit("jobs"), most_of_all=read_limit("all_jobs"))


def stop_job(job_id: str) -> None:
    """Ask a job to end, if it is this person's: whoever follows a link to it may only watch."""
    job = get_jobs().get(job_id)
    if job is not None and job.owner == find_person():
        get_jobs().stop(job_id)


def submit_training(work: Work, label: str) -> str:
    """Begin a training of this person's; return the id of its job.

    Raises:
        BadInput: Too many are under way.
    """
    return get_trainings().submit("training", work, label, most=read_limit("trainings"),
                                  most_of_all=read_limit("all_trainings"))


def list_trainings() -> list[Job]:
    """Return this person's trainings, in the order in which they were submitted."""
    return [job for job in get_trainings().jobs() if job.owner == find_person()]


@st.cache_resource(show_spinner=False)
def get_models() -> "BackgroundCache[TextClassifier]":
    """Return the loaded models, by (id, fingerprint, device)."""
    return BackgroundCache(
        lambda model_id, _fingerprint, device: loading.load(model_id, device), _ROOM_BYTES, _measure_size
    )


def _measure_size(model: object) -> float:
    """Return the bytes that a model's weights take; 1 for a model of another kind than ours."""
    from robust_core.models.classifier import TextClassifier

    if not isinstance(model, TextClassifier):
        return 1.0
    return float(sum(t.numel() * t.element_size() for t in model.net.state_dict().values()))


@st.cache_resource(show_spinner=False)
def get_explanations() -> BackgroundCache[Attribution]:
    """Return the attributions, by (model id, fingerprint, device, text, target, method record as JSON)."""
    return BackgroundCache(_explain, _ROOM_EXPLANATIONS, patience=PATIENCE)


def _explain(model_id: str, fingerprint: str, device: str, text: str, target: int, record: str) -> Attribution:
    model = get_models().ask(model_id, fingerprint, device).result()
    return from_record(EXPLAINERS, json.loads(record)).explain(model, [text], [target])[0]


@st.cache_resource(show_spinner=False)
def _get_predictions() -> tuple[threading.Lock, collections.OrderedDict[tuple[str, ...], tuple[float, ...]]]:
    return threading.Lock(), collections.OrderedDict()


def open_store() -> ResultStore:
    """Return this person's result store; a folder that cannot be written is one plain line, at the first use."""
    return _open_store(str(person_folder()))


def open_links() -> ResultStore:
    """Return the store of the views behind links, which whoever has the link may look at."""
    return _open_store(str(runs_folder()))


@st.cache_resource(show_spinner=False)
def _open_store(folder: str) -> ResultStore:
    return ResultStore(folder or None, wait=_STORE_WAIT)


@st.cache_resource(show_spinner=False)
def _get_found_devices() -> list[str]:
    return []


def find_devices() -> None:
    """Look for accelerators, once for the process; torch is slow to import, so a thread does it."""
    import torch

    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    found[:0] = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    _get_found_devices()[:] = found


def list_devices() -> list[str]:
    """Return the devices found so far; looking takes torch, so the list is empty until it is loaded."""
    return _get_found_devices()


def get_model(model_id: str, device: str) -> "tuple[TextClassifier | None, str]":
    """Return (model, error): (None, "") while it is being loaded."""
    return get_models().peek(model_id, fingerprint_model(model_id), device)


def wait_for_model(model_id: str, device: str) -> "TextClassifier":
    """Return a model that is small, loaded first if need be.

    Raises:
        RobustError: It cannot be loaded.
    """
    return get_models().ask(model_id, fingerprint_model(model_id), device).result()


def find_device(model_ids: Sequence[str], device: str) -> str:
    """Name the device that models run on; `auto` until one of them is loaded."""
    for model_id in model_ids if device == "auto" else ():
        future = get_models().find(model_id, fingerprint_model(model_id), device)
        if future is not None and future.done() and future.exception() is None:
            return str(future.result().device)
    return device


def predict(model_id: str, device: str, text: str) -> tuple[tuple[float, ...] | None, str]:
    """Return (class probabilities, error): (None, "") while the model is being loaded."""
    lock, known = _get_predictions()
    key = (model_id, fingerprint_model(model_id), device, text)
    with lock:
        if key in known:
            return known[key], ""
    model, error = get_model(model_id, device)
    if model is None:
        return None, error
    proba = tuple(float(p) for p in model.predict_proba([text])[0])
    remember(proba, *key)
    return proba, ""


@st.cache_resource(show_spinner=False)
def _get_readings() -> tuple[threading.Lock, collections.OrderedDict[tuple[str, ...], str]]:
    return threading.Lock(), collections.OrderedDict()


def describe_reading(model_id: str, device: str, text: str) -> str:
    """Say how much of a text a loaded model reads; empty if it reads all, or is not loaded yet."""
    lock, known = _get_readings()
    key = (model_id, fingerprint_model(model_id), device, text)
    with lock:
        if key in known:
            return known[key]
    future = get_models().find(*key[:3])
    if future is None or not future.done() or future.exception() is not None:
        return ""
    line = reading.describe_reading(future.result(), text)
    remember_reading(line, *key)
    return line


def remember_reading(line: str, *key: str) -> None:
    """Keep how much is read, of (model id, fingerprint, device, text)."""
    lock, known = _get_readings()
    with lock:
        known[key] = line
        while len(known) > _ROOM_PREDICTIONS:
            known.popitem(last=False)


def judge(model_id: str, device: str, text: str) -> tuple[tuple[float, ...] | None, str]:
    """Return what `predict` does, but ask the model in the background."""
    lock, known = _get_predictions()
    key = (model_id, fingerprint_model(model_id), device, text)
    with lock:
        if key in known:
            return known[key], ""
    return _get_judgements().peek(*key)


@st.cache_resource(show_spinner=False)
def _get_judgements() -> BackgroundCache[tuple[float, ...]]:
    return BackgroundCache(_judge_text, _ROOM_PREDICTIONS, patience=PATIENCE)


def _judge_text(model_id: str, fingerprint: str, device: str, text: str) -> tuple[float, ...]:
    model = get_models().ask(model_id, fingerprint, device).result()
    proba = tuple(float(p) for p in model.predict_proba([text])[0])
    remember(proba, model_id, fingerprint, device, text)
    return proba


def ask_perplexity(device: str, text: str) -> tuple[float | None, str]:
    """Return (pseudo-perplexity of a text, error): (None, "") while it is being measured."""
    return get_perplexities().peek(device, text)


@st.cache_resource(show_spinner=False)
def get_perplexities() -> BackgroundCache[float]:
    """Return the pseudo-perplexities under the packaged masked language model, by (device, text)."""
    return BackgroundCache(_measure_perplexity, _ROOM_PREDICTIONS, patience=PATIENCE)


def _measure_perplexity(device: str, text: str) -> float:
    from robust_core.models import masked_lm

    reader, given_way = masked_lm.load("minilm", device), 0.0
    check_length(reader, text)

    def give_way() -> bool:
        """Let explanations and attacks go first: they are what people look at."""
        nonlocal given_way
        get_perplexities().check_watched(device, text)
        while given_way < _GIVES_WAY and (get_explanations().is_busy() or get_jobs().is_busy()):
            time.sleep(_LOOK)
            given_way += _LOOK
            get_perplexities().check_watched(device, text)
        return True

    return float(reader.pseudo_perplexity([text], go_on=give_way)[0])


def remember(proba: tuple[float, ...], *key: str) -> None:
    """Keep the class probabilities of (model id, fingerprint, device, text)."""
    lock, known = _get_predictions()
    with lock:
        known[key] = proba
        while len(known) > _ROOM_PREDICTIONS:
            known.popitem(last=False)
