"""Frequency-guided word substitutions (FGWS): rare words give way to frequent ones; a large drop flags the text."""

import dataclasses
import functools
import math
from collections import Counter
from collections.abc import Callable

import numpy as np

from robust_core.guards import GUARDS
from robust_core.guards.base import CleanTexts, FittedGuard, Guard, choose_threshold
from robust_core.protocols import Classifier
from robust_core.registry import param
from robust_core.resources import neighbours, synonyms
from robust_core.text import Draft, match_case

# Percentiles of the words' log frequencies that delta is chosen among, as in the paper.
_PERCENTILES = tuple(range(0, 101, 10))
# A chain of ever more frequent words ends; this is longer than any.
_LONGEST_CHAIN = 50


@GUARDS.register("frequency", title="Frequency-guided word substitutions", source="https://arxiv.org/abs/2004.05887")
@dataclasses.dataclass(frozen=True)
class FrequencyGuard(Guard):
    """Flag a text whose predicted class loses more than gamma once words rarer than delta give way to frequent ones.

    Mozes et al. 2021. A word that stands fewer than exp(delta) - 1 times in the training texts is replaced by the most
    frequent of its WordNet synonyms and nearest neighbours, if that is more frequent. Gamma is the quantile of clean
    dev texts at the rate of false alarms. Differs: the paper takes the delta with the best F1 on attacked dev texts;
    here nobody needs an attack: delta is the highest percentile of the log frequencies at which no more clean dev texts
    change their class than may be flagged. A substitute that is rare itself gives way again. Neighbours are those of
    the packaged counter-fitted table, not GloVe's.
    """

    uses = ("wordnet", "neighbours")

    false_alarms: float = param(0.05, "Share of clean dev texts that may be flagged", low=0.0, high=1.0)
    delta: float = param(-1.0, "Log of one more than a word's occurrences, below which it is rare; -1 chooses it",
                         low=-1.0, high=50.0)
    gamma: float = param(-1.0, "Loss of probability that flags a text; -1 chooses it", low=-1.0, high=1.0)
    substitute: bool = param(False, "Let the model read the frequent words; nothing is flagged then")

    def fit(self, model: Classifier, texts: CleanTexts) -> FittedGuard:
        """Return the guard with delta and gamma.

        Raises:
            BadInput: There are too few clean dev texts to choose them on.
        """
        counts = Counter(word.lower() for text in texts.train for word in Draft.of(text).words)
        frequencies = {word: math.log1p(count) for word, count in counts.items()}
        delta = self.delta if self.delta >= 0 else self._choose_delta(model, texts, frequencies)
        substitute = functools.lru_cache(maxsize=1 << 16)(_Substituter(frequencies, delta).substitute)
        if self.substitute:
            return FittedGuard(clean=substitute, thresholds={"delta": delta})

        def measure(text: str) -> float:
            return _measure_drop(model, text, substitute(text))

        gamma = self.gamma if self.gamma >= 0 else max(
            choose_threshold(list(map(measure, texts.dev)), self.false_alarms, self), 0.0)
        return FittedGuard(flag=lambda text: measure(text) > gamma,
                           thresholds={"delta": delta, "gamma": gamma, "texts": len(texts.dev)})

    def _choose_delta(self, model: Classifier, texts: CleanTexts, frequencies: dict[str, float]) -> float:
        choose_threshold([0.0] * len(texts.dev), self.false_alarms, self)
        known = sorted(frequencies.values()) or [0.0]
        levels = dict.fromkeys(float(np.percentile(known, p)) for p in _PERCENTILES)
        dev = list(texts.dev)
        before = model.predict_proba(dev).argmax(1)
        best = 0.0
        for delta in levels:
            substitute = _Substituter(frequencies, delta).substitute
            after = model.predict_proba(list(map(substitute, dev))).argmax(1)
            if (before != after).mean() <= self.false_alarms:
                best = delta
        return best


class _Substituter:
    """Puts frequent words in the place of rare ones.

    Args:
        frequencies: Log of one more than the occurrences of each word; 0 for others.
        delta: Words below are rare.
    """

    def __init__(self, frequencies: dict[str, float], delta: float) -> None:
        self._frequencies, self._delta = frequencies, delta
        self._find: Callable[[str], str] = functools.lru_cache(maxsize=1 << 16)(self._find_frequent)

    def substitute(self, text: str) -> str:
        """Return a text whose rare words have given way."""
        draft = Draft.of(text)
        return dataclasses.replace(draft, words=tuple(map(self._find, draft.words))).text

    def _find_frequent(self, word: str) -> str:
        frequency, known = self._frequencies.get, word.lower()
        # To the end of the chain, so that doing it again changes nothing.
        for _ in range(_LONGEST_CHAIN):
            if frequency(known, 0.0) >= self._delta:
                break
            others = sorted({other.lower() for other in (*synonyms(known), *(w for w, _ in neighbours(known)))})
            best = max(others, key=lambda other: frequency(other, 0.0), default=known)
            if frequency(best, 0.0) <= frequency(known, 0.0):
                break
            known = best
        return word if known == word.lower() else match_case(known, word)


def _measure_drop(model: Classifier, text: str, substituted: str) -> float:
    """Return by how much the predicted class loses; each text is judged alone, so that batches change nothing."""
    if substituted == text:
        return 0.0
    before = model.predict_proba([text])[0]
    top = int(before.argmax())
    return float(before[top] - model.predict_proba([substituted])[0][top])
