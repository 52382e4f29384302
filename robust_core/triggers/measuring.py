"""What a trigger does to texts that it was not searched on, beside random phrases and on other models."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from robust_core import metrics
from robust_core.classifiers import predict_labels
from robust_core.protocols import Classifier
from robust_core.triggers.objective import Goal, Phrase
from robust_core.types import Example

RANDOM_PHRASES = 20
# Apart from the search's own draws.
_STREAM = 1


class HeldOut:
    """Texts that a model is judged on with one phrase after the other; the texts alone are judged once.

    Args:
        model: The model.
        examples: Labelled texts.
        goal: What is wanted.
    """

    def __init__(self, model: Classifier, examples: Sequence[Example], goal: Goal) -> None:
        self._model, self._examples, self._goal = model, examples, goal
        self._labels = np.array([example.label for example in examples])
        predicted = predict_labels(model, [example.text for example in examples])
        self._right = predicted == self._labels
        self._open = np.array([*map(goal.is_open, predicted, self._labels)], dtype=bool)

    def measure(self, phrase: Phrase) -> dict[str, Any]:
        """Return what a phrase does.

        Returns:
            n, accuracy, accuracy_with_trigger, tried (the texts that are classified correctly and are not of the target
            class) and success_rate, the share of these that become what is wanted; each rate with its standard error
            `*_se`.
        """
        predicted = predict_labels(self._model, [self._goal.write(phrase, e.text) for e in self._examples])
        reached = self._goal.reach_by(predicted, self._labels)
        n, tried = len(self._examples), int(self._open.sum())
        row: dict[str, Any] = {"n": n, "tried": tried}
        for name, hits, trials in (("accuracy", int(self._right.sum()), n),
                                   ("accuracy_with_trigger", int((predicted == self._labels).sum()), n),
                                   ("success_rate", int((reached & self._open).sum()), tried)):
            row[name], row[f"{name}_se"] = metrics.estimate_proportion(hits, trials)
        return row


class RandomControl(NamedTuple):
    """What phrases of random words do.

    Attributes:
        phrases: The phrases.
        rates: Success rate of each.
    """

    phrases: list[Phrase]
    rates: list[float]

    def describe(self) -> dict[str, Any]:
        """Return the mean rate with its standard error over phrases, and the best phrase with its rate."""
        mean, error = metrics.estimate_mean(self.rates)
        best = int(np.nanargmax(self.rates)) if np.isfinite(self.rates).any() else 0
        return {"random_success_rate": mean, "random_success_rate_se": error, "random_best": self.rates[best],
                "random_best_phrase": " ".join(self.phrases[best]), "random_phrases": len(self.phrases)}


def measure_random(held_out: HeldOut, words: Sequence[str], length: int, seed: int, count: int = RANDOM_PHRASES
                   ) -> RandomControl:
    """Draw phrases as long as a trigger, from the words that it may hold, and measure each.

    The best of them is chosen on the texts that it is reported on, which flatters it.
    """
    rng = np.random.default_rng([seed, _STREAM])
    phrases: list[Phrase] = [tuple(str(words[i]) for i in rng.integers(len(words), size=length)) for _ in range(count)]
    return RandomControl(phrases, [held_out.measure(phrase)["success_rate"] for phrase in phrases])
