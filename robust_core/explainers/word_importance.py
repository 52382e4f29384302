"""How much a classifier cares about a word everywhere, and what that goes with: frequency, substitution, synonyms."""

import collections
import dataclasses
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeGuard

import numpy as np

from robust_core import resources
from robust_core.events import Event
from robust_core.explainers.base import Explainer
from robust_core.protocols import Classifier, WeighsWords
from robust_core.text import Draft
from robust_core.types import AttackResult, Attribution, Example

_CHUNK = 16
_PROBES = ["the", "film", "good", "dull", "cinema"]


class Correlation(NamedTuple):
    """Pearson's r of two figures of the same words, the p of no correlation, and the number of words."""

    r: float
    p: float
    n: int


def has_masks(model: Classifier) -> TypeGuard[WeighsWords]:
    """Return whether a model weighs every word with a learnt mask, the same in all texts (FLAT).

    A model without masks offers no `word_importance`, or answers 1 for every word.
    """
    return isinstance(model, WeighsWords) and bool((model.word_importance(_PROBES) < 1).any())


def read_masks(model: WeighsWords, words: Sequence[str]) -> dict[str, float]:
    """Return the mask of each word, in (0, 1), of a model that has masks."""
    values = np.asarray(model.word_importance(list(words)), dtype=np.float64)
    return dict(zip(words, values.tolist(), strict=True))


def average_attributions(model: Classifier, explainer: Explainer, examples: Sequence[Example], stop: threading.Event,
                         marks: list[Attribution] | None = None) -> Iterator[Event | dict[str, float]]:
    """Average a word's absolute attribution towards the predicted class over all places where it stands.

    Args:
        model: The classifier.
        explainer: Gives each word a score.
        examples: Where the words stand.
        stop: Ends early; what has been read by then counts.
        marks: Gets each attribution without its words and scores, for `evaluation.checks`.

    Yields:
        "progress" events with part, done and total; then the importance of each word, in lower case.
    """
    sums: dict[str, float] = collections.defaultdict(float)
    counts: collections.Counter[str] = collections.Counter()
    progress = {"part": f"importance of words for {model.id}", "total": len(examples)}
    yield Event("progress", "", model.id, progress | {"done": 0})
    for start in range(0, len(examples), _CHUNK):
        if stop.is_set():
            break
        texts = [example.text for example in examples[start: start + _CHUNK]]
        targets = model.predict_proba(texts).argmax(1).tolist()
        for found in explainer.explain(model, texts, targets):
            if marks is not None:
                marks.append(dataclasses.replace(found, text="", spans=(), scores=()))
            for (first, last), score in zip(found.spans, found.scores, strict=True):
                word = found.text[first:last].lower()
                sums[word] += abs(score)
                counts[word] += 1
        yield Event("progress", "", model.id, progress | {"done": start + len(texts)})
    yield {word: sums[word] / counts[word] for word in counts}


def count_words(examples: Iterable[Example]) -> collections.Counter[str]:
    """Count every word of some texts, in lower case."""
    return collections.Counter(word.lower() for example in examples for word in Draft.of(example.text).words)


def count_substitutions(results: Iterable[AttackResult]) -> collections.Counter[str]:
    """Count how often attacks put something else in the place of a word, in lower case."""
    return collections.Counter(swap.old.lower() for result in results for swap in result.swaps if swap.old)


def correlate(a: Mapping[str, float], b: Mapping[str, float]) -> Correlation:
    """Correlate two figures over the words that have the first; a word without the second counts 0.

    Returns:
        NaN with fewer than three words, or where one figure is the same for all.

    Source: Table 9 of FLAT (Chen and Ji 2022).
    """
    x, y = np.array(list(a.values()), dtype=np.float64), np.array([b.get(word, 0) for word in a], dtype=np.float64)
    if len(x) < 3 or not np.ptp(x) or not np.ptp(y):
        return Correlation(math.nan, math.nan, len(x))
    from scipy.stats import pearsonr

    found = pearsonr(x, y)
    return Correlation(float(found.statistic), float(found.pvalue), len(x))  # type: ignore[attr-defined]


def measure_synonym_gaps(
    importance: Callable[[list[str]], Mapping[str, float]],
    words: Iterable[str],
    *,
    sample: int = 1000,
    synonyms: int = 10,
    seed: int = 0,
) -> list[float]:
    """Measure how differently a model weighs words that mean the same.

    Args:
        importance: Gives the importance of words; words without one are left out of its answer.
        words: Words to draw from.
        sample: Most words drawn.
        synonyms: Nearest neighbours looked at, those nearest first.
        seed: Seed of the draw.

    Returns:
        For each drawn word with an importance and at least one synonym that has one, the mean absolute difference.

    Source: Figure 5 of FLAT (Chen and Ji 2022): 1,000 random words and 10 of their synonyms in the counter-fitted
    space. Differs: the mean over the synonyms, where the paper has their L1 norm (ten times as much), so that models
    without masks, which know the importance of few synonyms, can stand beside.
    """
    known = sorted({word.lower() for word in words})
    near = {word: [other for other, _ in resources.neighbours(word)[:synonyms]] for word in known}
    values = importance(sorted({*known, *(other for found in near.values() for other in found)}))
    usable = [word for word in known if word in values and any(other in values for other in near[word])]
    drawn = np.random.default_rng(seed).permutation(len(usable))[:sample]
    return [float(np.mean([abs(values[usable[i]] - values[other]) for other in near[usable[i]] if other in values]))
            for i in sorted(drawn.tolist())]
