"""The attack that reads labels alone: the same text whatever the probabilities are, closer texts, and who is told."""

import numpy as np
import pytest
from helpers.doubles import BagOfWords, Counting, WordEncoder
from helpers.swap_tables import plant_swaps
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import ATTACKS
from robust_core.attacks import transformations
from robust_core.text import Draft
from robust_core.types import Example

NEAR = {"good": ("fine", "dull", "nice"), "film": ("movie", "flick"), "warm": ("cool", "mild"), "story": ("tale",)}
WEIGHTS = {"good": 1.0, "fine": 0.6, "nice": 0.2, "dull": -1.0, "film": 0.3, "movie": 0.0, "flick": -0.4, "warm": 0.8,
           "mild": 0.2, "cool": -0.7, "story": 0.2, "tale": -0.3}
TEXT = "a good film with a warm story, good and warm film"


class Labels:
    """A classifier whose probabilities are replaced by 1 for its label and 0 for the others."""

    def __init__(self, model) -> None:
        self.id, self.labels, self._model = "double/labels", model.labels, model

    def predict_proba(self, texts):
        return np.eye(len(self.labels), dtype=np.float32)[self._model.predict_proba(texts).argmax(1)]


@pytest.fixture(autouse=True, scope="module")
def tables():
    """Few neighbours and one part of speech."""
    with pytest.MonkeyPatch.context() as patch, plant_swaps(patch, NEAR):
        yield


def attack(victim, text: str = TEXT, name: str = "hard-label", seed: int = 0, **parameters):
    """The result of an attack on the own prediction."""
    return next(e.result for e in ATTACKS[name](**parameters).run(
        [victim], [Example(text, None, "u")], encoder=WordEncoder(), seed=seed) if e.result)


def outcome(r):
    """What a result says, without probabilities."""
    return r.perturbed, r.status, r.queries, r.swaps, r.perturbed_label


@given(st.lists(st.floats(-2, 2), min_size=12, max_size=12), st.lists(st.sampled_from([*NEAR, "a", "odd"]), min_size=1,
                                                                      max_size=8), st.integers(0, 5))
@settings(max_examples=10, deadline=None)
def test_it_never_reads_a_probability(weights, words, seed):
    model = BagOfWords(dict(zip(WEIGHTS, weights, strict=True)), (0.0, 0.1), id="double/labels")
    for target in ({}, {"target": model.labels[1 - int(model.predict_proba([" ".join(words)]).argmax())]}):
        mine, theirs = (outcome(attack(victim, " ".join(words), seed=seed, **target))
                        for victim in (model, Labels(model)))
        assert mine == theirs


def test_words_go_back_that_the_flip_does_not_need():
    """Only "key" decides, so that of all swaps its own alone is left, and it becomes the closest one."""
    for seed in range(3):
        decides = BagOfWords({"good": 2.0, "nice": 1.0, "film": 0.0}, (0.5, -0.5), id="double/one")
        r = attack(decides, "a good film with a warm story", seed=seed)
        assert r.status == "succeeded" and [swap.old for swap in r.swaps] == ["good"]


def test_a_closer_substitute_takes_the_place_of_a_far_one(monkeypatch):
    class Ranked(WordEncoder):
        """The earlier a word stands in the list of neighbours, the closer it is."""

        def encode(self, texts):
            angle = [0.1 * sum(("dull", "bland", "poor", "bad").index(w) + 1 for w in Draft.of(t).words
                               if w in ("dull", "bland", "poor", "bad")) for t in texts]
            return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)

    monkeypatch.setattr(transformations, "neighbours", lambda word: [
        (o, 0.9) for o in ("dull", "bland", "poor", "bad") if word == "good"])
    transformations.list_substitutes.cache_clear()
    # "dull" does not flip; of those that do, "bland" is the closest.
    model = BagOfWords({"good": 2.0, "dull": 1.0, "bland": -1.0, "poor": -2.0, "bad": -3.0}, (0.0, 0.0))
    for seed in range(4):
        r = next(e.result for e in ATTACKS["hard-label"]().run(
            [model], [Example("good film", 1, "u")], encoder=Ranked(), seed=seed) if e.result)
        assert r.perturbed == "bland film"
    none = next(e.result for e in ATTACKS["hard-label"](min_text_similarity=0.999).run(
        [model], [Example("good film", 1, "u")], encoder=Ranked()) if e.result)
    assert none.status == "failed" and none.perturbed == "good film", "what is flipped is too far"
    transformations.list_substitutes.cache_clear()


def test_no_text_is_asked_twice_and_all_of_few_are_tried():
    holds = Counting(BagOfWords(dict.fromkeys(WEIGHTS, 0.0), (0.0, 5.0), id="double/holds"))
    r = attack(holds, "good film")
    assert r.status == "failed" and r.queries == r.forward_passes
    # Three words may stand for "good" and two for "film": each alone or both.
    assert 1 < r.queries <= 1 + 4 * 3 - 1
    assert attack(holds, "good film", max_starts=0).queries <= 2


def test_an_attack_by_scores_says_that_labels_tell_it_nothing():
    model = Labels(BagOfWords(WEIGHTS, (0.0, 0.0)))
    line = ("The model answers with 0 and 1 alone: a ranking of words by probabilities, as in TextFooler, has no "
            "information there; the attack hard-label needs labels alone.")
    assert line in attack(model, name="textfooler").notes
    assert not attack(model).notes
    assert not [note for note in attack(BagOfWords(WEIGHTS), name="textfooler").notes if "0 and 1 alone" in note]
