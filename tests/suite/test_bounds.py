"""Bounds that hold at every moment: how often they are wrong, and what must be true of them whatever the values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.suite.bounds import CLOSE, FAILS, PASSES, bound_above, bound_below, judge, log_capital

RUNS, TEXTS, LOOK = 200, 800, 64
values = st.lists(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)), max_size=60)
alphas = st.sampled_from([0.2, 0.05, 0.003])


def run_until_decided(drawn: np.ndarray, limit: float, alpha: float, look: int = LOOK) -> tuple[str, int]:
    """What a suite says, and after how many texts, if it looks after every `look` of them."""
    for n in range(look, len(drawn) + 1, look):
        verdict = judge(drawn[:n], limit, alpha)
        if verdict != CLOSE:
            return verdict, n
    return CLOSE, len(drawn)


@pytest.mark.parametrize("limit", [0.1, 0.5, 0.9])
def test_a_model_at_the_limit_fails_in_five_of_a_hundred_runs_at_most(limit):
    rng = np.random.default_rng(7)
    said = [run_until_decided((rng.random(TEXTS) < limit).astype(float), limit, 0.05)[0] for _ in range(RUNS)]
    assert said.count(FAILS) <= 0.05 * RUNS and said.count(PASSES) <= 0.05 * RUNS


def test_a_suite_of_many_limits_fails_in_five_of_a_hundred_runs_at_most():
    rng, limits = np.random.default_rng(8), (0.3, 0.5, 0.8, 0.95)
    said = [[run_until_decided((rng.random(320) < limit).astype(float), limit, 0.05 / len(limits))[0]
             for limit in limits] for _ in range(RUNS)]
    assert sum(FAILS in each for each in said) <= 0.05 * RUNS


def test_values_between_keep_the_promise_too():
    # Kendall's tau, say: most texts unchanged, the others anywhere; the mean is 0.7.
    rng = np.random.default_rng(9)
    drawn = np.where(rng.random((RUNS, 320)) < 0.4, 1.0, rng.random((RUNS, 320)))
    said = [run_until_decided(row, 0.7, 0.05)[0] for row in drawn]
    assert said.count(FAILS) <= 0.05 * RUNS and said.count(PASSES) <= 0.05 * RUNS


def test_looking_after_every_text_costs_nothing_of_the_promise():
    rng = np.random.default_rng(10)
    said = [run_until_decided((rng.random(40) < 0.8).astype(float), 0.8, 0.05, look=1)[0] for _ in range(RUNS)]
    assert said.count(FAILS) <= 0.05 * RUNS


@pytest.mark.parametrize(("share", "limit", "verdict"), [(0.95, 0.85, PASSES), (0.75, 0.85, FAILS)])
def test_clear_cases_are_decided_soon(share, limit, verdict):
    rng = np.random.default_rng(11)
    found = [run_until_decided((rng.random(TEXTS) < share).astype(float), limit, 0.01) for _ in range(50)]
    assert {said for said, _ in found} == {verdict}
    assert np.median([n for _, n in found]) < 300


def test_the_capital_is_that_of_the_bets_played_one_after_the_other():
    from robust_core.suite.bounds import _BETS

    drawn, mean = [1.0, 0.0, 0.3, 1.0, 0.7], 0.6
    capital = np.ones_like(_BETS)
    for value in drawn:
        capital = capital + _BETS * capital * (value / mean - 1)
    assert log_capital(drawn, mean) == pytest.approx(math.log(capital.mean()))


def test_a_bet_on_a_fair_coin_wins_nothing_on_average():
    # All sequences of eight texts with their probabilities: the expected capital is the stake.
    share, total = 0.3, 0.0
    for bits in range(256):
        drawn = [float(bits >> i & 1) for i in range(8)]
        total += share ** sum(drawn) * (1 - share) ** (8 - sum(drawn)) * math.exp(log_capital(drawn, share))
    assert total == pytest.approx(1.0)


@settings(max_examples=30)
@given(values, alphas)
def test_the_mean_lies_between_the_bounds(drawn, alpha):
    low, high = bound_below(drawn, alpha), bound_above(drawn, alpha)
    assert 0 <= low <= high <= 1
    if drawn:
        assert low <= np.mean(drawn) + 1e-9 and high >= np.mean(drawn) - 1e-9


@settings(max_examples=30)
@given(values, alphas, st.floats(0.02, 0.98))
def test_a_verdict_is_where_the_bound_lies(drawn, alpha, limit):
    low, high, said = bound_below(drawn, alpha), bound_above(drawn, alpha), judge(drawn, limit, alpha)
    if min(abs(low - limit), abs(high - limit)) > 1e-9:
        assert said == (FAILS if high < limit else PASSES if low > limit else CLOSE)


@settings(max_examples=30)
@given(values, alphas, st.randoms())
def test_the_order_of_the_texts_does_not_matter(drawn, alpha, rng):
    other = list(drawn)
    rng.shuffle(other)
    assert bound_below(drawn, alpha) == pytest.approx(bound_below(other, alpha), abs=1e-9)


@settings(max_examples=30)
@given(values, alphas, st.floats(0.02, 0.98))
def test_nothing_fails_and_passes(drawn, alpha, limit):
    # Upside down, fails is passes: both can never be said of the same texts.
    turned = judge([1 - value for value in drawn], 1 - limit, alpha)
    assert (judge(drawn, limit, alpha), turned) in ((FAILS, PASSES), (PASSES, FAILS), (CLOSE, CLOSE))


@settings(max_examples=30)
@given(values, alphas)
def test_more_doubt_makes_wider_bounds(drawn, alpha):
    assert bound_below(drawn, alpha / 10) <= bound_below(drawn, alpha) + 1e-9
