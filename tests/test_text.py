"""Words and gaps, edits, alignment and diff, against slow versions of themselves."""

import functools
import re

import pytest
from helpers.texts import any_text, slow_window, word
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robust_core.cleaning import MAX_WORDS, clean
from robust_core.text import Draft, Edit, align, diff, find_words, match_case

quick = settings(max_examples=300, deadline=None, derandomize=True)
few_words = st.lists(st.sampled_from(("a", "b", "c", "A", "dull")), max_size=7)


def slow_words(text: str) -> list[str]:
    """TextAttack's words: of each chunk between blanks the runs of word characters, without signs at both ends."""
    found = []
    for chunk in text.split():
        found += [run.strip("'-_*@") for run in re.findall(r"[\w'\-_*@]+", chunk.strip("'-_*@"))]
    return [run for run in found if run]


@quick
@given(any_text)
def test_words_are_those_of_textattack(text):
    text = clean(text)
    assert [text[start:end] for start, end in find_words(text)] == slow_words(text)


@quick
@given(any_text)
def test_a_draft_is_its_text_again(text):
    draft = Draft.of(text)
    assert draft.text == text
    assert draft.spans == find_words(text)
    assert tuple(text[start:end] for start, end in draft.spans) == draft.words
    assert len(draft.gaps) == len(draft.words) + 1


@pytest.mark.parametrize(("text", "edit", "edited"), [
    ("a good, clever film.", Edit(1, 2, ("fine",)), "a fine, clever film."),
    ("a good, clever film.", Edit(1, 2, ()), "a, clever film."),
    ("a good, clever film.", Edit(0, 1, ()), "good, clever film."),
    ("a good, clever film.", Edit(3, 4, ()), "a good, clever."),
    ("a good, clever film.", Edit(0, 0, ("such",)), "such a good, clever film."),
    ("a good, clever film.", Edit(2, 2, ("very",)), "a good, very clever film."),
    ("a good, clever film.", Edit(4, 4, ("indeed",)), "a good, clever film indeed."),
    ("a good, clever film.", Edit(1, 3, ("brilliant",)), "a brilliant film."),
    ("a good, clever film.", Edit(1, 2, ("really", "fine")), "a really fine, clever film."),
    ("(good)", Edit(0, 1, ()), "()"),
    ("film", Edit(0, 1, ()), ""),
    ("", Edit(0, 0, ("film",)), "film"),
    ("!", Edit(0, 0, ("film",)), "!film"),
])
def test_edits(text, edit, edited):
    assert Draft.of(text).apply(edit).text == edited


@quick
@given(any_text, st.data())
def test_an_edit_touches_nothing_but_its_words(text, data):
    draft = Draft.of(clean(text))
    n = len(draft.words)
    start = data.draw(st.integers(0, n))
    end = data.draw(st.integers(start, n))
    new = tuple(data.draw(st.lists(word, max_size=2)))
    edited = draft.apply(Edit(start, end, new))
    assert edited.words == draft.words[:start] + new + draft.words[end:]
    assert len(edited.gaps) == len(edited.words) + 1
    assert edited.gaps[:start] == draft.gaps[:start]
    assert edited.gaps[len(edited.gaps) - (n - end):] == draft.gaps[end + 1:]


@quick
@given(any_text, st.data())
def test_the_words_of_an_edited_text_are_those_of_the_edited_draft(text, data):
    draft = Draft.of(clean(text))
    n = len(draft.words)
    start = data.draw(st.integers(0, n))
    end = data.draw(st.integers(start, min(n, start + 1)))
    edited = draft.apply(Edit(start, end, tuple(data.draw(st.lists(word, max_size=1)))))
    assert Draft.of(edited.text).words == edited.words


@pytest.mark.parametrize("count", [1, 2, 5, 14, 15, 16, 31])
@pytest.mark.parametrize("size", [1, 2, 4, 15])
def test_window_is_that_of_textattack(count, size):
    words = [f"w{i}" for i in range(count)]
    draft = Draft.of('"' + ", ".join(words) + '."')
    for centre in range(count):
        first, last = slow_window(words, centre, size)
        assert draft.window(centre, size) == ", ".join(words[first: last + 1])


@pytest.mark.parametrize(("word", "like", "cased"), [
    ("fine", "good", "fine"), ("Fine", "good", "fine"), ("fine", "Good", "Fine"), ("fine", "GOOD", "FINE"),
    ("fine", "I", "Fine"), ("fine", "GoOd", "fine"), ("fine", "3D", "FINE"), ("mcDonald", "Good", "McDonald"),
    ("fine", "", "fine"), ("fine", "7", "fine"),
])
def test_match_case(word, like, cased):
    assert match_case(word, like) == cased


def cost(a: list[str], b: list[str], pairs: list) -> tuple[int, int]:
    """Edits of an alignment, and how many of them pair unequal words."""
    unequal = sum(i is not None and j is not None and a[i].lower() != b[j].lower() for i, j in pairs)
    return unequal + sum(i is None or j is None for i, j in pairs), unequal


def least_cost(a: list[str], b: list[str]) -> tuple[int, int]:
    """The same of the best alignment, by trying all."""
    @functools.cache
    def best(i: int, j: int) -> tuple[int, int]:
        if i == len(a) or j == len(b):
            return (len(a) - i + len(b) - j, 0)
        swap = int(a[i].lower() != b[j].lower())
        return min(tuple(map(sum, zip(rest, step, strict=True))) for rest, step in (
            (best(i + 1, j + 1), (swap, swap)), (best(i + 1, j), (1, 0)), (best(i, j + 1), (1, 0))))
    return best(0, 0)


@quick
@given(few_words, few_words)
def test_alignment_has_the_fewest_edits_and_most_equal_words(a, b):
    pairs = align(a, b)
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))
    assert cost(a, b, pairs) == least_cost(a, b)


def apply_diff(original: str, swaps: tuple) -> list[str]:
    """Rebuild the perturbed words from the original's and the swaps, going from left to right."""
    words, spans = list(Draft.of(original).words), list(find_words(original))
    rebuilt = []
    for start, end, old, new in swaps:
        while spans and spans[0].start < start:
            spans.pop(0)
            rebuilt.append(words.pop(0))
        if old:
            assert spans.pop(0) == (start, end) and words.pop(0) == old == original[start:end]
        if new:
            rebuilt.append(new)
    return rebuilt + words


@quick
@given(few_words.map(" ".join), few_words.map(", ".join))
@example("", "a b")
@example("a b", "")
@example("dull", "a dull b")
def test_the_diff_turns_the_original_into_the_perturbed_words(original, perturbed):
    assert apply_diff(original, diff(original, perturbed)) == list(Draft.of(perturbed).words)
    assert diff(original, original) == ()


def test_diff_names_swaps_deletions_and_insertions_in_place():
    assert diff("A good movie.", "A fine movie.") == ((2, 6, "good", "fine"),)
    assert diff("A good movie.", "A movie.") == ((2, 6, "good", ""),)
    assert diff("A good movie.", "A very good movie.") == ((1, 1, "", "very"),)
    assert diff("A good movie.", "a good movie.") == ((0, 1, "A", "a"),)


def test_diff_of_long_texts_is_not_slow():
    a = " ".join(f"w{i}" for i in range(MAX_WORDS))
    b = " ".join(f"v{i}" for i in range(MAX_WORDS))
    assert len(diff(a, b)) == MAX_WORDS
