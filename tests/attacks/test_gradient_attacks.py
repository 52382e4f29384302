"""A2T and HotFlip, by hand on a linear model; the language model's limit of Faster Alzantot."""

import math

import numpy as np
import pytest
from helpers.doubles import BagOfWords, WordEncoder, WordFiller
from helpers.swap_tables import plant_swaps

from robust_core import ATTACKS
from robust_core.attacks import transformations
from robust_core.attacks.engine.masked_lm_server import MaskedLMServer
from robust_core.attacks.engine.requests import Fill
from robust_core.attacks.engine.search_state import ActiveSearch, SearchState
from robust_core.attacks.engine.word_gradients import measure_gradients
from robust_core.text import Draft
from robust_core.types import Example

WEIGHTS = {"good": 2.0, "fine": 0.5, "great": 2.5, "nice": 0.2, "film": 0.4, "movie": 0.1, "flick": -0.1}
NEAR = {"good": ("fine", "great", "nice"), "film": ("movie", "flick"), "great": ("good", "nice")}
VICTIM = BagOfWords(WEIGHTS, (0.0, 0.0), id="double/victim")


@pytest.fixture(autouse=True)
def tables(monkeypatch):
    """A few neighbours, one part of speech."""
    with plant_swaps(monkeypatch, NEAR):
        yield


def attack(name: str, text: str, victim=VICTIM, **parameters):
    """The one event that ends it."""
    events = ATTACKS[name](**parameters).run([victim], [Example(text, 1, "u")], encoder=WordEncoder())
    return next(e for e in events if e.kind in ("result", "error"))


def test_gradients_are_those_of_the_loss():
    text, step = "a good film", 1e-3
    found = measure_gradients(VICTIM, text, 1, ["nice"])
    assert found.rows.shape == found.own.shape == (3, 2) and not found.own[0].any()
    loss = -math.log(VICTIM.predict_proba([text])[0][1])
    moved = BagOfWords(WEIGHTS | {"good": 2.0 + step}, (0.0, 0.0))
    slope = (-math.log(moved.predict_proba([text])[0][1]) - loss) / step
    # One weight moves both scores: the first by minus one, the second by one.
    assert found.rows[1] @ np.array([-1.0, 1.0]) == pytest.approx(slope, rel=1e-2)
    assert found.estimate_gain(1, "nice") == pytest.approx(float(found.rows[1] @ np.array([1.8, -1.8])), rel=1e-5)
    assert found.estimate_gain(7, "nice") == 0.0, "past what the model reads"


@pytest.mark.parametrize("name", ["a2t", "hotflip"])
def test_a_model_without_gradients_is_refused_in_one_line(name):
    class Plain:
        id, labels = "double/plain", VICTIM.labels

        def predict_proba(self, texts):
            return VICTIM.predict_proba(texts)

    event = attack(name, "a good film", Plain())
    assert event.kind == "error"
    assert event.data["message"] == f"double/plain shows no gradients; {ATTACKS[name].title} needs a white box."


def test_hotflip_asks_what_the_gradient_expects_most_of():
    r = attack("hotflip", "good film", beam=1, max_words=1).result
    assert (r.perturbed, r.queries) == ("nice film", 2), "the first look and one flip"
    both = attack("hotflip", "good film", beam=1).result
    assert both.perturbed == "nice flick" and both.queries == 3
    assert len(attack("hotflip", "good great film", max_words=2).result.swaps) == 2
    assert attack("hotflip", "good film", max_queries=1).result.status == "exhausted"


def test_hotflip_flips_where_two_words_do():
    r = attack("hotflip", "good film", BagOfWords(WEIGHTS, (0.2, 0.0), id="double/b"), beam=2).result
    assert r.status == "succeeded" and r.perturbed == "nice flick"


def test_a2t_changes_no_more_words_than_it_may():
    text, sure = "good good good good good good", BagOfWords(WEIGHTS, (10.0, 0.0), id="double/sure")
    assert len(attack("a2t", text, sure, least_words=2, max_share=0.0, min_text_similarity=-1.0).result.swaps) == 2
    assert len(attack("a2t", text, sure, least_words=1, max_share=0.5, min_text_similarity=-1.0).result.swaps) == 3


def test_words_that_are_much_less_likely_are_left_out():
    """The filler's log-probabilities fall by a quarter from word to word, in an order of its own."""
    model = WordFiller({}, ())
    blank = transformations.make_close_blank(Draft.of("a good old film"), 1, ("fine", "great", "nice"), 1)
    assert (blank.before, blank.after, blank.among) == ("a ", " old", ("good", "fine", "great", "nice"))
    order = [word for word, _ in model.fill([blank], 9)[0]]
    after = order[order.index("good") + 1:]
    for drop in (0.0, 0.3, 0.6, 9.0):
        search = ActiveSearch(Example("a good old film"), 0, iter(()), SearchState(0.0, 0))
        search.request = Fill([blank], 4, drop=drop)
        (_, filled), = MaskedLMServer(model, "cpu").serve([search])
        lost = set(after[int(drop / 0.25):])
        assert set(filled.words[0]) == set(order) - lost and filled.value[0] >= 0
