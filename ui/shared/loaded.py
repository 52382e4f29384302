"""What all pages share: loaded models, jobs, explanations, the store, and one person's choices."""

import collections
import contextlib
import functools
import glob
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.defences import DEFENCES
from robust_core.errors import RobustError
from robust_core.explainers import EXPLAINERS
from robust_core.jobs.manager import Job, JobManager
from robust_core.models import loading
from robust_core.registry import from_record, to_record
from robust_core.store import ResultStore
from robust_core.types import Attribution, Example
from ui.shared.background_cache import Shelf
from ui.widgets import charts

DEFAULT_TEXT = "an exceedingly clever piece of cinema"
# Two of one architecture, one of them defended, so that an attack may flip one and fail on the other.
DEFAULT_MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/minilm/base")
# Interpretation is kept when both hold: the medians over 500 dev pairs of the base models (results/verdict.json).
TAU_AT_LEAST, TOP5_AT_LEAST = 0.44, 0.6
NO_LABEL = -1
_ROOM_BYTES = 1_000_000_000
_ROOM_EXPLANATIONS = 4000
_ROOM_PREDICTIONS = 20_000
# Most naps of the measuring of fluency while explanations are being made.
_PATIENCE, _NAP = 200, 0.1
# Seconds for which a look at the folders of checkpoints is good enough, and the last look: when, where, what.
_MOMENT = 0.25
_seen: tuple[float, tuple[str, ...], tuple[tuple[str, int], ...]] = (-math.inf, (), ())


class Selection(NamedTuple):
    """One person's choices: what to do with which text on which models."""

    text: str
    models: tuple[str, ...]
    attacks: tuple[Any, ...]
    explainer: Any
    label: int | None
    seed: int
    tau_at_least: float
    top5_at_least: float
    device: str


def selection() -> Selection:
    """Return the present choices; a page that runs without the frame gets the defaults."""
    known = st.session_state
    attacks, explainer = known.get("chosen.attacks"), known.get("chosen.explainer")
    default = () if first(ATTACKS) is None else (first(ATTACKS),)
    return Selection(
        known.get("text", DEFAULT_TEXT),
        tuple(known.get("models", default_models())),
        default if attacks is None else tuple(from_record(ATTACKS, record) for record in attacks),
        from_record(EXPLAINERS, explainer) if explainer else first(EXPLAINERS),
        None if known.get("label", NO_LABEL) == NO_LABEL else int(known["label"]),
        int(known.get("seed", 0)),
        float(known.get("tau_at_least", TAU_AT_LEAST)),
        float(known.get("top5_at_least", TOP5_AT_LEAST)),
        known.get("device", default_device()),
    )


def first(registry: Any) -> Any:  # noqa: ANN401 (a method of any registry)
    """Return the first method of a registry with its defaults, None where there is none."""
    return next((registry[name]() for name in registry), None)


def default_device() -> str:
    """Return the device to use unless another is picked: ROBUST_DEVICE, or auto."""
    return os.environ.get("ROBUST_DEVICE", "").strip() or "auto"


def cards() -> dict[str, loading.Card]:
    """Return the cards of all checkpoints by model id; they are read again when a file changed."""
    return _cards(_stamp())


def _stamp() -> tuple[tuple[str, int], ...]:
    """Return the files of all cards and when they changed, as they were at most a moment ago.

    A redraw asks dozens of times: looking at the disk each time took most of its time.
    """
    global _seen
    now, roots = time.monotonic(), tuple(map(str, loading.roots()))
    seen = _seen
    if seen[1] != roots or now - seen[0] >= _MOMENT:
        paths = [path for root in roots for path in sorted(glob.iglob(f"{glob.escape(root)}/*/*/*/card.json"))]
        seen = _seen = (now, roots, tuple((path, os.stat(path).st_mtime_ns) for path in paths))
    return seen[2]


@functools.lru_cache(maxsize=2)
def _cards(stamp: tuple[tuple[str, int], ...]) -> dict[str, loading.Card]:
    return {card.id: card for card in loading.cards()}


def default_models() -> list[str]:
    """Return those of DEFAULT_MODELS that are here, or else the first three models."""
    known = list(cards())
    return [m for m in DEFAULT_MODELS if m in known] or known[:3]


def choose(*model_ids: str) -> None:
    """Add models to those picked in the sidebar; for a button's `on_click`."""
    st.session_state["models"] = list(dict.fromkeys([*st.session_state.get("models", default_models()), *model_ids]))


