"""Cleaning: Penn tokens become ordinary writing, all else stays; what may be typed."""

import pytest
from helpers.texts import any_text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from robust_core.cleaning import MAX_CHARACTERS, MAX_WORDS, _clean_once, check_typed, clean, clean_row
from robust_core.errors import BadInput
from robust_core.text import find_words

quick = settings(max_examples=300, deadline=None, derandomize=True)


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
