"""Encoders on the same texts are compared pair by pair."""

import math

import numpy as np
import pytest

from robust_core.encoder_evaluation.similarity import compare_correlations, spearman
from robust_core.events import Event
from robust_core.experiments.rse.differences import Measured, compare_encoders


def measured(ids: list[str], each: dict) -> Measured:
    found = Measured(ids)
    for (name, task, attack), values in each.items():
        assert found.take(Event("judged", "", name, {"task": task, "attack": attack, "each": values}))
        assert found.take(Event("row", "", name, {"encoder": name, "task": task}))
    assert not found.take(Event("progress", "", "", {}))
    return found


def test_the_same_encoder_differs_by_nothing():
    rng = np.random.default_rng(0)
    cosines, scores = rng.random(50), rng.random(50)
    assert compare_correlations(cosines, cosines, scores, 50) == (0.0, 0.0)


def test_a_difference_of_correlations_has_the_spread_of_new_samples():
    """The slow twin: what differences of whole new samples of pairs spread by."""
    rng = np.random.default_rng(0)

    def sample(n: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        scores = rng.normal(size=n)
        shared = rng.normal(size=n)
        return scores + shared + rng.normal(size=n) * 0.5, scores + shared + rng.normal(size=n), scores

    mine, theirs, scores = sample()
    value, error = compare_correlations(mine, theirs, scores, 300)
    assert value == pytest.approx(spearman(mine, scores)[0] - spearman(theirs, scores)[0])
    spread = np.std([spearman(a, s)[0] - spearman(b, s)[0] for a, b, s in (sample() for _ in range(300))])
    assert error == pytest.approx(spread, rel=0.25)
    apart = math.hypot(spearman(mine, scores)[1], spearman(theirs, scores)[1])
    assert error < 0.7 * apart, "what both encoders find hard cancels out"


def test_differences_are_means_over_tasks_and_seeds():
    mine = measured(["a", "a@1"], {("a", "mr", "pwws"): {"x": 1, "y": 0}, ("a@1", "mr", "pwws"): {"x": 1, "y": 1},
                                   ("a", "sst2", "pwws"): {"u": 1, "v": 1}, ("a@1", "sst2", "pwws"): {"u": 1, "v": 0},
                                   ("a", "mr", "pgd"): {"x": 0}, ("a@1", "mr", "pgd"): {"x": 0}})
    base = measured(["b"], {("b", "mr", "pwws"): {"x": 0, "y": 0, "z": 1}, ("b", "sst2", "pwws"): {"u": 0, "v": 1}})
    found = compare_encoders(mine, base, "b", "pwws")
    # Seed 0: MR 0.5 and SST-2 0.5; seed 1: MR 1 and SST-2 0; an encoder without a seed stands beside both.
    assert found["tasks"] == {"mr": 0.75, "sst2": 0.25} and found["value"] == 0.5
    assert (found["to"], found["seeds"], found["seeds_se"]) == ("b", [0, 1], 0.0)
    assert found["value_se"] == pytest.approx(found["texts_se"]) and found["texts_se"] > 0
    assert compare_encoders(mine, base, "b", "pgd") is None
    alone = compare_encoders(measured(["a"], {("a", "mr", ""): {"x": 1, "y": 0}}),
                             measured(["b"], {("b", "mr", ""): {"x": 0, "y": 0}}), "b")
    assert alone["value"] == 0.5 and alone["value_se"] == 0.5 and alone["seeds_se"] is None


def test_seeds_are_compared_with_their_own():
    mine = measured(["a", "a@1"], {("a", "mr", ""): {"x": 1, "y": 1}, ("a@1", "mr", ""): {"x": 0, "y": 1}})
    base = measured(["b", "b@1"], {("b", "mr", ""): {"x": 1, "y": 0}, ("b@1", "mr", ""): {"x": 0, "y": 1}})
    found = compare_encoders(mine, base, "b")
    assert found["value"] == 0.25 and found["seeds_se"] == pytest.approx(0.25)
