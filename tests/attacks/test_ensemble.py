"""Ensemble: a text holds only if it holds against every member, each of which searches as it does alone."""

import random

import pytest
from helpers.doubles import BagOfWords, WordEncoder, WordFiller

from robust_core import ATTACKS
from robust_core.attacks import constraints, transformations
from robust_core.attacks.ensemble import MEMBERS, VALUES
from robust_core.metrics import summary
from robust_core.text import diff
from robust_core.types import Example

WORDS = ("good", "fine", "great", "nice", "film", "movie", "flick", "dull", "slow", "plot", "scene", "warm")


@pytest.fixture
def world(monkeypatch, request):
    """Random neighbours, weights and texts."""
    draw = random.Random(request.param)
    near = {word: draw.sample([o for o in WORDS if o != word], 3) for word in WORDS}
    transformations.list_substitutes.cache_clear()
    transformations.list_wordnet_swaps.cache_clear()
    monkeypatch.setattr(transformations, "neighbours", lambda word: [(o, 0.9) for o in near.get(word.lower(), ())])
    monkeypatch.setattr(transformations, "synonyms", lambda word: tuple(near.get(word.lower(), ())[::-1]))
    monkeypatch.setattr(constraints, "tag", lambda words: ["NOUN"] * len(words))
    monkeypatch.setattr(constraints, "tag_swaps", lambda words, position, candidates: ["NOUN"] * len(candidates))
    weights = {word: draw.gauss(0, 1) for word in WORDS}
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(2, 7))) for _ in range(8)]
    yield BagOfWords(weights, (0.0, 0.0), id="double/victim"), WordFiller(near, ()), [
        Example(text, None, f"t/{i}") for i, text in enumerate(texts)]
    transformations.list_substitutes.cache_clear()
    transformations.list_wordnet_swaps.cache_clear()


def attack(name: str, world, **parameters) -> list:
    """The results of an attack, in the order of the texts."""
    victim, filler, examples = world
    events = ATTACKS[name](**parameters).run([victim], examples, encoder=WordEncoder(), masked=filler)
    found = {e.uid: e.result for e in events if e.result}
    return [found[example.uid] for example in examples]


@pytest.mark.parametrize("budget", [4, 15, 150])
@pytest.mark.parametrize("world", range(6), indirect=True)
def test_it_is_never_weaker_than_any_member(world, budget):
    alone = {name: attack(name, world, **VALUES.get(name, {}), max_queries=budget) for name in MEMBERS}
    worst = attack("ensemble", world, member_queries=budget)
    for k, r in enumerate(worst):
        flipped = [name for name in MEMBERS if alone[name][k].status == "succeeded"]
        assert (r.status == "succeeded") == bool(flipped)
        if flipped:
            assert r.perturbed == alone[flipped[0]][k].perturbed, "the first member that flips it, as it does alone"
        else:
            lowest = min(one[k].after[r.reference_label] for one in alone.values())
            assert r.after[r.reference_label] == pytest.approx(lowest, abs=1e-6)
        assert r.queries <= 1 + len(MEMBERS) * (budget - 1) and r.swaps == diff(r.example.text, r.perturbed)
    accuracy = summary(worst)["accuracy_under_attack"]
    assert all(accuracy <= summary(results)["accuracy_under_attack"] for results in alone.values())


@pytest.mark.parametrize("world", [1], indirect=True)
def test_a_model_without_gradients_goes_without_a2t_and_says_so(world):
    victim, filler, examples = world

    class Plain:
        id, labels = "double/plain", victim.labels

        def predict_proba(self, texts):
            return victim.predict_proba(texts)

    results = attack("ensemble", (Plain(), filler, examples), member_queries=60)
    assert all("Left out: A2T, since the model shows no gradients." in r.notes for r in results)
    assert "succeeded" in {r.status for r in results}
    assert not any("Left out" in note for r in attack("ensemble", world, member_queries=3) for note in r.notes)


def test_the_members_are_those_of_the_leaderboards_worst_case():
    assert set(MEMBERS) == {"textfooler", "pwws", "bae", "a2t", "bad-characters"}
    assert set(ATTACKS["ensemble"].uses) == {use for name in MEMBERS for use in ATTACKS[name].uses}
