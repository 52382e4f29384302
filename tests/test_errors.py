"""Every error is one short line, and arrives from a worker process as it was raised."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core import errors
from robust_core.errors import (
    LONGEST_MESSAGE,
    LONGEST_QUOTE,
    BadInput,
    Incompatible,
    MissingResource,
    RobustError,
    UnknownName,
    list_names,
    quote,
    shorten,
)

MADE = {
    BadInput: BadInput("The text is empty."),
    Incompatible: Incompatible("CNN and FreeLB do not fit."),
    MissingResource: MissingResource("The encoder all", "Give a folder that holds it."),
    RobustError: RobustError("It cannot be."),
    UnknownName: UnknownName("model", "nosuch", ["sst2/cnn/base", "sst2/lstm/base"]),
}


def test_every_error_is_made_here():
    assert {kind for kind in vars(errors).values()
            if isinstance(kind, type) and issubclass(kind, RobustError)} == set(MADE)


@pytest.mark.parametrize("error", MADE.values(), ids=lambda error: type(error).__name__)
def test_an_error_comes_out_of_a_pickle_as_it_went_in(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


@pytest.mark.parametrize("error", MADE.values(), ids=lambda error: type(error).__name__)
def test_an_error_comes_out_of_json_as_it_went_in(error):
    again = errors.from_plain(json.loads(json.dumps(errors.to_plain(error))))
    assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)


@given(st.text(max_size=3000), st.lists(st.text(max_size=400), max_size=60))
def test_a_message_is_one_line_of_bounded_length(typed, known):
    for error in (BadInput(typed), MissingResource(typed, typed), UnknownName("model", typed, known)):
        assert len(str(error)) <= LONGEST_MESSAGE
        assert len(str(error).splitlines()) <= 1
        assert all(c.isprintable() for c in str(error))


def test_what_was_typed_is_cut():
    assert quote("a" * 1000) == repr("a" * (LONGEST_QUOTE - 1) + "…")
    assert quote("two\nlines\0") == "'two lines'"
    assert quote(3) == "3"
    assert quote(10**5000) == "a value of type int"


def test_a_long_text_is_not_looked_at_to_its_end():
    assert shorten("a" * 10**8, 10) == "a" * 9 + "…"
    assert shorten(" " * 50 + "b", 10) == "…"


def test_of_many_names_the_nearest_are_listed():
    known = [f"sst2/cnn/base@{i}" for i in range(400)]
    assert "Near: sst2/cnn/base@" in str(UnknownName("model", "sst2/cnn/bse", known))
    assert "more" in str(UnknownName("model", "zzz", known))
    assert len(str(UnknownName("model", "zzz", known))) < 250
    assert list_names([]) == "none"
    assert list_names(["a", "b"]) == "a, b"
