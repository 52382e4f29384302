"""What all pages share: loaded models, jobs, explanations, the store, and one person's choices."""

import collections
import json
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import streamlit as st

from robust_core.explainers import EXPLAINERS
from robust_core.jobs.manager import JobManager
from robust_core.models import loading
from robust_core.paths import runs_folder
from robust_core.registry import from_record
from robust_core.store import ResultStore
from robust_core.types import Attribution
from ui.shared.background_cache import Shelf
from ui.shared.catalogue import fingerprint

_ROOM_BYTES = 1_000_000_000
_ROOM_EXPLANATIONS = 4000
_ROOM_PREDICTIONS = 20_000
# Most naps of the measuring of fluency while explanations are being made.
_PATIENCE, _NAP = 200, 0.1


@st.cache_resource(show_spinner=False)
def jobs() -> JobManager:
    """Return the process's job manager."""
    return JobManager()


@st.cache_resource(show_spinner=False)
def trainings() -> JobManager:
    """Return the manager of trainings: one at a time, watched or not, each a subprocess."""
    return JobManager(1, idle=math.inf, keep=24 * 3600.0, grace=60.0)


@st.cache_resource(show_spinner=False)
def models() -> Shelf:
    """Return the loaded models, by (id, fingerprint, device)."""
    return Shelf(lambda model_id, _fingerprint, device: loading.load(model_id, device), _ROOM_BYTES, _size)


def _size(model: Any) -> float:  # noqa: ANN401 (any classifier)
    network = getattr(model, "net", None)
    return float(sum(t.numel() * t.element_size() for t in network.state_dict().values())) if network else 1.0


@st.cache_resource(show_spinner=False)
def explanations() -> Shelf:
    """Return the attributions, by (model id, fingerprint, device, text, target, method record as JSON)."""
    return Shelf(_explain, _ROOM_EXPLANATIONS)


def _explain(model_id: str, print_: str, device: str, text: str, target: int, record: str) -> Attribution:
    model = models().ask(model_id, print_, device).result()
    return from_record(EXPLAINERS, json.loads(record)).explain(model, [text], [target])[0]


@st.cache_resource(show_spinner=False)
def _predictions() -> tuple[threading.Lock, "collections.OrderedDict[tuple[str, ...], tuple[float, ...]]"]:
    return threading.Lock(), collections.OrderedDict()


def store() -> ResultStore:
    """Return the result store; a folder that cannot be written is one plain line, at the first use."""
    return _store(str(runs_folder()))


@st.cache_resource(show_spinner=False)
def _store(folder: str) -> ResultStore:
    return ResultStore(folder or None)


@st.cache_resource(show_spinner=False)
def _found_devices() -> list[str]:
    return []


def _devices() -> None:
    import torch

    found = ["cpu"]
    if torch.backends.mps.is_available():
        found.insert(0, "mps")
    found[:0] = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    _found_devices()[:] = found


def devices() -> list[str]:
    """Return the devices found so far; looking takes torch, so the list is empty until it is loaded."""
    return _found_devices()


def model(model_id: str, device: str) -> tuple[Any, str]:
    """Return (model, error): (None, "") while it is being loaded."""
    return models().peek(model_id, fingerprint(model_id), device)


def device_of(model_ids: Sequence[str], device: str) -> str:
    """Name the device that models run on; `auto` until one of them is loaded."""
    for model_id in model_ids if device == "auto" else ():
        future = models().seek(model_id, fingerprint(model_id), device)
        if future is not None and future.done() and future.exception() is None:
            return str(future.result().device)
    return device


def predict(model_id: str, device: str, text: str) -> tuple[tuple[float, ...] | None, str]:
    """Return (class probabilities, error): (None, "") while the model is being loaded."""
    lock, known = _predictions()
    key = (model_id, fingerprint(model_id), device, text)
    with lock:
        if key in known:
            return known[key], ""
    loaded, error = model(model_id, device)
    if loaded is None:
        return None, error
    proba = tuple(float(p) for p in loaded.predict_proba([text])[0])
    remember(proba, *key)
    return proba, ""


def judge(model_id: str, device: str, text: str) -> tuple[tuple[float, ...] | None, str]:
    """Return what `predict` does, but ask the model in the background."""
    lock, known = _predictions()
    key = (model_id, fingerprint(model_id), device, text)
    with lock:
        if key in known:
            return known[key], ""
    return _judgements().peek(*key)


@st.cache_resource(show_spinner=False)
def _judgements() -> Shelf:
    return Shelf(_judge, _ROOM_PREDICTIONS)


def _judge(model_id: str, print_: str, device: str, text: str) -> tuple[float, ...]:
    model = models().ask(model_id, print_, device).result()
    proba = tuple(float(p) for p in model.predict_proba([text])[0])
    remember(proba, model_id, print_, device, text)
    return proba


def perplexity(device: str, text: str) -> tuple[float | None, str]:
    """Return (pseudo-perplexity of a text, error): (None, "") while it is being measured."""
    return perplexities().peek(device, text)


@st.cache_resource(show_spinner=False)
def perplexities() -> Shelf:
    """Return the pseudo-perplexities under the packaged masked language model, by (device, text)."""
    return Shelf(_perplexity, _ROOM_PREDICTIONS)


def _perplexity(device: str, text: str) -> float:
    from robust_core.models import masked_lm

    # What explains an attack is looked at first; this is a remark on it.
    for _ in range(_PATIENCE):
        if not explanations().busy():
            break
        time.sleep(_NAP)
    return float(masked_lm.load("minilm", device).pseudo_perplexity([text])[0])


def remember(proba: tuple[float, ...], *key: str) -> None:
    """Keep the class probabilities of (model id, fingerprint, device, text)."""
    lock, known = _predictions()
    with lock:
        known[key] = proba
        while len(known) > _ROOM_PREDICTIONS:
            known.popitem(last=False)
