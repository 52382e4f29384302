"""Pairs of texts: written as one text and taken apart again, and what may change of them."""

import dataclasses
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core import datasets, records
from robust_core.attacks.goals import find_locked
from robust_core.errors import BadInput
from robust_core.highlight import highlight_hidden, highlight_words, make_inline_changes
from robust_core.parts import BOUNDARY, Frame, has_parts, join_parts, show_parts, split_parts, write_plain
from robust_core.text import Draft, Swap, diff, find_words
from robust_core.types import Attribution, Example

NLI = {"premise": "A man sleeps.", "hypothesis": "Nobody is awake"}
PART = st.text(st.characters(exclude_characters=BOUNDARY, exclude_categories=("Cs",)))


@given(PART, PART)
def test_splitting_undoes_joining_and_words_stay_the_same(first, second):
    whole = join_parts((first, second))
    assert split_parts(whole) == (first, second)
    shift = len(first) + len(BOUNDARY)
    moved = tuple((start + shift, end + shift) for start, end in find_words(second))
    assert tuple(map(tuple, find_words(whole))) == (*map(tuple, find_words(first)), *moved)
    assert Draft.of(whole).text == whole


@given(PART, PART, PART)
def test_a_frame_takes_out_what_it_puts_in(before, text, after):
    frame = Frame(before, after)
    assert frame.take(frame.put(text)) == text


@pytest.mark.parametrize(("attackable", "changeable"), [
    (("premise",), "A man sleeps."), (("hypothesis",), "Nobody is awake"), ((), "Nobody is awake"),
    (("hypothesis", "premise"), f"A man sleeps.{BOUNDARY}Nobody is awake")])
def test_what_may_change_is_one_part_or_both(attackable, changeable):
    example = Example.of_parts(NLI, 1, "u", attackable)
    assert example.changeable == changeable and example.frame.put(changeable) == example.text
    assert example.texts == NLI and example.label == 1 and has_parts(example.text)
    kept = Example(**json.loads(json.dumps(records.to_example_record(example))))
    assert kept == example and hash(kept) == hash(example)


def test_a_single_text_is_what_it_was():
    example = Example("A man sleeps.", 0, "u")
    assert (example.parts, example.texts, example.frame, example.changeable) == ((), {}, ("", ""), example.text)
    assert records.to_example_record(example) == {"text": "A man sleeps.", "label": 0, "uid": "u"}
    assert datasets.hash_examples([example]) == hashlib.sha256(b"0\tA man sleeps.\n").hexdigest()


def test_pairs_are_another_data_set_where_other_parts_may_change():
    one = Example.of_parts(NLI, 0, "u")
    others = [Example(write_plain(one.text), 0, "u"), Example.of_parts(NLI, 0, "u", ("premise",)),
              Example.of_parts({"a": NLI["premise"], "b": NLI["hypothesis"]}, 0, "u")]
    assert len({datasets.hash_examples([example]) for example in (one, *others)}) == 4


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Example("one text", parts=("a", "b"), attackable=("a",)), "two texts with two different names"),
    (lambda: Example(join_parts("ab")), "two texts with two different names"),
    (lambda: Example(join_parts("abc"), parts=("a", "b", "c"), attackable=("a",)), "two texts"),
    (lambda: Example.of_parts({"premise": "x", "hypothesis": " "}), "the hypothesis is empty"),
    (lambda: Example(join_parts("ab"), parts=("a", "b")), "Say which part of a pair may be changed: a, b"),
    (lambda: Example.of_parts(NLI, attackable=("text",)), "There is no part"),
    (lambda: Example.of_parts(NLI | {"premise": f"a{BOUNDARY}b"}), r"U\+FDD0"),
])
def test_pairs_that_are_none(make, message):
    with pytest.raises(BadInput, match=message):
        make()


def test_changes_lie_in_their_part():
    before, after = join_parts(("good film", "bad story")), join_parts(("good old film", "so bad st ory"))
    assert diff(before, after) == (Swap(4, 4, "", "old"), Swap(10, 10, "", "so"), Swap(13, 13, "", "st"),
                                   Swap(14, 19, "story", "ory"))
    same = diff(join_parts(("a b", "c")), join_parts(("a b", "b c")))
    assert same == (Swap(4, 4, "", "b"),)
    assert diff(join_parts(("a b", "b")), join_parts(("a", "b"))) == (Swap(2, 3, "b", ""),)


def test_a_name_at_the_start_of_the_second_part_is_known_by_another_place():
    text = join_parts(("He met Ann.", "Old Ann left"))
    draft = Draft.of(text)
    assert {draft.words[i] for i in find_locked(draft, (), True, False)} == {"Ann"}


def test_the_boundary_is_shown_and_parts_are_named():
    text, names = join_parts(("A <b> film.", "It is good")), ("premise", "a<b")
    shown = highlight_words(text, parts=names)
    assert '<b class="part">premise</b>' in shown and '<br><b class="part">a&lt;b</b>' in shown
    assert BOUNDARY not in shown and BOUNDARY not in highlight_words(text) + highlight_hidden(text, "")
    changed = make_inline_changes(text, text.replace("good", "fine"), parts=names)
    assert "<del>good</del> <ins>fine</ins>" in changed and BOUNDARY not in changed
    attribution = Attribution(text, find_words(text), (0.0,) * 6, 0, {"name": "ig"}, 0.0, parts=names)
    assert "premise</b>" in attribution._repr_html_()
    assert BOUNDARY not in dataclasses.replace(attribution, parts=())._repr_html_()
    assert show_parts(text) == "A <b> film. \u2016 It is good"
