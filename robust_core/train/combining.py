"""Checkpoints made of others: a certified core and the classifier that corrects it, or a model that mends typos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core import __version__, datasets, paths
from robust_core.errors import Incompatible, UnknownName
from robust_core.models import cards
from robust_core.models.bounded import bound_correction
from robust_core.models.card_files import write_card
from robust_core.models.classifier import TextClassifier
from robust_core.models.loading import load
from robust_core.models.typos import hash_ranks, read_typos
from robust_core.resources import fingerprints


def combine(core: str, correction: str, bound: float, name: str, root: Path, data_dir: str | Path | None = None,
            typos: bool = False) -> cards.Card:
    """Store a classifier that is made of two stored ones; nothing is trained, and no weight is copied.

    Args:
        core: Id of an additive model.
        correction: Id of a classifier of the same data set's labels.
        bound: By how much the correction may change the difference of two scores, above 0.
        name: Last part of the new id; the rest is the correction's.
        root: Folder of checkpoints to write to.
        data_dir: Folder of data sets, of which dev says the accuracy.
        typos: Whether it mends typos as well (`mend_typos`).

    Returns:
        The card. Its config holds the hashes of both parts, so that another core is noticed.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput, Incompatible: They do not fit each other (`models.bounded.bound_correction`).
        MissingResource: The data set is not here.
    """
    certified, made_of = find_card(core), find_card(correction)
    model = bound_correction(f"{made_of.dataset}/{cards.name_folder(made_of.architecture)}/{name}",
                             load(core, "cpu"), load(correction, "cpu"), bound)
    record = {"name": cards.CORE, "core": core, "correction": correction, "bound": bound}
    if typos:
        model, record = read_typos(model.id, model), record | {"typos": True}
    return _store(model, record, (certified, made_of), root, data_dir, typos)


def mend_typos(name: str, last: str, root: Path, data_dir: str | Path | None = None) -> cards.Card:
    """Store a word model that reads unknown words as the nearest known one; no weight is copied.

    Args:
        name: Id of a stored CNN, LSTM or additive model.
        last: Last part of the new id; the rest is the model's.
        root: Folder of checkpoints to write to.
        data_dir: Folder of data sets, of which dev says the accuracy.

    Raises:
        UnknownName: There is no such checkpoint.
        Incompatible: It is no word model.
        MissingResource: The data set is not here.
    """
    made_of = find_card(name)
    if made_of.is_made_of_others:
        raise Incompatible(f"{name} is made of other models itself; combine those, with typos.")
    model = read_typos(f"{made_of.dataset}/{cards.name_folder(made_of.architecture)}/{last}", load(name, "cpu"))
    return _store(model, {"name": cards.TYPOS, "of": name}, (made_of,), root, data_dir, True)


def _store(model: TextClassifier, record: dict[str, Any], made_of: Sequence[cards.Card], root: Path,
           data_dir: str | Path | None, typos: bool) -> cards.Card:
    """Write the card of a model that is made of others, the last of which it is called after."""
    last = made_of[-1]
    parts = {part.id: fingerprints.hash_sums(part.files) for part in made_of}
    parts |= {cards.RANKS: hash_ranks()} if typos else {}
    card = cards.Card(
        id=model.id, dataset=last.dataset, architecture=last.architecture, defence=record, seed=0, labels=model.labels,
        config={"network": {"length": model.length}, "parts": parts}, recipe={},
        dev_accuracy=_measure_accuracy(model, last.dataset, data_dir), epochs=0, seconds=0.0, device="cpu",
        parameters=sum(p.numel() for p in model.net.parameters()), bytes=0, files={}, data=last.data,
        parent=last.parent, version=__version__, folder=paths.CHECKPOINTS,
        known_faults=tuple(dict.fromkeys(fault for part in made_of for fault in part.known_faults)))
    return write_card(card, cards.find_folder(root, card.id), ())


def find_card(name: str) -> cards.Card:
    """Return the card of a stored model.

    Raises:
        UnknownName: There is none of that id.
    """
    known = {card.id: card for card in cards.cards()}
    if name not in known:
        raise UnknownName("model", name, list(known))
    return known[name]


def _measure_accuracy(model: TextClassifier, dataset: str, data_dir: str | Path | None) -> float:
    examples = datasets.load(dataset, "dev", data_dir)
    found = model.predict_proba([example.text for example in examples]).argmax(1)
    return float(np.mean(found == np.array([example.label for example in examples])))
