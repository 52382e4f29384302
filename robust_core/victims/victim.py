"""A victim: whoever answers, behind the store of answers; for attacks and explainers a plain classifier."""

import concurrent.futures
import dataclasses
import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from robust_core.classifiers import prepare_texts
from robust_core.errors import BadInput, MissingResource
from robust_core.victims.answers import Answers
from robust_core.victims.spending import Price


class Source(Protocol):
    """Whoever turns texts into class probabilities.

    Attributes:
        batch: Most texts at once.
        parallel: Most questions at the same time.
    """

    @property
    def batch(self) -> int:
        """Most texts at once."""
        ...

    @property
    def parallel(self) -> int:
        """Most questions at the same time."""
        ...

    def ask(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities of `batch` texts at most."""
        ...


@dataclasses.dataclass(eq=False)
class Victim:
    """A `Classifier` of `robust_core.protocols` whose answers are kept.

    Texts reach it as they stand. It shows neither tokens nor gradients.

    Args:
        id: What was typed to name it.
        labels: Names of its classes, by index.
        source: Who answers.
        fingerprint: SHA-256 of all that decides its answers, as far as it can be known from here.
        answers: Where answers are kept; None where they cost nothing.
        note: What its scores are not, for results; empty where they are ordinary probabilities.
        about: Lines to be shown before it is asked anything.
        price: What it costs.
    """

    id: str
    labels: tuple[str, ...]
    source: Source
    fingerprint: str
    answers: Answers | None = None
    note: str = ""
    about: tuple[str, ...] = ()
    price: Price = dataclasses.field(default_factory=Price)

    def __post_init__(self) -> None:
        self._lost: MissingResource | None = None
        self._lock = threading.Lock()

    def prepare(self, text: str) -> str:
        """Return a text as it is sent: as it stands.

        Raises:
            BadInput: It holds half a character, which cannot be sent.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BadInput("The text is no valid Unicode: it holds half a character (a lone surrogate).") from None
        return text

    def fetch(self, texts: Sequence[str]) -> None:
        """Ask about texts in as few calls as possible, so that each is known when it is asked about alone.

        Raises:
            BadInput, MissingResource: As of `predict_proba`.
        """
        if self.answers is not None:
            self.predict_proba(texts)

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities; what was answered before is not asked again.

        Raises:
            BadInput: It is no list of texts, the answers are of no use, or a ceiling is reached.
            MissingResource: Nobody answers; from then on nobody is asked.
        """
        given = prepare_texts(self, texts)
        known = {} if self.answers is None else self.answers.find(self.fingerprint, given, len(self.labels))
        missing = [text for text in dict.fromkeys(given) if text not in known]
        if missing:
            known |= self._ask_all(missing)
        return np.stack([known[text] for text in given]) if given else np.zeros((0, len(self.labels)), np.float32)

    def _ask_all(self, texts: list[str]) -> dict[str, np.ndarray]:
        size = max(self.source.batch, 1)
        batches = [texts[start: start + size] for start in range(0, len(texts), size)]
        if self.source.parallel < 2 or len(batches) < 2:
            found = [self._ask(batch) for batch in batches]
        else:
            with concurrent.futures.ThreadPoolExecutor(self.source.parallel) as pool:
                asked = [pool.submit(self._ask, batch) for batch in batches]
            # Each answer has been kept by now, whatever became of the others.
            found = [each.result() for each in asked]
        return {text: row for batch, rows in zip(batches, found, strict=True)
                for text, row in zip(batch, rows, strict=True)}

    def _ask(self, batch: list[str]) -> np.ndarray:
        with self._lock:
            if self._lost is not None:
                raise self._lost
        try:
            rows = self.source.ask(batch)
        except MissingResource as error:
            with self._lock:
                self._lost = error
            raise
        if self.answers is not None:
            self.answers.keep(self.fingerprint, batch, rows)
        return rows
