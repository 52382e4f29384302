"""What a model said of texts, kept in the store: the same question is not asked twice.

Answers are known by the text, so they serve whatever asks: accuracy, changed texts, certificates.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from robust_core.classifiers import find_device
from robust_core.evaluation import provenance
from robust_core.protocols import Classifier
from robust_core.runs import Run, read_versions
from robust_core.store import ResultStore

METHOD = "predictions"
_CHUNK = 64


class KeptAnswers:
    """Answers of one kind about texts, from the store where they are there, and stored as they come.

    Args:
        model: Who is asked.
        store: Where answers are kept. A model that shows no weights is known by its id alone: give a store of its own.
        method: Record of what is asked; it belongs to the key.
    """

    def __init__(self, model: Classifier, store: ResultStore, method: Mapping[str, Any]) -> None:
        about = provenance.describe_model(model)
        run = Run({"name": METHOD}, {model.id: about[f"model {model.id}"]}, {}, 0, read_versions(), find_device(model),
                  about | provenance.describe_engine())
        self._store, self._method, self._run = store, dict(method), store.open_run(run)
        self._known = store.comparisons(self._run, self._method)

    def ask(self, texts: Sequence[str], answer: Callable[[list[str]], Sequence[Mapping[str, Any]]],
            go_on: Callable[[], bool] = lambda: True) -> list[Mapping[str, Any]]:
        """Return the answer about each text; fewer where there was no time, none left out between.

        Args:
            texts: The texts.
            answer: Gives a record of plain data for each of some texts; asked for the missing ones only.
            go_on: Asked between two batches.
        """
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        left = list(missing.items())
        for start in range(0, len(left), _CHUNK):
            if not go_on():
                break
            chunk = left[start: start + _CHUNK]
            for (key, _), record in zip(chunk, answer([text for _, text in chunk]), strict=True):
                self._known[key] = dict(record)
                self._store.compare(self._run, self._method, key, record)
        ended = next((i for i, key in enumerate(keys) if key not in self._known), len(keys))
        return [self._known[key] for key in keys[:ended]]


class Predictions(KeptAnswers):
    """Class probabilities of texts (`KeptAnswers`).

    Args:
        model: The classifier.
        store: Where they are kept.
    """

    def __init__(self, model: Classifier, store: ResultStore) -> None:
        super().__init__(model, store, {"name": METHOD})
        self._model = model

    def predict(self, texts: Sequence[str], go_on: Callable[[], bool] = lambda: True) -> np.ndarray:
        """Return (n, classes) float64 probabilities; of fewer texts, the first ones, where there was no time."""
        found = self.ask(texts, lambda new: [{"proba": row} for row in self._model.predict_proba(new).tolist()], go_on)
        return np.array([record["proba"] for record in found]).reshape(len(found), len(self._model.labels))
