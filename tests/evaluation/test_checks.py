"""Checks: each is silent on sound results and speaks on the one fault it looks for."""

import dataclasses
import inspect
import math

import pytest

from robust_core.claims.footnotes import split_warning
from robust_core.evaluation.checks import CHECKS, list_warnings, raise_flags
from robust_core.types import AttackResult, Attribution, Example, Swap

SWAP = Swap(2, 6, "good", "dull")
SUCCESS = AttackResult(Example("a good movie", 1, "0"), "m", {}, "a dull movie", 1, 0, (0.2, 0.8), (0.9, 0.1), 9, 9, 9,
                       0.9, 0.1, "succeeded", (SWAP,), ())
FAILURE = dataclasses.replace(SUCCESS, perturbed_label=1, after=(0.4, 0.6), status="failed")
UNCHANGED = dataclasses.replace(FAILURE, perturbed="a good movie", swaps=(), after=(0.2, 0.8))
SKIPPED = dataclasses.replace(UNCHANGED, status="skipped", before=(0.8, 0.2), after=(0.8, 0.2), perturbed_label=0)
SOUND = [SUCCESS] * 6 + [FAILURE] * 5 + [SKIPPED]


def raised(*results: AttackResult, attributions: list[Attribution] | None = None) -> set[str]:
    """Return the names of the checks that speak."""
    return {flag.check for flag in raise_flags(results, attributions or [])}


def test_sound_results_raise_nothing() -> None:
    assert raised(*SOUND) == set()
    assert raised() == set()
    assert raised(SKIPPED, SKIPPED) == set()


def test_an_attack_that_helps_the_classifier_is_doubtful() -> None:
    helped = dataclasses.replace(SKIPPED, perturbed_label=1, after=(0.2, 0.8))
    assert raised(UNCHANGED, helped) == {"better_under_attack"}
    unlabelled = dataclasses.replace(helped, example=Example("a good movie", None, "0"))
    assert raised(unlabelled) == set()


@pytest.mark.parametrize(("changed", "unchanged", "doubtful"),
                         [(0, 4, False), (0, 5, True), (1, 18, False), (1, 29, True)])
def test_an_attack_that_hardly_changes_anything_is_doubtful(changed: int, unchanged: int, doubtful: bool) -> None:
    found = raised(*[FAILURE] * changed, *[UNCHANGED] * unchanged)
    assert found == ({"seldom_swaps"} if doubtful else set())


def test_flips_by_unknown_words_are_doubtful_when_they_are_many() -> None:
    unknown = dataclasses.replace(SUCCESS, notes=("Flips only because the model does not know: bad.",))
    assert raised(*[unknown] * 2, *[SUCCESS] * 8) == set()
    assert raised(*[unknown] * 3, *[SUCCESS] * 8) == {"unknown_words_flip"}


def test_texts_past_the_models_end_are_doubtful_when_they_are_many() -> None:
    cut = dataclasses.replace(SUCCESS, notes=("The model reads 50 of 160 words; the rest is left alone.",))
    assert raised(cut, *[SUCCESS] * 19) == set()
    assert raised(cut, *[SUCCESS] * 18) == {"texts_cut_short"}


@pytest.mark.parametrize(("antonyms", "numbers", "others", "doubtful"),
                         [(1, 0, 3, False), (1, 1, 38, False), (1, 1, 37, True), (0, 2, 20, True), (3, 0, 57, False)])
def test_successes_that_mean_something_else_are_doubtful(antonyms: int, numbers: int, others: int,
                                                         doubtful: bool) -> None:
    antonym = dataclasses.replace(SUCCESS, swaps=(SWAP, Swap(2, 6, "good", "bad")))
    number = dataclasses.replace(SUCCESS, swaps=(Swap(0, 3, "two", "four"),))
    found = raise_flags([antonym] * antonyms + [number] * numbers + [SUCCESS] * others)
    assert [flag.check for flag in found] == (["meaning_changes"] if doubtful else [])
    if doubtful:
        assert f"(antonym {antonyms}, number {numbers})" in found[0].finding
    failed = [dataclasses.replace(antonym, status="failed")] * 20
    assert raised(*failed, *[SUCCESS] * 20) == set(), "only successes count"


