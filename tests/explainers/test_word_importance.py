"""Word importance: masks, attributions, correlations and synonym gaps, each against a slow or known answer."""

import math
import threading
from collections import Counter

import numpy as np
import pytest
from helpers.doubles import BagOfWords

from robust_core import EXPLAINERS, resources
from robust_core.explainers import word_importance as importance
from robust_core.types import Example


class Masked(BagOfWords):
    """A double with word masks: the longer a word, the more it counts."""

    def word_importance(self, words):
        return np.array([1 - 1 / (1 + len(word)) for word in words])


def test_masks_are_asked_where_there_are_any():
    class Unmasked(BagOfWords):
        def word_importance(self, words):
            return np.ones(len(words), dtype=np.float32)

    assert importance.has_masks(Masked())
    assert not importance.has_masks(BagOfWords()) and not importance.has_masks(Unmasked())
    assert importance.read_masks(Masked(), ["a", "good"]) == {"a": 0.5, "good": 0.8}


def test_attributions_are_averaged_over_all_places():
    model, explainer = BagOfWords(), EXPLAINERS["loo"]()
    examples = [Example("Good movie", uid="0"), Example("a good bad good film", uid="1"), Example("", uid="2")]
    *events, found = importance.average_attributions(model, explainer, examples, threading.Event())
    assert [e.data["done"] for e in events] == [0, 3] and all(e.data["total"] == 3 for e in events)
    scores = []
    for text in ("Good movie", "a good bad good film"):
        target = int(model.predict_proba([text])[0].argmax())
        scores += zip(text.lower().split(), explainer.explain(model, [text], [target])[0].scores, strict=True)
    assert found == pytest.approx({w: np.mean([abs(s) for v, s in scores if v == w]) for w, _ in scores})
    assert found["movie"] == 0.0 < found["bad"]


def test_a_stopped_measurement_keeps_what_it_read():
    stop = threading.Event()
    events = importance.average_attributions(BagOfWords(), EXPLAINERS["loo"](), [Example("good", uid=str(i))
                                                                                 for i in range(40)], stop)
    next(events), next(events)
    stop.set()
    assert list(next(events)) == ["good"]


def test_words_are_counted():
    assert importance.count_words([Example("A good, good film"), Example("a")]) == Counter(a=2, good=2, film=1)


def test_correlation_is_that_of_numpy_and_knows_its_limits():
    rng = np.random.default_rng(0)
    a, b = ({f"w{i}": float(v) for i, v in enumerate(rng.normal(size=50))} for _ in range(2))
    found = importance.correlate(a, b)
    assert found.r == pytest.approx(np.corrcoef(list(a.values()), list(b.values()))[0, 1]) and found.n == 50
    assert importance.correlate(a, a).r == pytest.approx(1.0) and importance.correlate(a, a).p < 1e-9
    # A word without the second figure counts 0.
    assert importance.correlate({"a": 1, "b": 2, "c": 3}, {"c": 5.0}).r == pytest.approx(math.sqrt(3) / 2)
    for x, y in (({}, {}), ({"a": 1.0, "b": 2.0}, {"a": 1.0, "b": 2.0}), (a, {})):
        assert math.isnan(importance.correlate(x, y).r)


def test_synonym_gaps_are_those_of_a_slow_version():
    words = ["good", "Movie", "terrible", "qqqq"]
    found = importance.measure_synonym_gaps(lambda ws: importance.read_masks(Masked(), ws), words)
    weight = dict.fromkeys(("good", "movie", "terrible"), 0.0)
    for word in weight:
        near = [other for other, _ in resources.neighbours(word)][:10]
        weight[word] = float(np.mean([abs(1 / (1 + len(word)) - 1 / (1 + len(o))) for o in near]))
    assert sorted(found) == pytest.approx(sorted(weight.values())), "a word without neighbours has no gap"
    assert len(importance.measure_synonym_gaps(lambda ws: importance.read_masks(Masked(), ws), words, sample=2)) == 2
    near = resources.neighbours("good")[0][0]
    partly = importance.measure_synonym_gaps(lambda ws: {w: float(len(w)) for w in ws if w in ("good", near)}, ["good"])
    assert partly == [abs(len(near) - 4)]
    assert importance.measure_synonym_gaps(lambda ws: {}, ["good"]) == []
