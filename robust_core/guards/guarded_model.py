"""A model with guards in front of it: a classifier like any other, which may also flag a text."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from robust_core.classifiers import describe_scores, find_device, prepare_texts
from robust_core.errors import BadInput
from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, FittedGuard, Guard
from robust_core.protocols import Classifier, KeepsAnswers
from robust_core.registry import to_record
from robust_core.resources import fingerprints
from robust_core.runs import fingerprint_model

_MOST_KEPT = 1 << 16
# Guards that undo each other's work would go on for ever.
_ROUNDS = 8


class GuardedModel:
    """A `Classifier` whose texts pass guards first, each guard what those before it have made of a text.

    The guards before the first that flags are passed again until nothing changes.

    `predict_proba` gives what the model says of the cleaned text, flagged or not; `flag` says which texts are flagged.
    Attacks and evaluations ask both (`protocols.Flags`): a flagged text is neither a success of an attack nor read
    right. It shows neither tokens nor gradients, so an attack through it asks like one on a model elsewhere.

    Args:
        model: The classifier.
        guards: The guards in their order.
        fitted: The same, fitted to clean texts.
        fitted_on: SHA-256 of the clean texts.

    Attributes:
        id: The model's id and the guards' names with `+` between, such as `sst2/cnn/base+unicode+frequency`.
        fingerprint: SHA-256 of all that decides its answers.
    """

    def __init__(self, model: Classifier, guards: Sequence[Guard], fitted: Sequence[FittedGuard], fitted_on: str = ""
                 ) -> None:
        self.model, self.guards, self._fitted = model, tuple(guards), tuple(fitted)
        self.id = "+".join((model.id, *(guard.name for guard in guards)))
        self.labels, self.device, self.note = tuple(model.labels), find_device(model), describe_scores(model)
        decides = {"model": fingerprint_model(model), "guards": self.describe_guards(), "texts": fitted_on,
                   "tables": fingerprints.describe(dict.fromkeys(u for guard in guards for u in guard.list_uses()))}
        self.fingerprint = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
        flags = [fitted.flag is not None for fitted in self._fitted]
        self._first = flags.index(True) if any(flags) else len(flags)
        self.reduce = functools.lru_cache(_MOST_KEPT)(self._reduce)
        self._clean = functools.lru_cache(_MOST_KEPT)(self._pass)
        self._flag = functools.lru_cache(_MOST_KEPT)(self._ask)

    def describe_guards(self) -> list[dict[str, Any]]:
        """Return for each guard its record and the thresholds that were chosen."""
        return [to_record(guard) | {"thresholds": dict(fitted.thresholds)}
                for guard, fitted in zip(self.guards, self._fitted, strict=True)]

    def _reduce(self, text: str) -> str:
        """Return the text that reaches the first guard that flags: texts for which it is the same are treated alike."""
        for _ in range(_ROUNDS):
            cleaned = text
            for fitted in self._fitted[: self._first]:
                cleaned = fitted.clean(cleaned)
            if cleaned == text:
                break
            text = cleaned
        return text

    def _pass(self, reduced: str) -> str:
        for fitted in self._fitted[self._first:]:
            reduced = fitted.clean(reduced)
        return reduced

    def _ask(self, reduced: str) -> bool:
        for fitted in self._fitted[self._first:]:
            if fitted.flag is not None and fitted.flag(reduced):
                return True
            reduced = fitted.clean(reduced)
        return False

    def clean(self, text: str) -> str:
        """Return a text as it leaves the guards."""
        return self._clean(self.reduce(text))

    def prepare(self, text: str) -> str:
        """Return a text as the model reads it: cleaned by the guards, then as the model itself prepares it."""
        return prepare_texts(self.model, [self.clean(text)])[0]

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of the cleaned texts, flagged or not.

        Raises:
            BadInput: It is no list of texts.
        """
        return self.model.predict_proba(prepare_texts(self, texts))

    def fetch(self, texts: Sequence[str]) -> None:
        """Ask a model that keeps its answers about texts in as few calls as possible."""
        if isinstance(self.model, KeepsAnswers):
            self.model.fetch(prepare_texts(self, texts))

    def flag(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n,) bool: which texts a guard flags, each judged alone."""
        return np.array([self._flag(self.reduce(text)) for text in texts], dtype=bool)


def guard_model(model: Classifier, guards: Sequence[Guard | str], texts: CleanTexts | None = None) -> GuardedModel:
    """Put guards in front of a model, each fitted to what those before it leave of clean texts.

    Args:
        model: The classifier.
        guards: Guards, or their names for those with default parameters; at least one, none twice.
        texts: Clean texts; guards that need none do without.

    Raises:
        UnknownName: There is no such guard.
        BadInput: None is named, one is named twice, or one needs more clean texts.
        MissingResource: A table or model that one looks into is not here.
    """
    made = [GUARDS[guard]() if isinstance(guard, str) else guard for guard in guards]
    if not made:
        raise BadInput("Name at least one guard.")
    if len({guard.name for guard in made}) < len(made):
        raise BadInput("A guard is named twice.")
    texts, fitted = texts or CleanTexts(), list[FittedGuard]()
    digest = hashlib.sha256(json.dumps([list(texts.train), list(texts.dev)]).encode()).hexdigest()
    for guard in made:
        fitted.append(guard.fit(model, texts))
        texts = dataclasses.replace(texts, dev=[fitted[-1].clean(text) for text in texts.dev])
    return GuardedModel(model, made, fitted, digest)
