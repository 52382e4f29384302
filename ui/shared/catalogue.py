"""The models that are here, and what they are called."""

import collections
import contextlib
import functools
import glob
import hashlib
import json
import math
import os
import time
from collections.abc import Iterator, Sequence

import streamlit as st

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.defences import DEFENCES
from robust_core.models import cards as card_files
from robust_core.models.cards import IMPORTED, Card
from robust_core.paths import checkpoint_folders

# Seconds for which a look at the folders of checkpoints is good enough, and the last looks: by folders, when and what.
_MOMENT, _MOST_LOOKS = 0.25, 100
_seen: dict[tuple[str, ...], tuple[float, tuple[tuple[str, int], ...]]] = {}


def read_cards() -> dict[str, Card]:
    """Return the cards of all checkpoints by model id; they are read again when a file changed."""
    return _read_cards(_stamp_cards())


def look_again() -> None:
    """See at once what was kept or removed a moment ago."""
    _seen.clear()


def _stamp_cards() -> tuple[tuple[str, int], ...]:
    """Return the files of all cards and when they changed, as they were at most a moment ago.

    A redraw asks dozens of times: looking at the disk each time took most of its time.
    """
    now, roots = time.monotonic(), tuple(map(str, checkpoint_folders()))
    when, stamp = _seen.get(roots, (-math.inf, ()))
    if now - when >= _MOMENT:
        stamp = tuple(_stat_cards(roots))
        if len(_seen) >= _MOST_LOOKS:
            _seen.clear()
        _seen[roots] = (now, stamp)
    return stamp


def _stat_cards(roots: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    for root in roots:
        for path in sorted(glob.iglob(f"{glob.escape(root)}/*/*/*/card.json")):
            # One that somebody removes at this moment is none.
            with contextlib.suppress(OSError):
                yield path, os.stat(path).st_mtime_ns


@functools.lru_cache(maxsize=32)
def _read_cards(stamp: tuple[tuple[str, int], ...]) -> dict[str, Card]:
    return {card.id: card for card in card_files.cards()}


def list_places() -> dict[str, int]:
    """Return the place of each model in a list to which models are only ever added at the end.

    The shipped ones come first, in the order of the pickers, then a person's own, the oldest first.
    """
    return _list_places(_stamp_cards(), str(checkpoint_folders()[0]))


@functools.lru_cache(maxsize=32)
def _list_places(stamp: tuple[tuple[str, int], ...], shipped: str) -> dict[str, int]:
    known = _read_cards(stamp)
    own = {"/".join(path.split(os.sep)[-4:-1]): changed for path, changed in stamp
           if not path.startswith(shipped + os.sep)}
    # What is shipped counts, where somebody trained a model of the same name.
    of_shipped = {"/".join(path.split(os.sep)[-4:-1]) for path, _ in stamp if path.startswith(shipped + os.sep)}
    first = [model for model in known if model in of_shipped]
    rest = sorted((model for model in known if model not in of_shipped), key=lambda model: (own.get(model, 0), model))
    return {model: place for place, model in enumerate([*first, *rest])}


def name_model(model_id: str) -> str:
    """Return a model's short name, with its data set where the models picked read several."""
    known = read_cards()
    picked = [m for m in st.session_state.get("models", ()) if m in known]
    if model_id not in picked:
        return name_option(model_id)
    apart = len({known[m].dataset for m in picked}) > 1
    return shorten_name(known[model_id]) + (f" ({name_dataset(known[model_id].dataset)})" if apart else "")


def name_option(model_id: str) -> str:
    """Return a model's short name, with its data set where any other model has the same name."""
    return list_options().get(model_id, model_id)


def list_options() -> dict[str, str]:
    """Return what `option` does for every model, by id."""
    known = read_cards()
    names = {model_id: shorten_name(card) for model_id, card in known.items()}
    counts = collections.Counter(names.values())
    return {model_id: f"{name} ({name_dataset(known[model_id].dataset)})" if counts[name] > 1 else name
            for model_id, name in names.items()}


def shorten_name(card: Card) -> str:
    """Return a card's title with defences and attacks as the papers write them: `CNN · FLAT-TextFooler`."""
    if card.is_imported:
        return card.title
    architecture, _, name = card.title.partition(" · ")
    return f"{architecture} · {'-'.join(_write_method().get(part, part) for part in name.split('-'))}"


@functools.cache
def _write_method() -> dict[str, str]:
    """Return proper names by registered name; plain words such as `base` stay as they are."""
    titles = {name: cls.title.partition(" (")[0] for registry in (ATTACKS, DEFENCES) for name, cls in registry.items()}
    return {name: title for name, title in titles.items() if title.lower() == name and not title.istitle()}


def name_dataset(name: str) -> str:
    """Return the name of a data set as people write it."""
    known = datasets.DATASETS.get(name) or datasets.list_own().get(name)
    return known.title if known else "your own" if name == IMPORTED else name


def find_labels(model_id: str) -> tuple[str, ...]:
    """Return the class names of a model as people read them."""
    card = read_cards().get(model_id)
    return tuple(map(show_label, card.labels if card else ()))


def show_label(name: str) -> str:
    """Return a class name as people read it."""
    return name.capitalize() if name.islower() else name


def find_label(model_id: str, name: str | None) -> int | None:
    """Return the place of a class among those of a model, by the name that people read; None where it has none such."""
    names = find_labels(model_id)
    return names.index(name) if name in names else None


def find_label_name(model_id: str, index: int) -> str | None:
    """Return the name of a class of a model; None where the model is not here any more."""
    names = find_labels(model_id)
    return names[index] if 0 <= index < len(names) else None


def write_label(name: str | None, models: Sequence[str]) -> str | int | None:
    """Write a class for a stored view: by its place where all models have the same classes, else by name."""
    sets = {find_labels(model) for model in models}
    return find_label(models[0], name) if len(sets) == 1 else name


def name_label(value: str | int | None, models: Sequence[str]) -> str | None:
    """Return the class that `write_label` wrote, by the name that people read."""
    if not isinstance(value, int):
        return value or None
    return find_label_name(models[0], value) if models else None


def list_classes(models: Sequence[str]) -> dict[str, str]:
    """Return the classes of models by name, and how a picker shows each: with its data sets where they differ."""
    sets: dict[tuple[str, ...], str] = {}
    for model in models:
        if model in read_cards():
            sets.setdefault(find_labels(model), name_dataset(read_cards()[model].dataset))
    found: dict[str, list[str]] = {}
    for names, dataset in sets.items():
        for name in names:
            found.setdefault(name, []).append(dataset)
    return {name: f"{name} ({', '.join(dict.fromkeys(where))})" if len(sets) > 1 else name
            for name, where in found.items()}


def fingerprint_model(model_id: str) -> str:
    """Return a hash of a model's files: a retrained model is another model."""
    card = read_cards().get(model_id)
    if card is None:
        return ""
    # Two people may name the classes of one file each in their own way.
    parts = dict(card.files) | ({"classes": ", ".join(card.labels)} if card.is_imported else {})
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
