"""Perplexity: a text is flagged that surprises a language model more than nearly all clean ones."""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable, Sequence

from robust_core.classifiers import find_device
from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, FittedGuard, Guard, choose_threshold
from robust_core.protocols import Classifier
from robust_core.registry import param
from robust_core.resources.fingerprints import MASKED, PACKAGED

CHARACTERS = "characters"


@GUARDS.register("perplexity", title="Perplexity", source="https://arxiv.org/abs/2309.00614")
@dataclasses.dataclass(frozen=True)
class PerplexityGuard(Guard):
    """Flag a text whose mean surprise under a language model is above that of nearly all clean texts.

    `minilm`: minus the mean log-probability of each word piece given all others, under the packaged masked language
    model (pseudo-perplexity, Salazar et al. 2020), a pass for each piece. `characters`: the same of each character
    given those before, under counts of the training texts (Witten and Bell 1991), which is far faster. The threshold
    is the quantile of clean dev texts at the rate of false alarms. It cleans nothing. Differs from Jain et al. (2023),
    who flag prompts by a causal model and take the highest value of clean ones.
    """

    reader: str = param(CHARACTERS, "Who reads: the packaged masked language model, or counts of characters",
                        choices=(CHARACTERS, PACKAGED))
    false_alarms: float = param(0.05, "Share of clean dev texts that may be flagged", low=0.0, high=1.0)
    order: int = param(5, "Characters that are looked at together (characters)", low=2, high=10)
    most_texts: int = param(1000, "Most dev texts that the threshold is chosen on", low=20, high=100_000)

    def list_uses(self) -> tuple[str, ...]:
        """Return the masked language model, where that reads."""
        return (MASKED,) if self.reader == PACKAGED else ()

    def fit(self, model: Classifier, texts: CleanTexts) -> FittedGuard:
        """Return the guard with its threshold.

        Raises:
            BadInput: There are too few clean dev texts.
            MissingResource: The masked language model is not here.
        """
        if self.reader == PACKAGED:
            measure = _open_masked_model(find_device(model))
        else:
            measure = CharacterModel(texts.train, self.order).measure_surprise
        measure = functools.lru_cache(maxsize=1 << 16)(measure)
        # Spread over all of them: a file may be sorted by its labels.
        step = max(math.ceil(len(texts.dev) / self.most_texts), 1)
        scores = [measure(text) for text in texts.dev[::step]]
        most = choose_threshold(scores, self.false_alarms, self)
        return FittedGuard(flag=lambda text: measure(text) > most, thresholds={"surprise": most, "texts": len(scores)})


def _open_masked_model(device: str) -> Callable[[str], float]:
    from robust_core.models import masked_lm

    reader = masked_lm.load(PACKAGED, device)
    # One text at a time: in a batch its last digits would depend on the others.
    return lambda text: float(math.log(reader.pseudo_perplexity([text])[0])) if text else math.nan


class CharacterModel:
    """How probable a character is after those before it, by counts of some texts, in lower case.

    Source: interpolation of all orders as of Witten and Bell 1991 (Chen and Goodman 1996, section 2.5).

    Args:
        texts: The texts.
        order: Characters of the longest stretches that are counted.
    """

    def __init__(self, texts: Sequence[str], order: int) -> None:
        self._order = order
        self._counts: Counter[str] = Counter()
        self._after: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        for text in texts:
            padded = self._pad(text)
            for at in range(order - 1, len(padded)):
                self._counts.update(padded[at - size: at + 1] for size in range(order))
        for stretch, count in self._counts.items():
            self._after[stretch[:-1]] += count
            self._kinds[stretch[:-1]] += 1

    def _pad(self, text: str) -> str:
        return "\n" * (self._order - 1) + text.lower() + "\n"

    def measure_surprise(self, text: str) -> float:
        """Return minus the mean natural log-probability of a text's characters and its end; NaN for an empty text."""
        if not text:
            return math.nan
        padded = self._pad(text)
        places = range(self._order - 1, len(padded))
        return -math.fsum(math.log(self._estimate(padded, at)) for at in places) / len(places)

    def _estimate(self, padded: str, at: int) -> float:
        # Below all counts every character of Unicode is as likely as the other.
        proba = 1 / 0x110000
        for size in range(self._order):
            before = padded[at - size: at]
            seen, kinds = self._after[before], self._kinds[before]
            if not seen:
                break
            proba = (self._counts[padded[at - size: at + 1]] + kinds * proba) / (seen + kinds)
        return proba
