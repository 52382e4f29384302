"""Cleaning, words and gaps, edits, alignment and diff, against slow versions of themselves."""

import functools
import re

import pytest
from helpers.texts import any_text, slow_window, word
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robust_core.errors import BadInput
from robust_core.text import (
    MAX_CHARACTERS,
    MAX_WORDS,
    Draft,
    Edit,
    _clean_once,
    align,
    check_typed,
    clean,
    clean_row,
    diff,
    find_words,
    match_case,
)

quick = settings(max_examples=300, deadline=None, derandomize=True)
few_words = st.lists(st.sampled_from(("a", "b", "c", "A", "dull")), max_size=7)


@pytest.mark.parametrize(("raw", "cleaned"), [
    ("it wo n't work , will it ?", "it won't work, will it?"),
    ("the film 's a hit ... really", "the film's a hit... really"),
    ("-lrb- it 's good -rrb- .", "(it's good)."),
    ("the actors ' best work", "the actors' best work"),
    ("`` so bad '' , they said", '"so bad", they said'),
    ("I\u2019m \u201chere\u201d", "I'm \"here\""),
    ("good<br /><br />bad", "good bad"),
    ("Fish &amp; chips", "Fish & chips"),
    ("gon na see", "gonna see"),
    ("costs $ 5", "costs $5"),
    ("zero\u200bwidth\x00null", "zerowidthnull"),
    ("  many \t blanks\n", "many blanks"),
    ("cafe\u0301", "caf\u00e9"),
    ("[MASK] [SEP] <script>alert(1)</script>", "[MASK] [SEP] <script>alert(1)</script>"),
    ("a plain sentence, untouched: 3.5% (yes)!", "a plain sentence, untouched: 3.5% (yes)!"),
    ("", ""),
])
def test_clean_writes_penn_tokens_and_typed_text_alike(raw, cleaned):
    assert clean(raw) == cleaned


@pytest.mark.parametrize("text", [
    "It was :( because", "I loved it :)", "so bad :-( really",
    "fine ;-) then", "<3 it", "a \\o/ moment", "meh =/ ok :D",
    "sad :'( yes", "oh :(", "well (: yes",
    "a film \U0001fae8 of note",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 film", "\U0001f3f4\U000e0067\U000e007f",
    "\u2764\ufe0f it",
    "see &copy=2 here; and", "a &lt b; c", "issue #39; it is", "?!?! what",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "a .5 chance",
])
def test_cleaning_leaves_what_is_no_penn_token(text):
    assert clean(text) == text


@pytest.mark.parametrize(("raw", "cleaned"), [
    ("it #39;s over", "it's over"), ("by .%/yr.", "by.%/yr."), ("driving !!Don't", "driving!!Don't"),
    ("( nyse : KG )", "(nyse: KG)"), ("a\\nb", "a nb"), ("PeopleSoft (PSFT ).", "PeopleSoft (PSFT)."),
])
def test_rows_of_data_sets_lose_more(raw, cleaned):
    assert clean_row(raw) == cleaned


@quick
@given(any_text)
@example("<b" * 30 + ">" * 30)
def test_a_cleaned_row_is_a_cleaned_text(text):
    once = clean_row(text)
    assert clean_row(once) == once == clean(once)


@quick
@given(any_text)
@example("<b" * 30 + ">" * 30)
@example("#35;" + "35;" * 30)
@example("&" + "amp;" * 30)
@example("&" + "#38;" * 30 + "lt;b>")
def test_cleaning_a_cleaned_text_changes_nothing(text):
    once = clean(text)
    assert clean(once) == once
    assert once == once.strip()
    assert "\x00" not in once and "  " not in once


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


@pytest.mark.parametrize(("text", "message"), [
    ("", "The text is empty: type a sentence"),
    (" \t\n\x00\u200b ", "The text is empty"),
    ("?! ...", "The text has no words"),
    ("\U0001f600 \U0001f600", "The text has no words"),
    ("a " + "\u4e00" * 201, "The word .* has 201 characters; 200 are the limit"),
    ("word " * (MAX_WORDS + 1), f"The text is too long: {MAX_WORDS + 1} words; {MAX_WORDS} are the limit"),
    ("word " * 10_000, "The text is too long: 10,000 words; 400 are the limit"),
    ("x" * (MAX_CHARACTERS + 1), "The text is too long: 20,001 characters; 20,000 are the limit"),
    ("x" * (MAX_CHARACTERS * 5 + 1), "The text is too long: 100,001 characters; 400 words are the limit"),
])
def test_unusable_text_is_named_in_one_line(text, message):
    with pytest.raises(BadInput, match=message) as caught:
        check_typed(text)
    assert "\n" not in str(caught.value)


def test_typed_text_comes_back_cleaned():
    assert check_typed(" it wo n't do . ") == "it won't do."
    assert len(find_words(check_typed("word " * MAX_WORDS))) == MAX_WORDS
    assert check_typed("three words here", max_words=3) == "three words here"
    with pytest.raises(BadInput, match="4 words; 3 are the limit"):
        check_typed("now four words here", max_words=3)


@given(st.lists(st.sampled_from(["do", "n't", "N't", "it", "'s", "s", "gon", "na", "Got", "ta", "amp", "x-y",
                                 "o'er", "9", "lrb", "movie", "br"]), max_size=8),
       st.lists(st.sampled_from([" ", ", ", " , ", ". ", "  ", "; ", "-", "'"]), min_size=8, max_size=8),
       st.sampled_from(["", ".", " .", "!", "?", ",", "'"]))
def test_the_short_way_through_cleaning_changes_nothing(words, gaps, end):
    text = "".join(word + gap for word, gap in zip(words, gaps, strict=False)).strip() + end
    settled = text
    for _ in range(4):
        settled = _clean_once(settled)
    assert clean(text) == settled
