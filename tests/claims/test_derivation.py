"""From rows to figures: counts give shares, trainings are pooled, and a row that contradicts itself is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core import metrics
from robust_core.claims.derivation import Figure, average_tasks, pool_figures, pool_rows, read_figure, read_share
from robust_core.claims.measurements import derive_measurement
from robust_core.errors import BadInput

COUNTS = st.tuples(*[st.integers(0, 300)] * 4).filter(lambda c: sum(c[1:]) > 0)


@given(COUNTS)
def test_shares_follow_from_counts(counts):
    skipped, succeeded, failed, exhausted = counts
    n, tried = sum(counts), succeeded + failed + exhausted
    row = {"n": n, "skipped": skipped, "succeeded": succeeded, "failed": failed, "exhausted": exhausted}
    assert read_share(row, "accuracy")[0] == tried / n
    assert read_share(row, "accuracy_under_attack")[0] == (failed + exhausted) / n
    assert read_share(row, "attack_success_rate") == (*metrics.estimate_proportion(succeeded, tried), tried)


def test_a_row_that_says_something_else_than_its_counts_is_refused():
    row = {"n": 100, "succeeded": 60, "failed": 20, "exhausted": 0, "accuracy_under_attack": 0.2}
    assert read_figure(row, "accuracy_under_attack").value == 0.2
    with pytest.raises(BadInput, match="accuracy_under_attack is 0.21 where the counts give 0.2"):
        read_figure(row | {"accuracy_under_attack": 0.21}, "accuracy_under_attack")
    with pytest.raises(BadInput, match="no share of 100"):
        read_figure({"n": 100, "accuracy": 0.835}, "accuracy")


def test_input_reduction_succeeds_without_a_flip():
    row = {"attack": "input-reduction", "n": 4, "succeeded": 3, "failed": 1, "exhausted": 0,
           "accuracy_under_attack": 1.0}
    assert read_figure(row, "accuracy_under_attack").value == 1.0


def test_the_denominator_is_that_of_the_rate():
    assert read_figure({"n": 872, "fooled": 2, "right": 774, "rate": 2 / 774}, "rate").n == 774


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.001, 0.2))
def test_errors_of_seeds_and_of_texts_add_up(values, error):
    """The slow twin: draw a world of seeds and texts by the formula, term by term."""
    pooled = pool_figures([Figure(value, error, 50) for value in values])
    mean = sum(values) / len(values)
    between = sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values) if len(values) > 1 else 0.0
    assert pooled.value == pytest.approx(mean) and pooled.n == 50
    assert pooled.error == pytest.approx(math.sqrt(error ** 2 + between))
    assert pooled.error >= error * (1 - 1e-12), "more seeds on the same texts do not shrink what the texts leave open"


def test_unknown_errors_stay_unknown_with_one_seed():
    assert math.isnan(pool_figures([Figure(0.5, math.nan, 3)]).error)
    assert pool_figures([Figure(0.5, math.nan, 3), Figure(0.7, math.nan, 3)]).error == pytest.approx(0.1)


def test_tasks_are_averaged_for_each_encoder_then_over_them():
    rows = [{"encoder": e, "value": v, "value_se": s, "n": n} for e, v, s, n in
            [("a", 0.5, 0.03, 10), ("a", 0.7, 0.04, 20), ("a@1", 0.6, 0.03, 10), ("a@1", 1.0, 0.04, 20)]]
    found = average_tasks(rows)
    assert found.value == pytest.approx(0.7) and found.n == 30
    # Texts: (0.03² + 0.04²) / 4 for both; seeds: the means 0.6 and 0.8, variance 0.02, over two.
    assert found.error == pytest.approx(math.sqrt(0.0025 / 4 + 0.02 / 2))


def test_two_seeds_count_texts_as_well():
    rows = [{"n": 100, "accuracy": 0.8}, {"n": 100, "accuracy": 0.8}]
    assert pool_rows(rows, "accuracy").error == pytest.approx(0.04)


@pytest.mark.parametrize(("metric", "details", "expected"), [
    ("same_text", {"rows": [{"same": 3, "sentences": 4}, {"same": 5, "sentences": 6}]}, (0.8, 0.1265, 10)),
    ("success_difference", {"n": 4, "ours": 0.75, "theirs": 0.5, "difference_se": 0.2}, (0.25, 0.2, 4)),
    ("inside_radius", {"rows": [{"scale": 1, "inside": 1, "changed": 2}, {"scale": 2, "inside": 2, "changed": 2},
                                {"scale": 1, "inside": 0, "changed": 2}]}, (0.25, 0.2165, 4)),
    # Two texts on two victims each, one wholly inside: (0.5, 0.5) as in the ratio estimator with n = 2.
    ("inside_radius", {"rows": [{"scale": 1, "inside": 2, "changed": 4}],
                       "texts": [{"hits": 2, "trials": 2, "texts": 1}, {"hits": 0, "trials": 2, "texts": 1}]},
     (0.5, 0.5, 4)),
    ("flipped_outside", {"rows": [{"inside": 4, "outside": {"one_step_outside": 0.5}}]}, (0.5, 0.25, 4)),
    ("megabytes", {"first": [[1, 0, 9], [2, 0, 5], [4, 0, 6]], "second": [[1, 0, 0], [2, 0, 6], [4, 0, 9]]},
     (2.0, 1.0, 8))])
def test_measurements_outside_the_experiments(metric, details, expected):
    assert derive_measurement(metric, details) == pytest.approx(expected, abs=1e-4)


def test_what_hangs_on_no_counts_is_not_worked_out():
    assert derive_measurement("kills", {}) is None
