"""Checkpoints made of two others: a certified core, and the classifier that corrects it within a bound."""

from pathlib import Path

import numpy as np

from robust_core import __version__, datasets, paths
from robust_core.errors import UnknownName
from robust_core.models import cards
from robust_core.models.bounded import BoundedClassifier, bound_correction
from robust_core.models.card_files import write_card
from robust_core.models.loading import load
from robust_core.resources import fingerprints


def combine(core: str, correction: str, bound: float, name: str, root: Path, data_dir: str | Path | None = None
            ) -> cards.Card:
    """Store a classifier that is made of two stored ones; nothing is trained, and no weight is copied.

    Args:
        core: Id of an additive model.
        correction: Id of a classifier of the same data set's labels.
        bound: By how much the correction may change the difference of two scores, above 0.
        name: Last part of the new id; the rest is the correction's.
        root: Folder of checkpoints to write to.
        data_dir: Folder of data sets, of which dev says the accuracy.

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
    parts = {part.id: fingerprints.hash_sums(part.files) for part in (certified, made_of)}
    card = cards.Card(
        id=model.id, dataset=made_of.dataset, architecture=made_of.architecture,
        defence={"name": cards.CORE, "core": core, "correction": correction, "bound": bound}, seed=0,
        labels=model.labels, config={"network": {"length": model.length}, "parts": parts}, recipe={},
        dev_accuracy=_measure_accuracy(model, made_of.dataset, data_dir), epochs=0, seconds=0.0, device="cpu",
        parameters=sum(p.numel() for p in model.net.parameters()), bytes=0, files={}, data=made_of.data,
        parent=made_of.parent, version=__version__, folder=paths.CHECKPOINTS,
        known_faults=tuple(dict.fromkeys((*certified.known_faults, *made_of.known_faults))))
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


def _measure_accuracy(model: BoundedClassifier, dataset: str, data_dir: str | Path | None) -> float:
    examples = datasets.load(dataset, "dev", data_dir)
    found = model.predict_proba([example.text for example in examples]).argmax(1)
    return float(np.mean(found == np.array([example.label for example in examples])))
