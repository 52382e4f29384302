"""What judgements come to: published kappas, errors by simulation, majorities, the shipped reading."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.judging import agreement, scores
from robust_core.judging.agreement import COHEN, ENGLISH, FLEISS, LABEL, cohen_kappa, fleiss_kappa, measure_agreement
from robust_core.judging.items import ORIGINALS, Counts, Group, make_item
from robust_core.judging.records import Judged
from robust_core.judging.scores import decide, estimate_valid_success, score_judges, score_verdicts
from robust_core.judging.shipped import READER, read_reading
from robust_core.metrics import estimate_proportion

GROUP = Group("sst2/cnn/base", "textfooler", "paper")
# Fleiss 1971, table 1: 30 patients, six psychiatrists, five diagnoses.
FLEISS_1971 = """0 0 0 6 0|0 3 0 0 3|0 1 4 0 1|0 0 0 0 6|0 3 0 3 0|2 0 4 0 0|0 0 4 0 2|2 0 3 1 0|2 0 0 4 0|0 0 0 0 6
|1 0 0 5 0|1 1 0 4 0|0 3 3 0 0|1 0 0 5 0|0 2 0 3 1|0 0 5 0 1|3 0 0 1 2|5 1 0 0 0|0 2 0 4 0|1 0 2 0 3|0 0 0 0 6|0 1 0 5 0
|0 2 0 1 3|2 0 0 4 0|1 0 0 4 1|0 5 0 1 0|4 0 0 0 2|0 2 0 4 0|1 0 5 0 0|0 0 0 0 6"""


def judge(name: str, number: int, says: str = "positive", passable: bool = True, adversarial: bool = True,
          when: str = "") -> Judged:
    """A judgement on a text whose true label is positive."""
    item = make_item(f"text {number}", f"original {number}", "positive", adversarial,
                     GROUP if adversarial else ORIGINALS)
    return Judged(name, says, passable, when, "a" * 12, Counts(100, 50) if adversarial else Counts(), item)


def count(table: list[list[int]]) -> dict[tuple[str, ...], int]:
    """Counts of answers as `fleiss_kappa` takes them."""
    found: dict[tuple[str, ...], int] = {}
    for row in table:
        own = tuple(str(k) for k, n in enumerate(row) for _ in range(n))
        found[own] = found.get(own, 0) + 1
    return found


def test_fleiss_kappa_is_that_of_its_paper():
    table = [[int(n) for n in row.split()] for row in FLEISS_1971.split("|")]
    assert len(table) == 30 and all(sum(row) == 6 for row in table)
    assert fleiss_kappa(count(table)) == pytest.approx(0.430, abs=5e-4)


def test_cohen_kappa_is_that_of_his_paper():
    # Cohen 1960, table 1, in percent: 200 cases, three categories.
    cells = [[88, 14, 18], [10, 40, 10], [2, 6, 12]]
    answers = {(str(i), str(j)): n for i, row in enumerate(cells) for j, n in enumerate(row)}
    assert cohen_kappa(answers) == pytest.approx(0.49, abs=5e-3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=2, max_size=5), min_size=2, max_size=12), st.randoms())
def test_fleiss_kappa_does_not_rest_on_order_or_names(rows, random):
    def value(texts):
        found: dict[tuple[str, ...], int] = {}
        for own in texts:
            found[tuple(own)] = found.get(tuple(own), 0) + 1
        return fleiss_kappa(found)

    mixed = [random.sample(own, len(own)) for own in random.sample(rows, len(rows))]
    renamed = [[{"a": "z", "b": "a", "c": "b"}[answer] for answer in own] for own in rows]
    kappa = value(rows)
    assert math.isnan(kappa) == (len({answer for own in rows for answer in own}) == 1)
    if not math.isnan(kappa):
        assert value(mixed) == pytest.approx(kappa) == value(renamed) and kappa <= 1 + 1e-12
        assert (kappa == pytest.approx(1)) == all(len(set(own)) == 1 for own in rows)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("ab")), min_size=3, max_size=40))
def test_the_error_of_a_kappa_is_the_jackknife_of_its_texts(pairs):
    answers = {pair: pairs.count(pair) for pair in pairs}
    kappa, error = agreement._estimate(cohen_kappa, answers)
    if math.isnan(kappa) or all(a == b for a, b in pairs):
        assert math.isnan(kappa) == math.isnan(error) or error > 0
        return
    left = []
    for at in range(len(pairs)):
        rest = pairs[:at] + pairs[at + 1:]
        left.append(cohen_kappa({pair: rest.count(pair) for pair in rest}))
    n = len(pairs)
    expected = math.sqrt((n - 1) / n * sum((value - sum(left) / n) ** 2 for value in left))
    assert error == pytest.approx(expected, nan_ok=True, abs=1e-9)


def test_full_agreement_is_not_certain():
    judged = [judge(name, k, says) for name in ("Ann", "Bob") for k, says in enumerate(["positive", "negative"] * 5)]
    label, english = measure_agreement(judged)
    assert (label.about, label.method, label.judges, label.texts) == (LABEL, COHEN, 2, 10)
    assert label.kappa == 1 and label.error > 0.1 and label.observed == 1 and label.observed_error > 0.1
    assert english.about == ENGLISH and math.isnan(english.kappa), "all said the same of all: chance explains it"


def test_three_judges_have_fleiss_kappa_and_disputed_texts_come_first():
    judged = [judge("Ann", k) for k in range(4)] + [judge("Bob", k, "negative" if k < 2 else "positive")
                                                   for k in range(4)]
    judged += [judge("Cleo", 0, "unclear"), judge("Cleo", 3, passable=False), judge("cleo", 9)]
    label, _ = measure_agreement(judged)
    assert (label.method, label.judges, label.texts) == (FLEISS, 3, 4), "a text of one judge says nothing"
    found = agreement.list_disputed(judged)
    assert [each.item.text for each in found] == ["text 0", "text 1", "text 3"]
    assert found[0].says == {"positive": 1, "negative": 1, "unclear": 1} and found[2].passable == 2
    assert measure_agreement([judge("Ann", 1), judge("ANN", 1)]) == [], "one judge, whatever the case"


def test_the_last_word_of_each_judge_counts_and_a_tie_is_no():
    judged = [judge("Ann", 0, "negative", when="2026-01-01"), judge("Ann", 0, when="2026-01-02"),
              judge("Bob", 0, "unclear", passable=False)]
    verdict, = decide(judged)
    assert verdict.judges == 2 and not verdict.kept and not verdict.passable
    verdict, = decide([*judged, judge("Cleo", 0, " Positive")])
    assert verdict.kept and verdict.passable, "labels are compared as people write them"


def test_scores_of_flips_and_originals_stand_apart():
    judged = [judge("Ann", k, "positive" if k < 8 else "negative", k < 5) for k in range(10)]
    judged += [judge("Ann", 100 + k, adversarial=False) for k in range(4)]
    flips, control = score_verdicts(decide(judged))
    assert flips.group == GROUP and flips.kept == estimate_proportion(8, 10) and flips.passable[0] == 0.5
    assert flips.raw == estimate_proportion(50, 100) and flips.valid.value == pytest.approx(0.4)
    assert not control.adversarial and control.kept.value == 1 and math.isnan(control.valid.value)
    assert list(score_judges(judged)) == [""], "of one judge there is nothing to tell apart"
    assert list(score_judges([*judged, judge("Bob", 1)])) == ["", "Ann", "Bob"]


@given(st.integers(1, 500), st.data())
def test_with_all_flips_judged_valid_success_is_a_plain_proportion(attempted, data):
    succeeded = data.draw(st.integers(1, attempted))
    kept = data.draw(st.integers(0, succeeded))
    assert estimate_valid_success(succeeded, attempted, kept, succeeded) == pytest.approx(
        estimate_proportion(kept, attempted))
    judged = data.draw(st.integers(1, succeeded))
    few = data.draw(st.integers(0, judged))
    value, error = estimate_valid_success(succeeded, attempted, few, judged)
    assert 0 <= value <= succeeded / attempted + 1e-12 and error > 0


def test_without_flips_or_judgements_there_is_no_valid_success():
    for numbers in ((0, 0, 0, 0), (0, 0, 3, 4), (5, 10, 0, 0)):
        assert all(map(math.isnan, estimate_valid_success(*numbers)))


def test_the_error_of_valid_success_is_that_of_a_simulation():
    rng, values, errors = np.random.default_rng(0), [], []
    for _ in range(3000):
        succeeded = int(rng.binomial(400, 0.4))
        good = int(rng.binomial(succeeded, 0.7))
        kept = int(rng.hypergeometric(good, succeeded - good, 40))
        value, error = estimate_valid_success(succeeded, 400, kept, 40)
        values.append(value)
        errors.append(error)
    assert np.mean(values) == pytest.approx(0.28, abs=0.003)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.05)


def test_the_shipped_reading_says_what_the_readme_says():
    source, judged = read_reading()
    assert source.labels == ("negative", "positive") and source.count_flips() == 200 and len(source.items) == 240
    assert {each.judge for each in judged} == {READER}
    found = score_verdicts(decide(judged))
    kept = {preset: sum(round(s.kept.value * s.texts) for s in found if s.group and s.group.preset == preset)
            for preset in ("careful", "paper")}
    assert kept == {"careful": 97, "paper": 87}
    assert found[-1].texts == 40 and round(found[-1].kept.value * 40) == 39
    careful = next(s for s in found if s.group == Group("sst2/cnn/base", "textfooler", "careful"))
    assert careful.counts == Counts(1496, 281) and careful.valid.value == pytest.approx(281 / 1496 * 0.98)


def test_rows_are_plain_and_name_every_figure():
    row = scores.to_row(score_verdicts(decide([judge("Ann", 1)]))[0], "Ann")
    assert row["judge"] == "Ann" and row["kind"] == "adversarial" and row["label_kept"] == 1.0
    assert {f"{name}_se" for name in ("label_kept", "passable", "both", "success", "valid_success")} <= set(row)
