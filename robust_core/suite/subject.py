"""What a suite tests: one model on one file of texts, and where its answers are kept."""

import dataclasses
import functools
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robust_core import datasets
from robust_core.errors import BadInput, list_names, quote
from robust_core.evaluation.predictions import Predictions
from robust_core.protocols import Classifier
from robust_core.store import ResultStore
from robust_core.types import Example


class Outcome(NamedTuple):
    """What a check found on one text.

    Attributes:
        uid: The text.
        value: In the units of the check: 1 where it stands, 0 where it does not, or what was measured.
        note: What a person would like to see of it where it does not stand, in one line.
    """

    uid: str
    value: float
    note: str = ""


class Alarm(threading.Event):
    """An event that counts as set once its time has come, or another event is set.

    Args:
        seconds: From now on.
        stop: The other event.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        super().__init__()
        self._until, self._stop = time.monotonic() + seconds, stop

    def is_set(self) -> bool:
        """Return whether work must end."""
        return super().is_set() or self._stop.is_set() or time.monotonic() >= self._until


@dataclasses.dataclass(frozen=True)
class Subject:
    """One model on one file of texts.

    Args:
        model: The classifier.
        texts: Labelled texts; the labels are the model's.
        store: Where all that is found out is kept. A model that shows no weights is known by its id alone, which may
            be another model tomorrow: give it a store of its own.
        seed: Seed of the order of the texts, of the attacks and of the changes.
    """

    model: Classifier
    texts: datasets.LabelledTexts
    store: ResultStore
    seed: int = 0

    @functools.cached_property
    def examples(self) -> Sequence[Example]:
        """The texts in a random order, always the same: what is seen of them first is a sample like any other."""
        order = np.random.default_rng(self.seed).permutation(len(self.texts.examples))
        return [self.texts.examples[i] for i in order]

    @functools.cached_property
    def sha256(self) -> str:
        """Fingerprint of the texts."""
        return datasets.hash_examples(self.texts.examples)

    @functools.cached_property
    def predictions(self) -> Predictions:
        """What the model says of texts."""
        return Predictions(self.model, self.store)

    def find_label(self, name: str, where: str) -> int:
        """Return the index of a class by its name.

        Args:
            name: The name, in small letters or capitals.
            where: What names it, for the message.

        Raises:
            BadInput: The model has no such class.
        """
        known = [label.casefold() for label in self.model.labels]
        if name.casefold() not in known:
            raise BadInput(f"{where}: {self.model.id} has no class {quote(name)}, but "
                           f"{list_names(self.model.labels)}.")
        return known.index(name.casefold())

    def name_label(self, label: int) -> str:
        """Return what a class is called."""
        return self.model.labels[label]
