"""Pure functions of results, against scipy, simulations and hand-made results."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from robust_core.metrics import (
    consistency,
    estimate_mean,
    estimate_paired_difference,
    estimate_proportion,
    estimate_ratio,
    kendall_tau,
    list_held,
    robustness_curve,
    summarise_embedding_attacks,
    summary,
    top_k_by_chance,
    top_k_intersection,
)
from robust_core.text import align, diff, find_words
from robust_core.types import AttackResult, Attribution, EmbeddingAttackResult, Example

quick = settings(max_examples=200, deadline=None, derandomize=True)

tied = st.integers(-2, 2).map(float)
free = st.floats(-1, 1, allow_subnormal=False)
two_lists = st.integers(0, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.one_of(tied, free), min_size=n, max_size=n)] * 2))


@quick
@given(two_lists)
def test_kendall_tau_is_that_of_scipy(pair):
    a, b = pair
    theirs = stats.kendalltau(a, b).statistic if len(a) > 1 else math.nan
    assert kendall_tau(a, b) == pytest.approx(theirs, abs=1e-12, nan_ok=True)
    assert kendall_tau(a, b) == pytest.approx(kendall_tau(b, a), abs=1e-12, nan_ok=True)


@quick
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=20).filter(lambda a: len(set(a)) > 1))
def test_kendall_tau_of_itself_and_its_reverse(a):
    assert kendall_tau(a, a) == 1.0
    assert kendall_tau(a, [-x for x in a]) == -1.0


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0], [2.0]), ([3, 3, 3], [1, 2, 3]), ([1, 2, 3], [0, 0, 0])])
def test_kendall_tau_is_undefined_for_constant_or_single_scores(a, b):
    assert math.isnan(kendall_tau(a, b))


def slow_top(scores: list[float], k: int) -> set[int]:
    """Positions of the k highest scores, taken one by one; the earlier of equals first."""
    left, top = list(range(len(scores))), set()
    while left and len(top) < k:
        best = max(left, key=lambda i: (scores[i], -i))
        left.remove(best)
        top.add(best)
    return top


@quick
@given(two_lists, st.integers(1, 15))
def test_top_k_is_that_of_a_slow_version(pair, k):
    a, b = pair
    share = top_k_intersection(a, b, k)
    if not a:
        assert math.isnan(share)
        return
    top_a, top_b = slow_top(a, k), slow_top(b, k)
    assert share == len(top_a & top_b) / min(k, len(a))
    assert 0 <= share <= 1 and top_k_intersection(a, a, k) == 1
    if k >= len(a):
        assert share == 1


@pytest.mark.parametrize(("words", "k", "published"), [(10, 5, 0.50), (19, 5, 0.26), (3, 5, 1.0), (7, 1, None)])
def test_top_k_by_chance_is_what_random_orders_give(words, k, published):
    rng = np.random.default_rng(0)
    drawn = [top_k_intersection(rng.permutation(words), rng.permutation(words), k) for _ in range(4000)]
    assert top_k_by_chance(words, k) == pytest.approx(np.mean(drawn), abs=0.02)
    if published is not None:
        assert top_k_by_chance(words, k) == pytest.approx(published, abs=0.005)


def test_top_k_by_chance_of_nothing_is_undefined():
    assert math.isnan(top_k_by_chance(0, 5))


def result(status: str, perturbed: str = "", queries: int = 10, similarity: float = 1.0,
           text: str = "a good, clever film - truly") -> AttackResult:
    """A result with the figures that a summary reads."""
    perturbed = perturbed or text
    return AttackResult(Example(text, 1, "u"), "double", {"name": "planted"}, perturbed, 1, int(status != "succeeded"),
                        (0.1, 0.9), (0.6, 0.4), queries, queries - 2, queries - 4, similarity, 0.5, status,
                        diff(text, perturbed), ())


FOUR = (result("skipped", queries=1), result("failed", queries=20),
        result("succeeded", "a bad, silly film - truly", queries=30, similarity=0.9), result("stopped", queries=99))


def test_summary_of_four_results():
    row = summary(FOUR)
    assert (row["n"], row["stopped"], row["skipped"], row["succeeded"], row["exhausted"]) == (3, 1, 1, 1, 0)
    assert row["failed"] == 1
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert row["accuracy_under_attack"] == pytest.approx(1 / 3)
    assert row["accuracy_se"] == row["accuracy_under_attack_se"] == pytest.approx(math.sqrt(2 / 9 / 3))
    assert row["attack_success_rate"] == 0.5 and row["attack_success_rate_se"] == pytest.approx(math.sqrt(0.25 / 2))
    assert row["swaps"] == 2 and math.isnan(row["swaps_se"])
    assert row["swap_rate"] == pytest.approx(2 / 5), "words, not blanks, are counted"
    assert row["similarity"] == 0.9
    assert row["queries"] == 25 and row["queries_se"] == pytest.approx(5)
    assert row["forward_passes"] == 23 and row["eligible"] == 21 and row["seconds"] == 0.5


def test_an_exhausted_attack_is_a_failed_one_and_flagged():
    row = summary([result("exhausted"), result("succeeded")])
    assert (row["exhausted"], row["failed"]) == (1, 0)
    assert row["attack_success_rate"] == 0.5 and row["accuracy_under_attack"] == 0.5


@pytest.mark.parametrize("results", [[], [result("skipped")], [result("stopped")]])
def test_the_success_rate_without_attempts_is_undefined(results):
    assert math.isnan(summary(results)["attack_success_rate"])
    assert math.isnan(summary(results)["attack_success_rate_se"])


@quick
@given(st.lists(st.sampled_from(("skipped", "failed", "succeeded", "stopped", "exhausted")), max_size=30))
def test_accuracy_under_attack_is_accuracy_times_what_withstood(statuses):
    row = summary([result(status) for status in statuses])
    if row["n"] and row["n"] > row["skipped"]:
        assert row["accuracy_under_attack"] == pytest.approx(row["accuracy"] * (1 - row["attack_success_rate"]))
    if row["n"]:
        assert 0 <= row["accuracy_under_attack"] <= row["accuracy"] <= 1
    assert row["n"] + row["stopped"] == len(statuses)


def test_means_and_proportions_carry_their_standard_errors():
    assert estimate_mean([1.0, math.nan, 3.0]) == pytest.approx((2.0, 1.0))
    assert estimate_mean([4.0])[0] == 4.0 and math.isnan(estimate_mean([4.0])[1])
    assert all(map(math.isnan, estimate_mean([math.nan])))
    assert estimate_proportion(1, 4) == pytest.approx((0.25, math.sqrt(0.1875 / 4)))
    assert all(map(math.isnan, estimate_proportion(0, 0)))


def attribution(text: str, scores: tuple[float, ...]) -> Attribution:
    """An attribution of the first words of a text."""
    return Attribution(text, find_words(text)[: len(scores)], scores, 1, {"name": "ig"}, 0.0)


def compare(a: Attribution, b: Attribution, **options) -> dict:
    """Compare two attributions over the alignment of their texts."""
    words = [[t.text[s:e] for s, e in find_words(t.text)] for t in (a, b)]
    return consistency(a, b, align(*words), **options)


def test_identical_texts_are_consistent_even_with_constant_or_single_scores():
    for text, scores in (("good", (1.0,)), ("good film here", (0.0, 0.0, 0.0)), ("good film", (0.2, 0.1))):
        found = compare(attribution(text, scores), attribution(text, scores), ks=(1, 5))
        assert found["kendall_tau"] == 1.0 and set(found["top_k"].values()) == {1.0}


def test_only_words_of_both_texts_are_compared():
    a = attribution("a truly good film", (0.1, 0.9, 0.5, 0.2))
    b = attribution("a fine film indeed", (0.1, 0.7, 0.2, 5.0))
    found = compare(a, b, ks=(1, 2))
    assert found["words"] == 3 and found["kendall_tau"] == 1.0
    assert found["top_k"] == {1: 1.0, 2: 1.0}
    assert found["top_k_random"] == {1: pytest.approx(1 / 3), 2: pytest.approx(2 / 3)}


def test_a_swapped_word_counts_as_the_word_it_replaces():
    a, b = attribution("a good film", (0.1, 0.9, 0.2)), attribution("a bad film", (0.1, -0.9, 0.2))
    found = compare(a, b, ks=(1, 2))
    assert found["top_k"] == {1: 0.0, 2: 0.5} and found["kendall_tau"] == pytest.approx(-1 / 3)


def test_words_without_a_score_are_left_out():
    a, b = attribution("good film not read here", (0.9, 0.1)), attribution("bad film not read here", (0.8, 0.1, 0.5))
    assert compare(a, b)["words"] == 2
    nothing = compare(attribution("good", ()), attribution("bad", ()))
    assert nothing["words"] == 0 and math.isnan(nothing["kendall_tau"]) and math.isnan(nothing["top_k"][5])


def test_every_figure_of_a_summary_is_a_count_or_has_its_error():
    row = summary(FOUR)
    figures = {name for name in row if not name.endswith("_se")}
    counts = {"n", "stopped", "skipped", "succeeded", "failed", "exhausted"}
    assert {f"{name}_se" for name in figures - counts} == set(row) - figures
    assert all(type(row[name]) is int for name in counts)


def test_a_ratio_is_that_of_the_sums_with_the_error_of_clusters():
    assert estimate_ratio([1, 0, 2], [2, 2, 4])[0] == 3 / 8
    equal = estimate_ratio([1, 0, 1, 1], [1, 1, 1, 1])
    assert equal == pytest.approx(estimate_mean([1, 0, 1, 1])), "clusters of one are a mean"
    assert estimate_ratio([1, 2], [2, 4]) == (0.5, 0.0)
    for parts, wholes in (([], []), ([0.0], [0.0])):
        assert all(map(math.isnan, estimate_ratio(parts, wholes)))
    assert estimate_ratio([1], [2])[0] == 0.5 and math.isnan(estimate_ratio([1], [2])[1])


def moved(status: str, radius: float = 0.1) -> EmbeddingAttackResult:
    """An attack on embeddings that ended in some way, under a reference label of 1."""
    before, after = {"skipped": ((0.9, 0.1), (0.9, 0.1)), "failed": ((0.1, 0.9), (0.2, 0.8)),
                     "succeeded": ((0.1, 0.9), (0.7, 0.3))}[status]
    found = EmbeddingAttackResult(Example("a", 1, "u"), "v", {"radius": radius}, 1, before, after, radius, 1.0, 0.9,
                                  0.2, 3)
    assert found.status == status
    return found


def test_attacks_on_embeddings_are_counted_each_as_what_it_is():
    row = summarise_embedding_attacks([moved(s) for s in ("skipped", "skipped", *["failed"] * 3, *["succeeded"] * 5)])
    assert (row["n"], row["skipped"], row["failed"], row["succeeded"]) == (10, 2, 3, 5)
    assert (row["accuracy"], row["accuracy_under_attack"], row["attack_success_rate"]) == (0.8, 0.3, 5 / 8)
    curve = robustness_curve([moved("failed", 0.3), moved("succeeded", 0.1), moved("failed", 0.1)])
    assert [(row["radius"], row["n"], row["accuracy_under_attack"]) for row in curve] == [(0.1, 2, 0.5), (0.3, 1, 1.0)]


def test_a_paired_difference_is_that_of_the_examples_both_have():
    value, error, n = estimate_paired_difference({"a": 1, "b": 0, "c": 1, "d": 0.5}, {"a": 0, "b": 1, "c": 0, "e": 1})
    assert (value, n) == (pytest.approx(1 / 3), 3)
    assert error == pytest.approx(np.std([1, -1, 1], ddof=1) / math.sqrt(3))


@pytest.mark.parametrize(("status", "perturbed_label", "held"), [
    ("failed", 1, True), ("succeeded", 0, False), ("succeeded", 2, False), ("skipped", 1, False),
    ("exhausted", 1, True), ("stopped", 1, None)])
def test_a_prediction_is_held_when_it_is_the_reference_label(status, perturbed_label, held):
    found = dataclasses.replace(result(status), perturbed_label=perturbed_label)
    assert found.reference_label == 1
    assert list_held([found]) == ({} if held is None else {"u": held})


def test_a_word_past_the_last_score_of_either_text_is_left_out():
    long, short = attribution("a b c d", (0.1, 0.2, 0.3, 0.4)), attribution("a b c", (0.1, 0.2))
    row = consistency(long, short, [(i, i) for i in range(4)] + [(None, 0), (0, None)])
    assert row["kendall_tau"] == 1.0 and consistency(short, long, [(i, i) for i in range(4)]) == row