def title(model_id: str) -> str:
    """Return a model's short name, with its data set where the models picked read several."""
    known = cards()
    picked = [m for m in st.session_state.get("models", ()) if m in known]
    if model_id not in picked:
        return option(model_id)
    apart = len({known[m].dataset for m in picked}) > 1
    return short(known[model_id]) + (f" ({dataset_title(known[model_id].dataset)})" if apart else "")


def option(model_id: str) -> str:
    """Return a model's short name, with its data set where any other model has the same name."""
    return options().get(model_id, model_id)


def options() -> dict[str, str]:
    """Return what `option` does for every model, by id."""
    known = cards()
    names = {model_id: short(card) for model_id, card in known.items()}
    counts = collections.Counter(names.values())
    return {model_id: f"{name} ({dataset_title(known[model_id].dataset)})" if counts[name] > 1 else name
            for model_id, name in names.items()}


def short(card: loading.Card) -> str:
    """Return a card's title with defences and attacks as the papers write them: `CNN · FLAT-TextFooler`."""
    architecture, _, name = card.title.partition(" · ")
    return f"{architecture} · {'-'.join(_written().get(part, part) for part in name.split('-'))}"


@functools.cache
def _written() -> dict[str, str]:
    """Return proper names by registered name; plain words such as `base` stay as they are."""
    titles = {name: cls.title.partition(" (")[0] for registry in (ATTACKS, DEFENCES) for name, cls in registry.items()}
    return {name: title for name, title in titles.items() if title.lower() == name and not title.istitle()}


def dataset_title(name: str) -> str:
    """Return the name of a data set as people write it."""
    known = datasets.DATASETS.get(name) or datasets.own().get(name)
    return known.title if known else name


def labels(model_id: str) -> tuple[str, ...]:
    """Return the class names of a model as people read them."""
    card = cards().get(model_id)
    return tuple(name.capitalize() if name.islower() else name for name in (card.labels if card else ()))


def fingerprint(model_id: str) -> str:
    """Return a hash of a model's files: a retrained model is another model."""
    card = cards().get(model_id)
    return hashlib.sha256(json.dumps(dict(card.files), sort_keys=True).encode()).hexdigest()[:16] if card else ""


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
    return _store(os.environ.get("ROBUST_RUNS", ""))


@st.cache_resource(show_spinner=False)
def _store(folder: str) -> ResultStore:
    return ResultStore(folder or None)


@st.cache_resource(show_spinner=False)
def warm_up() -> None:
    """Load the default models and the attack's tables in the background, once for the process."""
    def work() -> None:
        device, record = default_device(), json.dumps(to_record(first(EXPLAINERS)), sort_keys=True)
        loaded = [(m, models().ask(m, fingerprint(m), device)) for m in default_models()]
        for _, future in loaded:
            future.exception()
        _devices()
        ready = [(m, future.result()) for m, future in loaded if future.exception() is None]
        # A first attack loads the sentence encoder and the tables; whatever is missing, a person's own attack says so.
        with contextlib.suppress(RobustError):
            if ready:
                collections.deque(first(ATTACKS).run([ready[0][1]], [Example(DEFAULT_TEXT)]), maxlen=0)
        for model_id, _ in ready:
            explanations().ask(model_id, fingerprint(model_id), device, DEFAULT_TEXT, 1, record)
        # The first chart loads pandas and Plotly, for more than a second.
        charts.figure([], {}).to_json()

    threading.Thread(target=work, name="warm-up", daemon=True).start()


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


def job() -> Job | None:
    """Return this session's attack job, if it is still known, and say that somebody watches it."""
    job_id = st.session_state.get("job")
    if not job_id:
        return None
    jobs().touch(job_id)
    return jobs().get(job_id)


def say(line: str) -> None:
    """Leave one plain line for the page to show, until the choices change."""
    st.session_state["said"] = [line, ""]


def dataset_labels() -> tuple[str, ...]:
    """Return the class names of the chosen models' data set, as people read them."""
    chosen = selection().models
    name = chosen[0].split("/")[0] if chosen else "sst2"
    found = labels(chosen[0]) if chosen else ()
    known = datasets.DATASETS[name].labels if name in datasets.DATASETS else ()
    return found or tuple(label.capitalize() for label in known)
