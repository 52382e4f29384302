"""Changes that must not matter, and a negation that must."""

import re

import pytest
from helpers.texts import any_text
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.suite.changes import KINDS, change, negate
from robust_core.suite.names import NAMES, PLACES
from robust_core.text import Draft


@settings(max_examples=40)
@given(st.sampled_from(list(KINDS)), any_text, st.integers(1, 5))
def test_changed_texts_are_other_texts_and_the_same_ones_again(kind, text, most):
    found = change(kind, text, most, "0")
    assert len(found) == len(set(found)) <= most and text not in found
    assert change(kind, text, most, "0") == found


@settings(max_examples=40)
@given(any_text)
def test_a_typo_exchanges_two_letters(text):
    for other in change("typos", text, 3, "0"):
        assert sorted(other) == sorted(text) and sum(a != b for a, b in zip(text, other, strict=True)) == 2


@pytest.mark.parametrize(("kind", "text", "found"), [
    ("punctuation", "A film.", {"A film"}), ("punctuation", "A film", {"A film."}),
    ("punctuation", "A film!", {"A film", "A film."}), ("punctuation", "(A film)", set()),
    ("contractions", "It's fine", {"It is fine"}), ("contractions", "it is fine", {"it's fine"}),
    ("contractions", "It's been fun", set()), ("contractions", "what it is.", set()),
    ("contractions", "I'm sure", {"I am sure"}), ("contractions", "WE'RE HERE", {"WE ARE HERE"}),
    ("contractions", "they are not, I am", {"they're not, I am"}),
    ("contractions", "the dog's bone", set()), ("contractions", "Can't stop", {"Can not stop"}),
    ("numbers", "10 films", {"8 films", "9 films", "11 films", "12 films"}), ("numbers", "in 1999, for 2", set()),
    ("numbers", "007 films", set()), ("names", "grace and turkey", set()), ("places", "a nice bath", set())])
def test_what_is_changed_and_what_is_left(kind, text, found):
    assert set(change(kind, text, 50, "0")) == found


def test_all_contractions_are_written_out_together_as_well():
    assert "It is fine, I am sure" in change("contractions", "It's fine, I'm sure", 9, "0")


@pytest.mark.parametrize(("kind", "text", "group"), [
    ("names", "mary saw Mary", NAMES[0]), ("places", "from NEW YORK to new york", PLACES[0]),
    ("places", "made in france", PLACES[1])])
def test_a_member_gives_way_to_one_of_its_group(kind, text, group):
    members = {member.lower() for member in group}
    found = change(kind, text, 5, "0")
    assert found
    for other in found:
        changed = re.fullmatch(r"(?:from |made in )?(.+?)(?: saw (.+)| to (.+))?", other)
        assert changed is not None
        assert {part.lower() for part in changed.groups() if part} <= members | {"mary", "new york"}


def test_a_number_is_replaced_in_all_its_places():
    for other in change("numbers", "350 of 350 films", 5, "0"):
        first, second = re.findall(r"\d+", other)
        assert first == second and 280 <= int(first) <= 420 and first != "350"


@pytest.mark.parametrize(("text", "negated"), [
    ("The film is good.", "The film is not good."), ("IT IS GOOD", "IT IS NOT GOOD"),
    ("the film is not good", None), ("it isn't and was", None), ("a good film", None), ("is it good?", None),
    ("it is only good", None), ("we know what it is", None), ("It will never do", None),
    ("I can see, and it is fine", "I can not see, and it is fine")])
def test_negation(text, negated):
    assert negate(text) == (negated or text)


@settings(max_examples=40)
@given(any_text)
def test_a_negation_adds_one_word(text):
    other = negate(text)
    if other != text:
        assert len(Draft.of(other).words) == len(Draft.of(text).words) + 1
        assert negate(other) == other
