"""Swaps that change what a text says: numbers, antonyms, and how often successes rest on them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import pytest

from robust_core.evaluation.meaning_changes import (
    describe_swap,
    is_antonym_swap,
    is_number_swap,
    list_doubts,
    summarise,
)
from robust_core.resources.meaning import read_numbers
from robust_core.types import AttackResult, Example, Status, Swap


def swap(pair: str) -> Swap:
    """Return the swap written `old/new`."""
    old, new = pair.split("/")
    return Swap(0, len(old), old, new)


def result(pairs: Sequence[str], status: Status = "succeeded") -> AttackResult:
    """Return a result with swaps."""
    return AttackResult(Example("x", 1, "0"), "m", {}, "y", 1, 0, (0.2, 0.8), (0.9, 0.1), 9, 9, 9, 0.9, 0.1, status,
                        tuple(map(swap, pairs)), ())


@pytest.mark.parametrize(("words", "value"), [
    ("zero 0 00 zeros", "0"), ("one One first 1 1st once ones 01", "1"), ("two second twice 2 2nd", "2"),
    ("nineteen nineteenth 19 19th", "19"), ("twenty twentieth twenties 20 20s", "20"), ("forty fortieth 40th", "40"),
    ("hundred hundreds hundredth 100", "100"), ("thousandth 1000", "1000"), ("dozen dozens twelfth twelve", "12"),
    ("1990s 1990's 1990", "1990"), ("two-hour 2-hour second-rate", "2"),
])
def test_equal_numbers_have_equal_values(words: str, value: str) -> None:
    assert {word: read_numbers(word) for word in words.split()} == {word: (value,) for word in words.split()}


@pytest.mark.parametrize("word", ["", "-", "s", "movie", "someone", "often", "tone", "seconds", "minute", "b2b", "²"])
def test_what_is_no_number(word: str) -> None:
    assert read_numbers(word) == ()


def test_numbers_of_several_parts_and_of_any_length() -> None:
    assert read_numbers("twenty-one") == read_numbers("Twenty-first") == ("20", "1")
    assert read_numbers("9" * 10_000) == ("9" * 10_000,)


@pytest.mark.parametrize(("pair", "number", "antonym"), [
    ("two/four", True, False), ("1990/1991", True, False), ("Sixties/Seventies", True, False),
    ("half/two-thirds", True, False), ("two-hour/three-hour", True, False), ("first/second", True, True),
    ("two/2", False, False), ("second/2nd", False, False), ("two/some", False, False), ("film/two", False, False),
    ("good/bad", False, True), ("Good/BAD", False, True), ("hates/loves", False, True), ("good/fine", False, False),
    ("/bad", False, False), ("good/", False, False), ("two/", False, False), ("good/Good", False, False),
])
def test_kinds_of_swaps(pair: str, number: bool, antonym: bool) -> None:
    assert (is_number_swap(swap(pair)), is_antonym_swap(swap(pair))) == (number, antonym)


def test_shares_by_hand() -> None:
    row = summarise([result(["good/bad", "film/movie"]), result(["two/four", "film/movie", "good/evil"]),
                     result(["film/movie"]), result(["film/picture", "nice/fine"]),
                     result(["good/bad", "two/four"], "failed"), result(["good/bad"], "stopped")])
    assert row["antonym_swaps"] == 2 / 8
    assert row["number_swaps"] == 1 / 8
    assert row["antonym_successes"] == 2 / 4 and row["antonym_successes_se"] == pytest.approx(math.sqrt(0.25 / 4))
    assert row["number_successes"] == 1 / 4 and row["number_successes_se"] == pytest.approx(math.sqrt(3 / 16 / 4))
    # Of (1, 1, 0, 0) antonyms in (2, 3, 1, 2) swaps: residuals .5, .25, -.25, -.5 at the ratio 1/4.
    assert row["antonym_swaps_se"] == pytest.approx(math.sqrt(4 / 3 * 0.625) / 8)


def test_nothing_is_undefined_and_one_has_no_error() -> None:
    assert all(math.isnan(value) for value in summarise([result(["good/bad"], "failed")]).values())
    row = summarise([result(["good/bad"])])
    assert row["antonym_swaps"] == row["antonym_successes"] == 1
    assert math.isnan(row["antonym_swaps_se"])


def test_the_error_of_a_share_of_swaps_is_that_of_repeated_draws() -> None:
    rng = np.random.default_rng(0)

    def draw() -> list[AttackResult]:
        # Swaps of a text come together: all of one kind or none, so texts are counted, not swaps.
        return [result([["two/four", "film/movie"][int(rng.random() < 0.7)]] * rng.integers(1, 6)) for _ in range(60)]

    rows = [summarise(draw()) for _ in range(400)]
    spread = np.std([row["number_swaps"] for row in rows])
    assert np.mean([row["number_swaps_se"] for row in rows]) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("pair", "why"), [
    ("often/seldom", "opposites"), ("often/rarely", "opposites"), ("good/bad", "opposites"),
    ("two/four", "another number"), ("was/wasn't", "a negation"), ("never/truly", "a negation lost"),
    ("awful/amazing", "negative to positive"), ("artfully/crudely", "a negative word"),
    ("clever/dodgy", "positive to negative"), ("painful/wonderful", "negative to positive"),
    ("film/movie", ""), ("clever/shrewd", ""), ("good/decent", ""), ("/the", ""), ("good/", ""), ("wonderful/fine", ""),
])
def test_why_a_swap_may_change_the_meaning(pair: str, why: str) -> None:
    assert describe_swap(swap(pair)) == why


def test_doubts_name_each_swap_and_a_threshold_that_was_left_out() -> None:
    odd = result(["often/seldom", "film/movie", "awful/amazing"])
    assert list_doubts(odd) == [
        "May have changed the meaning: often → seldom (opposites); awful → amazing (negative to positive)."]
    record = {"name": "textfooler", "window": 15, "skip_short": True, "min_text_similarity": 0.82}
    short = dataclasses.replace(result(["film/movie"]), attack=record)
    assert list_doubts(short) == ["The similarity threshold 0.82 was not applied: as in TextAttack, texts of fewer "
                                  "than 15 words are not compared (skip short)."]
    long = dataclasses.replace(short, example=Example("x " * 15, 1, "0"))
    assert list_doubts(long) == list_doubts(dataclasses.replace(short, attack=record | {"skip_short": False})) == []
    assert list_doubts(dataclasses.replace(short, swaps=())) == []


@pytest.mark.parametrize(("status", "said"), [("succeeded", True), ("failed", False), ("skipped", False)])
def test_a_flip_of_a_text_that_is_not_english_says_so(status: str, said: bool) -> None:
    text = "ein wunderbarer Film über das Älterwerden"
    german = dataclasses.replace(result(["Film/movie"], status), example=Example(text, 1, "0"))
    assert any(line.startswith("Not English") for line in list_doubts(german)) == said
    assert list_doubts(dataclasses.replace(german, example=Example("a wonderful film about old age", 1, "0"))) == []
