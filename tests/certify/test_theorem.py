"""Splitting noise and its certificates: the theorem on random and on tiny inputs, and a slow twin of each formula."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.certify import SMOOTHERS, theorem
from robust_core.certify.quantised import check_quantised, quantise
from robust_core.certify.theorem import (
    count_evaluations,
    dssn_certificate,
    randomised_certificate,
    split_at_offset,
    split_inputs,
)
from robust_core.errors import BadInput
from robust_core.registry import from_record, parameters, to_record

# Lambda from sigma = .15, .25, .5, ... 3.5 of the released code: Lambda = sigma sqrt(3).
SIGMAS = (0.15, *(k / 4 for k in range(1, 15)))
EVALUATIONS = (132, 220, 441, 662, 883, 1104, 1325, 1545, 1766, 1987, 2208, 2429, 2650, 2870, 3091)
# On both sides of 1/2, where the cells become wider than the range.
BOTH_SIDES = (0.1, 0.26, 0.49, 0.5, 0.51, 1.3, 4.0)


def twin(x: float, s: float, scale: float) -> float:
    """The middle of x's cell as the paper writes it: one rule below Lambda = 1/2, another from there on."""
    if scale < 0.5:
        upper = math.ceil((x - s) / (2 * scale)) * 2 * scale + s
        return (min(upper, 1) + max(upper - 2 * scale, 0)) / 2
    return (min(s, 1) + (x > s)) / 2


def random_judge(classes: int, seed: int):
    """A base classifier that is as rough as can be: its answer is a hash of the row."""
    def judge(rows: np.ndarray) -> np.ndarray:
        keys = np.round(rows.reshape(len(rows), -1) * 4096).astype(np.int64)
        primes = np.random.default_rng(seed).integers(1, 2**31, keys.shape[1])
        return ((keys * primes).sum(1) ^ (keys * primes).sum(1) >> 7) % classes
    return judge


def test_lambda_gives_the_published_numbers_of_evaluations():
    assert tuple(count_evaluations(s * math.sqrt(3), 255) for s in SIGMAS) == EVALUATIONS
    assert theorem.round_scale(SIGMAS[0] * math.sqrt(3), 255) == 132 / 510
    # All votes for one class at the largest sigma: the largest radius there is.
    (_,), (radius,) = dssn_certificate(np.array([[0, 3091]]))
    assert radius == pytest.approx(6.0588, abs=1e-4)


@pytest.mark.parametrize("scale", BOTH_SIDES)
@pytest.mark.parametrize("levels", [7, 255])
def test_cells_are_those_of_the_paper(scale, levels):
    x = np.random.default_rng(1).integers(0, levels + 1, (1, 9)).astype(np.int32)
    count = count_evaluations(scale, levels)
    cuts = (theorem.draw_template(count, 9) + np.arange(count)[:, None]) % count + 0.5
    expected = [[twin(value / levels, cut / levels, count / (2 * levels)) for value, cut in zip(x[0], row, strict=True)]
                for row in cuts]
    np.testing.assert_allclose(split_inputs(x, np.arange(count), scale, levels), expected, atol=1e-6)
    values, places = x / levels, cuts / levels
    np.testing.assert_allclose(
        split_at_offset(np.broadcast_to(values, cuts.shape), places, count / (2 * levels)), expected, atol=1e-6
    )


def test_a_cut_on_the_value_leaves_it_in_the_lower_cell():
    for x, s, scale, middle in ((0.0, 0.4, 1.0, 0.2), (1.0, 0.4, 1.0, 0.7), (0.4, 0.4, 1.0, 0.2), (0.4, 1.2, 1.0, 0.5)):
        assert split_at_offset(np.array([[x]]), np.array([[s]]), scale)[0, 0] == pytest.approx(middle)


def test_the_template_is_the_published_one_and_that_of_training():
    assert theorem.draw_template(441, 12).tolist() == np.random.RandomState(0).randint(441, size=12).tolist()
    vectors = np.random.default_rng(0).integers(0, 256, (200, 12)).astype(np.int32)
    for scale in (0.3, 2.0):
        seen = SMOOTHERS["dssn"](scale=scale).noisy(vectors, 255, np.random.default_rng(3))
        for vector, row in zip(vectors, seen, strict=True):
            tested = split_inputs(vector[None], np.arange(count_evaluations(scale, 255)), scale, 255)
            assert (tested == row).all(1).any()
    assert not theorem.draw_template(441, 12).flags.writeable


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BOTH_SIDES), st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([5, 16, 255]))
def test_votes_move_by_at_most_the_distance(scale, seed, size, levels):
    if int(2 * scale * levels) < 1:
        return
    rng = np.random.default_rng(seed)
    x = rng.integers(0, levels + 1, (1, size)).astype(np.int32)
    y = np.clip(x + rng.integers(-3, 4, x.shape), 0, levels).astype(np.int32)
    distance, every = int(np.abs(x - y).sum()), np.arange(count_evaluations(scale, levels))
    told_apart = int((split_inputs(x, every, scale, levels) != split_inputs(y, every, scale, levels)).any(1).sum())
    assert told_apart <= distance
    method, judge = SMOOTHERS["dssn"](scale=scale), random_judge(3, seed)
    change = np.abs(method.counts(judge, x[0], levels, 3) - method.counts(judge, y[0], levels, 3))
    assert change.max() <= distance


