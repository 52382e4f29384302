"""Bad Characters: every text looks as before, whatever is hidden in it; the search by hand."""

import numpy as np
import pytest
from helpers.doubles import BagOfWords, WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from robust_core import ATTACKS
from robust_core.attacks.bad_characters import ANY, KINDS, CharacterSpace
from robust_core.attacks.engine.requests import Target
from robust_core.hidden_characters import is_drawn_alike, render
from robust_core.text import Draft
from robust_core.types import Example

VICTIM = BagOfWords({"good": 2.0, "movie": 0.1, "bad": -2.0}, (0.3, 0.0), id="double/victim")


def make_target(text: str, reach: int | None = None) -> Target:
    draft = Draft.of(text)
    return Target(Example(text, 1, "u"), draft, 1, np.array([0.1, 0.9]), len(draft.words) if reach is None else reach)


def attack(text: str, **parameters):
    """The result on a text; texts are judged as `clean` leaves them."""
    method = ATTACKS["bad-characters"](**{"population": 5, "generations": 3} | parameters)
    return next(e.result for e in method.run([VICTIM], [Example(text, 1, "u")], encoder=WordEncoder()) if e.result)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=25),
       st.sampled_from((*[(kind,) for kind in KINDS], KINDS)), st.integers(1, 6), st.randoms(use_true_random=False))
def test_every_vector_stands_for_a_text_that_looks_the_same(text, kinds, changes, source):
    space = CharacterSpace(make_target(text), kinds)
    if not space:
        return
    vector = np.array([source.random() for _ in range(space.numbers * changes)])
    written = space.write(vector)
    assert written != text and render(written) == render(text) == text


@pytest.mark.parametrize("kind", (*KINDS, ANY))
def test_what_is_hidden_flips_and_is_told(kind):
    r = attack("a good movie", kind=kind)
    assert r.status == "succeeded" and is_drawn_alike("a good movie", r.perturbed)
    assert "Seen: a good movie" in r.notes and any(note.startswith("Written: ") and "U+" in note for note in r.notes)
    assert VICTIM.predict_proba([r.perturbed])[0].argmax() == 0 == r.perturbed_label


def test_the_budget_of_changes_is_kept():
    for most in (1, 3):
        r = attack("bad good good good good good movie", max_changes=most, generations=20)
        assert 1 <= sum(c not in "adebgomviej " for c in r.perturbed) <= most


def test_what_the_model_does_not_read_stays():
    space = CharacterSpace(make_target("good movie and good", reach=2), KINDS)
    rng = np.random.default_rng(0)
    assert all(space.write(rng.random(5 * space.numbers)).endswith(" and good") for _ in range(50))


def test_a_text_without_places_is_left_alone():
    example = Example("42 57", None, "u")
    r = next(e.result for e in ATTACKS["bad-characters"]().run([VICTIM], [example], similarity=False) if e.result)
    assert (r.status, r.perturbed, r.tried) == ("failed", "42 57", False)
