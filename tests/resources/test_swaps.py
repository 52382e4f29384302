"""The set of close swaps: what it never holds, how it is chosen, and that it is read as it was written."""

import numpy as np
import pytest

from robust_core.resources import antonyms, stop_words
from robust_core.resources._tables import TABLES, load_arrays, unpack_words
from robust_core.resources.build import swaps
from robust_core.resources.meaning import describe_change, describe_meaning, read_numbers
from robust_core.resources.swap_table import PARTS, begins_with_vowel, close_swaps, is_name, list_close_swaps


@pytest.fixture(scope="module")
def everything() -> dict[tuple[str, str], tuple[tuple[str, float], ...]]:
    """All swaps of the packed set, by word and part of speech."""
    table = load_arrays("swaps.npz", "swaps")
    words = unpack_words(table["words"])
    return {(words[row], PARTS[part]): close_swaps(words[row], PARTS[part])
            for row, part in zip(table["word"].tolist(), table["part"].tolist(), strict=True)}


def test_no_swap_changes_what_is_said(everything):
    """No opposites, numbers, negations, names, function words or other sentiments, on either side."""
    assert len(everything) > 5_000
    for (word, _), found in everything.items():
        for other, cosine in found:
            assert not describe_change(word, other), (word, other)
            assert other not in antonyms(word) and word not in antonyms(other)
            assert not {word, other} & stop_words() and not is_name(word) and not is_name(other)
            assert not read_numbers(word) and not read_numbers(other)
            assert swaps.LISTED - 0.01 <= cosine <= 1.0 and word != other


@pytest.mark.textattack
def test_every_swap_has_the_inflection_of_its_word(everything):
    """Of a sample: whatever form the old word may be, the new one is it too."""
    for word, part in sorted(everything)[::17]:
        for other, _ in everything[word, part]:
            assert swaps.fits(word, other, part), (word, other, part)


@pytest.mark.textattack
@pytest.mark.parametrize(("word", "other", "part", "fitting"), [
    ("becomes", "become", "VERB", False), ("films", "movies", "NOUN", True),
    ("films", "movie", "NOUN", False), ("took", "walked", "VERB", True),
    ("clever", "smarter", "ADJ", False), ("smart", "clever", "ADJ", True), ("quickly", "rapidly", "ADV", True),
    ("convincing", "convince", "ADJ", False), ("xyzzy", "movie", "NOUN", False),
])
def test_a_swap_must_be_able_to_take_every_form_of_its_word(word, other, part, fitting):
    assert swaps.fits(word, other, part) == fitting


@pytest.mark.textattack
def test_only_what_is_listed_or_very_near_is_chosen():
    near = {"movie": [("film", swaps.RELATED), ("flick", swaps.LISTED), ("opera", 0.99), ("films", 0.9),
                      ("picture", swaps.LISTED - 0.01), ("drama", swaps.RELATED - 0.01)]}
    listed = {part: {("flick", "movie"), ("movie", "picture")} for part in PARTS}
    related = {part: {("film", "movie"), ("drama", "movie")} for part in PARTS}
    words = ["movie", "film", "flick", "opera", "films", "picture", "drama"]
    found = swaps.choose_swaps(near, words, listed, related, set())
    assert found == {("movie", "NOUN"): [("film", swaps.RELATED), ("flick", swaps.LISTED)]}
    assert swaps.choose_swaps(near, words, listed, related, {("film", "movie"), ("flick", "movie")}) == {}
    assert swaps.choose_swaps(near, [w for w in words if w != "film"], listed, related, set()) == {
        ("movie", "NOUN"): [("flick", swaps.LISTED)]}


def test_other_words_have_no_swaps():
    assert close_swaps("", "NOUN") == close_swaps("the", "DET") == close_swaps("film", "X") == ()
    assert close_swaps("Film", "NOUN") == close_swaps("film", "NOUN")
    assert set(list_close_swaps("film")) == {other for part in PARTS for other, _ in close_swaps("film", part)}


@pytest.mark.parametrize(("word", "vowel"), [("astute", True), ("clever", False), ("Odd", True), ("", False)])
def test_articles(word, vowel):
    assert begins_with_vowel(word) == vowel


def test_words_whose_letter_misleads_are_known():
    odd = unpack_words(load_arrays("swaps.npz", "swaps")["odd_articles"])
    assert begins_with_vowel("honest") == ("honest" in odd)
    assert begins_with_vowel("unique") == ("unique" not in odd)
    assert {"honest", "unique"} & set(odd)


def test_names_are_flagged():
    assert describe_change("scorsese", "spielberg") == "a name"
    assert describe_change("scorsese", "Scorsese") == ""
    assert describe_meaning("film", "the") == "a function word" and describe_meaning("the", "film")


def test_it_is_small():
    assert (TABLES / "swaps.npz").stat().st_size <= 1_000_000
    assert load_arrays("swaps.npz", "swaps")["cosine"].dtype == np.uint8