@pytest.mark.parametrize("scale", BOTH_SIDES)
def test_the_bound_is_reached(scale):
    levels, size = 255, 4
    count = count_evaluations(scale, levels)
    # One coordinate that crosses n cuts is told apart at exactly n offsets, as long as there are that many.
    x = np.full((1, size), 100, dtype=np.int32)
    y = x.copy()
    y[0, 2] += 11
    every = np.arange(count)
    assert (split_inputs(x, every, scale, levels) != split_inputs(y, every, scale, levels)).any(1).sum() == min(
        11, count
    )


@pytest.mark.parametrize(("scale", "levels", "size"), [(0.4, 6, 3), (0.5, 6, 3), (1.5, 4, 3), (3.0, 3, 4),
                                                       (0.3, 12, 2)])
def test_no_input_inside_the_radius_has_another_class(scale, levels, size):
    grid = np.array(list(itertools.product(range(levels + 1), repeat=size)), dtype=np.int32)
    tight = 0
    for seed in range(3):
        # A rough classifier and a smooth one, whose votes are far from even.
        weights = np.random.default_rng(seed).normal(size=(size, 3))
        for judge in (random_judge(3, seed), lambda rows, w=weights: ((rows - 0.5) @ w).argmax(1)):
            found = list(SMOOTHERS["dssn"](scale=scale).certify(judge, grid, levels, 3))
            classes = np.array([c.prediction for c in found])
            radii = np.array([round(c.radius * levels) for c in found])
            distances = np.abs(grid[:, None] - grid[None]).sum(-1)
            other = np.where(classes[:, None] != classes[None], distances, 10**6).min(1)
            assert (radii < other).all()
            tight += int((radii + 1 == other).sum())
    assert tight > 0


def test_ties_go_to_the_lower_class():
    classes, radii = dssn_certificate(np.array([[5, 5], [6, 4], [4, 6], [5, 6], [9, 2], [2, 9], [3, 0]]), levels=10)
    assert classes.tolist() == [0, 0, 1, 1, 0, 1, 0]
    # With 6 to 4, one vote moved makes 5 to 5, which class 0 still wins; class 1 would lose it.
    assert (radii * 10).round().astype(int).tolist() == [0, 1, 0, 0, 3, 3, 1]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=5))
def test_the_radius_is_the_largest_that_moved_votes_allow(counts):
    (top,), (radius,) = dssn_certificate(np.array([counts]), levels=1)

    def kept(k: int) -> bool:
        worst = [n - k if c == top else n for c, n in enumerate(counts)]
        return all(np.argmax([n + k * (c == rival) for c, n in enumerate(worst)]) == top
                   for rival in range(len(counts)) if rival != top)

    assert kept(int(radius)) and not kept(int(radius) + 1)


def test_the_bound_of_random_votes():
    assert theorem.bound_proportion(np.array([50]), 50, 0.001)[0] == pytest.approx(0.0005 ** (1 / 50))
    assert theorem.bound_proportion(np.array([0]), 50, 0.001)[0] == 0.0
    assert theorem.bound_proportion(np.array([1]), 1, 0.001)[0] == pytest.approx(0.0005)
    from scipy.stats import binom

    for hits in (1, 40, 99):
        p = theorem.bound_proportion(np.array([hits]), 100, 0.01)[0]
        assert binom.sf(hits - 1, 100, p) == pytest.approx(0.005)
    # 100,000 of 100,000 votes: 0.99992 is the largest bound in the published results.
    assert theorem.bound_proportion(np.array([100_000]), 100_000, 0.001)[0] == pytest.approx(0.99992, abs=5e-6)
    radii = randomised_certificate(np.array([990, 500]), 1000, 2.0, 0.001)
    assert radii[0] == pytest.approx(4 * (theorem.bound_proportion(np.array([990]), 1000, 0.001)[0] - 0.5))
    assert radii[1] < 0