SHORT = {"window": 15, "skip_short": True, "min_text_similarity": 0.82}


@pytest.mark.parametrize(("below", "others", "doubtful"), [(1, 0, False), (2, 37, True), (2, 38, False), (3, 40, True)])
def test_successes_below_the_threshold_that_was_not_applied_are_doubtful(below: int, others: int,
                                                                         doubtful: bool) -> None:
    low = dataclasses.replace(SUCCESS, attack=SHORT, similarity=0.5)
    found = raise_flags([low] * below + [dataclasses.replace(low, similarity=0.82)] * others)
    assert [flag.check for flag in found] == (["short_texts_uncompared"] if doubtful else [])
    if doubtful:
        share = f"{100 * below / (below + others):.0f} %"
        assert found[0].finding == (f"{share} of the successes are below the similarity threshold: short texts are not "
                                    "compared.")


@pytest.mark.parametrize("change", [
    {"attack": SHORT | {"skip_short": False}}, {"attack": SHORT | {"window": 3}}, {"attack": {"name": "planted"}},
    {"similarity": math.nan}, {"status": "failed"}, {"example": Example(" ".join(["good"] * 15), 1, "0")}])
def test_successes_that_were_compared_raise_nothing(change: dict) -> None:
    result = dataclasses.replace(SUCCESS, **{"attack": SHORT, "similarity": 0.5} | change)
    assert raised(*[result] * 8, SUCCESS) == set()


def test_budgets_that_run_out_are_doubtful() -> None:
    cut = dataclasses.replace(FAILURE, status="exhausted")
    timed_out = dataclasses.replace(FAILURE, status="stopped")
    assert raised(cut, *[SUCCESS] * 9) == set()
    assert raised(cut, timed_out, *[SUCCESS] * 9) == {"budget_runs_out"}


def test_wide_completeness_gaps_are_doubtful() -> None:
    exact = Attribution("a", ((0, 1),), (0.5,), 1, {}, gap=0.0049, steps=50, total=0.5)
    wide = dataclasses.replace(exact, gap=0.0051)
    small = dataclasses.replace(exact, gap=0.0019, total=0.01)
    promises_none = dataclasses.replace(exact, gap=math.nan, total=math.nan)
    assert raised(attributions=[exact, small] * 10 + [wide]) == set()
    assert raised(attributions=[exact, small] * 9 + [wide]) == {"attributions_incomplete"}
    assert raised(attributions=[promises_none] * 5) == set()


def test_warnings_are_finding_and_advice() -> None:
    flag, = raise_flags([UNCHANGED] * 7)
    assert list_warnings([UNCHANGED] * 7) == [f"{flag.finding} {flag.advice}"]
    badly = Attribution("a", ((0, 1),), (0.5,), 1, {}, gap=math.nan, fit=0.4)
    short = dataclasses.replace(SUCCESS, attack=SHORT, similarity=0.5, notes=("The model does not know: bad.",))
    results = [short] * 6 + [dataclasses.replace(short, status="exhausted")] * 2
    found = raise_flags(results, [badly] * 4)
    assert len(found) == 4
    assert [split_warning(w) for w in list_warnings(results, [badly] * 4)] == [(f.finding, f.advice) for f in found]


def test_a_flag_carries_its_finding_and_the_advice_of_the_docstring() -> None:
    flag, = raise_flags([UNCHANGED] * 7)
    assert flag.finding == "No word was changed in 7 of 7 attacked texts."
    assert flag.advice.startswith("The figure then measures candidates and constraints")
    assert "\n" not in flag.advice


@pytest.mark.parametrize("check", CHECKS)
def test_every_check_gives_advice(check: object) -> None:
    first, _, advice = inspect.cleandoc(check.__doc__ or "").partition("\n\n")
    assert first.endswith(".")
    assert len(advice) > 20
