"""What a trigger is after, where it stands, and how texts with it are judged."""

import dataclasses
import threading
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from robust_core.attacks.engine.word_gradients import sum_gradients
from robust_core.classifiers import predict_labels
from robust_core.protocols import Classifier, WhiteBox
from robust_core.text import find_words
from robust_core.types import Example

FRONT, END = "front", "end"
PLACES = (FRONT, END)
Phrase = tuple[str, ...]
# Texts of one gradient, and at least that many of one call for probabilities.
_GRADIENTS, _CALL = 32, 512


class Effect(NamedTuple):
    """What a phrase does to some texts.

    Attributes:
        reached: Texts whose prediction is what is wanted.
        gain: Mean over texts of what the search raises: the log-probability of the target, or the cross-entropy of the
            right class.
    """

    reached: int
    gain: float


@dataclasses.dataclass(frozen=True)
class Goal:
    """What is wanted of a text with the trigger.

    Args:
        target: Class to predict; None where any but the right one will do.
        place: Where the trigger stands: front or end.
    """

    target: int | None = None
    place: str = FRONT

    def write(self, phrase: Phrase, text: str) -> str:
        """Return a text with a phrase beside it."""
        return " ".join((*phrase, text) if self.place == FRONT else (text, *phrase))

    def locate(self, phrase: Phrase, text: str) -> list[int]:
        """Return the positions of the phrase's words among the words of a text with it."""
        first = 0 if self.place == FRONT else len(find_words(text))
        return list(range(first, first + len(phrase)))

    def is_open(self, predicted: int, label: int) -> bool:
        """Return whether a text is one to mislead: it is classified correctly, and its class is not the target."""
        return predicted == label != self.target

    def reach(self, proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (n,) bool, of (n, classes) probabilities: whether what is wanted is predicted."""
        return self.reach_by(proba.argmax(axis=1), labels)

    def reach_by(self, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (n,) bool, of (n,) predicted classes and (n,) labels: whether what is wanted is predicted."""
        return predicted != labels if self.target is None else predicted == self.target

    def measure_gain(self, proba: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Return (n,) float64 of what the search raises, of (n, classes) probabilities and (n,) labels."""
        watched = labels if self.target is None else np.full(len(labels), self.target)
        found = np.log(np.maximum(proba[np.arange(len(proba)), watched].astype(np.float64), np.finfo(np.float32).tiny))
        return -found if self.target is None else found


def choose_open(model: Classifier, examples: Sequence[Example], goal: Goal) -> list[Example]:
    """Return the labelled examples that there is something to reach on."""
    predicted = predict_labels(model, [example.text for example in examples])
    return [example for example, label in zip(examples, predicted, strict=True)
            if example.label is not None and goal.is_open(int(label), example.label)]


def measure_effects(model: Classifier, phrases: Sequence[Phrase], examples: Sequence[Example], goal: Goal,
                    stop: threading.Event | None = None) -> list[Effect]:
    """Judge all texts with each phrase; fewer phrases where `stop` is set meanwhile."""
    labels, found = np.array([example.label for example in examples]), list[Effect]()
    together = max(_CALL // max(len(examples), 1), 1)
    for start in range(0, len(phrases), together):
        if stop is not None and stop.is_set():
            break
        some = phrases[start: start + together]
        proba = model.predict_proba([goal.write(phrase, example.text) for phrase in some for example in examples])
        for own in np.split(proba, len(some)):
            found.append(Effect(int(goal.reach(own, labels).sum()), float(goal.measure_gain(own, labels).mean())))
    return found


def measure_slopes(model: WhiteBox, phrase: Phrase, examples: Sequence[Example], goal: Goal) -> np.ndarray:
    """Return how the summed gain rises with the embedding of each word of a phrase: (words, d) float64.

    The first-order rise from another word at a place is its embedding times the row, but for what is the same for all
    words (Wallace et al. 2019, equation 3; HotFlip, equation 1).
    """
    total: np.ndarray | float = 0.0
    for start in range(0, len(examples), _GRADIENTS):
        some = examples[start: start + _GRADIENTS]
        texts = [goal.write(phrase, example.text) for example in some]
        watched = [int(example.label or 0) if goal.target is None else goal.target for example in some]
        total = total + sum_gradients(model, texts, watched, [goal.locate(phrase, example.text) for example in some])
    return np.asarray(total) * (1.0 if goal.target is None else -1.0)
