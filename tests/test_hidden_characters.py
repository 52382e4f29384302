"""What a reader sees of a text with hidden characters, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robust_core.hidden_characters import (
    BACKSPACE,
    INVISIBLE,
    LOOK_ALIKES,
    describe_hidden,
    draw,
    is_drawn_alike,
    is_hidden,
    list_parts,
    needs_drawing,
    render,
    spell,
    write_reordered,
)
from robust_core.highlight import highlight_hidden

TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


@given(TEXTS)
def test_plain_text_is_drawn_as_it_is(text):
    assert render(text) == text == spell(text) and not describe_hidden(text, text)


@given(TEXTS, st.characters(min_codepoint=33, max_codepoint=126), st.characters(min_codepoint=33, max_codepoint=126),
       TEXTS)
def test_a_reordering_is_drawn_in_the_first_order(before, one, two, after):
    written = before + write_reordered(one, two) + after
    assert render(written) == before + one + two + after
    assert written.index(two, len(before)) < written.rindex(one, 0, len(written) - len(after))


@given(TEXTS, st.sampled_from(INVISIBLE), st.characters(min_codepoint=33, max_codepoint=126), TEXTS)
def test_what_is_invisible_or_deleted_is_not_drawn(before, unseen, typed, after):
    assert render(before + unseen + after) == render(before + typed + BACKSPACE + after) == before + after


def test_look_alikes_are_one_character_outside_ascii_that_no_other_key_has():
    assert all(plain.isascii() and len(like) == 1 and ord(like) > 127 for plain, like in LOOK_ALIKES.items())
    assert len(set(LOOK_ALIKES.values())) == len(LOOK_ALIKES) and all(map(is_hidden, LOOK_ALIKES.values()))


def test_code_points_stand_for_what_is_hidden():
    assert spell("f\u0456lm\u200d\u200b s") == "f⟨U+0456⟩lm⟨U+200D U+200B⟩ s"
    assert list_parts("a\u0430", "\u0430") == [("a\u0430", False)], "what stood there before is not hidden"
    assert describe_hidden("film", "f\u0456lm\u200b", "f\u0456lm") == [
        "Seen: film", "Written: f⟨U+0456⟩lm⟨U+200B⟩", "Read by the model, which cleans its texts: f⟨U+0456⟩lm",
        "Hidden: U+0456 cyrillic small letter byelorussian-ukrainian i; U+200B zero width space."]
    assert describe_hidden("film", "movie") == []
    assert describe_hidden("film", "filx\bm")[1] == "Written: filx⟨U+0008⟩m"


@pytest.mark.parametrize(("one", "two", "alike"), [
    ("film", "f\u0456lm", True), ("film", "film", False), ("film", "fi1m", False), ("film", "fi\u200clm", True)])
def test_texts_that_look_the_same(one, two, alike):
    assert is_drawn_alike(one, two) == alike


def test_a_drawing_is_escaped():
    drawn = highlight_hidden("<b>\u0430", "<b>a", "Written")
    assert "<b>" not in drawn and "&lt;b&gt;" in drawn and '<ins class="code">U+0430</ins>' in drawn


@given(st.text("ab\b\u200b\u202c\u202d\u202e\u2066\u2069", max_size=30))
def test_what_is_drawn_needs_no_drawing(text):
    assert not needs_drawing(draw(text)) and render(text) == draw(text).replace("\u200b", "")
    assert needs_drawing(text) or draw(text) == text


@pytest.mark.parametrize("unit", ["\u202e", "\u202ea", "\u2066\u202ea\u2069", "\u200b", "\u200b\b", "a\b\b"])
def test_thousands_of_signs_are_drawn(unit):
    assert set(draw(unit * 5000)) <= set("a\u200b")
