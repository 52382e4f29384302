"""Fluency: ratios of pseudo-perplexities in words, and their mean over the successes of an attack."""

import math
import threading

import pytest
from helpers.doubles import BagOfWords, Planted, WordEncoder, WordReader
from helpers.results import RUN

from robust_core import encoders
from robust_core.evaluation import fluency
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.events import Event
from robust_core.store import ResultStore
from robust_core.types import Example


@pytest.mark.parametrize("before, after, said", [
    (100.0, 230.0, "2.3 × less fluent"), (10.0, 1234.0, "123 × less fluent"), (100.0, 104.0, "as fluent as before"),
    (220.0, 100.0, "2.2 × more fluent"), (100.0, 106.0, "1.1 × less fluent"), (math.nan, 2.0, "")])
def test_a_ratio_in_words(before, after, said):
    assert fluency.compare_perplexities(before, after) == said


@pytest.fixture
def results(monkeypatch):
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    examples = [Example(text, None, str(i)) for i, text in enumerate(
        ["a good movie", "good good good", "a fine movie"])]
    events = Planted().run([BagOfWords()], examples)
    return sorted((e.result for e in events if e.result is not None), key=lambda r: r.example.uid)


def test_each_pair_of_texts_is_measured(results):
    assert fluency.measure_perplexities(WordReader(), results) == [(1.0, 11.0), (1.0, 21.0), (1.0, 1.0)]


def test_the_mean_is_over_successes(results):
    *events, row = fluency.measure_results(WordReader(), results, "m", "part", threading.Event())
    assert all(isinstance(e, Event) for e in events) and events[-1].data["done"] == events[-1].data["total"] == 2
    # 11 and 21: mean 16, standard error 5; the third text was never changed.
    assert row == {"fluency_compared": 2, "perplexity_ratio": 16.0, "perplexity_ratio_se": pytest.approx(5.0)}


def test_a_stop_leaves_it_out(results):
    stop = threading.Event()
    stop.set()
    assert list(fluency.measure_results(WordReader(), results, "m", "part", stop)) == []


def test_what_is_stored_is_not_measured_again(results, tmp_path):
    store = ResultStore(tmp_path)
    run = store.open_run(RUN)
    for result in results:
        store.append(run, result)
    asked = (results, "m", "part", threading.Event(), store, run)
    *_, row = fluency.measure_results(WordReader(), *asked)
    assert fluency.read_stored(store, run, WordReader.id) == {"0": (1.0, 11.0), "1": (1.0, 21.0)}

    class Silent(WordReader):
        """One that must not be asked."""

        def pseudo_perplexity(self, texts, **options):
            raise AssertionError(texts)

    *_, again = fluency.measure_results(Silent(), *asked)
    assert again == row and not list_stored(store), "it is no explanation"