@pytest.mark.parametrize("name", SMOOTHERS)
def test_every_smoother(name):
    cls = SMOOTHERS[name]
    assert cls.title and cls.source.startswith("https://") and cls.__doc__
    assert all(p.help for p in parameters(cls))
    method = cls(scale=0.7)
    assert from_record(SMOOTHERS, to_record(method)) == method
    vectors = np.random.default_rng(0).integers(0, 17, (4, 1, 3, 3))
    found = list(method.certify(random_judge(3, 0), vectors, 16, 3, seed=5))
    assert found == list(method.certify(random_judge(3, 0), vectors, 16, 3, seed=5))
    for c in found:
        assert c.norm == "l1" and c.radius >= 0 and sum(c.votes) == c.evaluations
        assert (c.alpha is None) == cls.deterministic
        assert c.evaluations == (count_evaluations(0.7, 16) if cls.deterministic else 10_000)
    # A base classifier that never wavers gets the largest radius: nearly Lambda.
    sure = next(iter(method.certify(lambda rows: np.ones(len(rows), dtype=np.int64), vectors, 16, 3)))
    assert sure.prediction == 1 and 0.6 < sure.radius <= 0.7
    # One that answers by the toss of a coin gets none from random votes.
    if not cls.deterministic:
        coin = np.random.default_rng(0)
        tossed = next(iter(method.certify(lambda rows: coin.integers(0, 2, len(rows)), vectors, 16, 2)))
        assert (tossed.prediction, tossed.radius) == (None, 0.0)


def test_all_evaluations_of_an_input_are_one_batch():
    sizes = []

    def judge(rows):
        sizes.append(rows.shape)
        return np.zeros(len(rows), dtype=np.int64)

    list(SMOOTHERS["dssn"](scale=4.0).certify(judge, np.zeros((2, 32), dtype=np.int32), 255, 2))
    assert sizes == [(2040, 32)] * 2


def test_random_cuts_see_the_same_marginals_as_fixed_ones():
    values = np.full((20_000, 1), 0.3)
    rng = np.random.default_rng(0)
    above = (SMOOTHERS["ssn"](scale=1.0).blur(values, rng) > 0.5).mean()
    # x > s with probability x / (2 Lambda); the middle is then (1 + s) / 2.
    assert above == pytest.approx(0.15, abs=0.01)
    noise = SMOOTHERS["uniform"](scale=3.0).blur(values, rng)
    assert -2.7 <= noise.min() < -2.6 and 3.2 < noise.max() <= 3.3


@pytest.mark.parametrize(("vectors", "message"), [
    ([[0, 256]], "between 0 and 255"), ([[-1, 3]], "between 0 and 255"), ([[0.5, 3.0]], "quantised to whole numbers"),
    ([[1.2, 3.0]], "quantised to whole numbers"), ([[1.8, 3.0]], "quantised to whole numbers"),
    ([[math.nan, 3.0]], "finite"), ([[math.inf, 3.0]], "finite"), ([1, 2], "rows"), ([["a"]], "whole numbers"),
])
def test_wrong_inputs_are_one_plain_line(vectors, message):
    with pytest.raises(BadInput, match=message) as error:
        list(SMOOTHERS["dssn"]().certify(random_judge(2, 0), np.array(vectors), 255, 2))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, "2"])
def test_wrong_lambda_is_one_plain_line(scale):
    for name in SMOOTHERS:
        with pytest.raises(BadInput):
            SMOOTHERS[name](scale=scale)
    if not isinstance(scale, str):
        with pytest.raises(BadInput, match="Lambda"):
            count_evaluations(scale, 255)
        with pytest.raises(BadInput, match="Lambda"):
            randomised_certificate(9, 10, scale)


def test_other_wrong_values_are_one_plain_line():
    with pytest.raises(BadInput, match="gives 0 evaluations"):
        count_evaluations(0.001, 255)
    with pytest.raises(BadInput, match="levels"):
        check_quantised(np.zeros((1, 2)), 0)
    for counts in ([[1.5, 2]], [[-1, 2]], [[3]], [3, 4]):
        with pytest.raises(BadInput, match=r"[Vv]otes"):
            dssn_certificate(np.array(counts))
    for votes, samples, alpha in ((11, 10, 0.1), (-1, 10, 0.1), (1, 0, 0.1), (1, 10, 0.0), (1.5, 10, 0.1)):
        with pytest.raises(BadInput):
            randomised_certificate(votes, samples, 1.0, alpha)


def test_quantising():
    assert quantise(np.array([-1.0, -0.997, 0.0, 1.0]), -1, 1, 255).tolist() == [0, 0, 128, 255]
    for values, message in (([2.0], "between"), ([math.nan], "finite")):
        with pytest.raises(BadInput, match=message):
            quantise(np.array(values), -1, 1)
    with pytest.raises(BadInput, match="empty"):
        quantise(np.array([1.0]), 1, 1)
    with pytest.raises(BadInput, match="range"):
        quantise(np.array([0.5]), 1, 0)
    assert quantise(np.array([0.0, 1.0]), 0, 1).tolist() == [0, 255], "as many steps as a byte has"
