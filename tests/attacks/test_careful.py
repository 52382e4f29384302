"""Presets: records keep their names, and under `careful` every swap comes from the stored set and fits its sentence."""

import math

import pytest
from helpers.doubles import BagOfWords, WordEncoder
from hypothesis import given
from hypothesis import strategies as st

from robust_core import ATTACKS, datasets
from robust_core.attacks import careful, presets
from robust_core.attacks.careful import CAREFUL_SIMILARITY, CloseSwaps, make_edit
from robust_core.attacks.presets import CAREFUL, PAPER, choose_preset, name_preset, read_preset
from robust_core.errors import BadInput, UnknownName
from robust_core.models import loading
from robust_core.registry import from_record, parameters, to_record
from robust_core.resources import close_swaps, fingerprints, stop_words, tag
from robust_core.text import Draft, find_words
from robust_core.types import Example

CAREFUL_ATTACKS = [name for name in ATTACKS if CAREFUL in ATTACKS[name].PRESETS]
OTHERS = [name for name in ATTACKS if name not in CAREFUL_ATTACKS]


def make(name: str, **more):
    return ATTACKS[name](**read_preset(ATTACKS[name], CAREFUL) | more)


@pytest.fixture(scope="module")
def reviews():
    return [e for e in datasets.load("reviews", "test") if 5 <= len(find_words(e.text)) <= 25][:12]


@pytest.mark.parametrize("name", CAREFUL_ATTACKS)
def test_careful_swaps_come_from_the_set_and_the_text_stays_close(name, reviews):
    """On a real model: each changed word is a close swap of the word that stood there, as what it was there."""
    model = loading.load("sst2/cnn/base", "cpu")
    small = {"generations": 3, "population": 10}
    limits = {"max_queries": 1500} | {field: value for field, value in small.items() if hasattr(ATTACKS[name], field)}
    changed = 0
    for event in make(name, **limits).run([model], reviews, precision="screened"):
        if event.result is None:
            continue
        result, draft = event.result, Draft.of(event.result.example.text)
        after, tags = Draft.of(result.perturbed), tag(draft.words)
        assert len(after.words) == len(draft.words) and after.gaps == draft.gaps
        for i, (old, new) in enumerate(zip(draft.words, after.words, strict=True)):
            if old == new:
                continue
            if old.lower() in ("a", "an"):
                assert new.lower() in ("a", "an") and after.words[i + 1] != draft.words[i + 1]
                continue
            assert new.lower() in {other for other, _ in close_swaps(old, tags[i])}
            assert old.lower() not in stop_words() and new.lower() not in stop_words()
            changed += 1
        if result.swaps:
            assert result.similarity >= CAREFUL_SIMILARITY - 1e-4
    assert changed, "nothing was changed in any of these reviews"


def test_a_text_without_swaps_was_not_put_to_the_test():
    victim = BagOfWords({"it": 1.0}, (0.0, 0.0), id="double/victim")
    [result] = [e.result for e in make("textfooler").run([victim], [Example("it is what it is", None, "u")],
                                                         encoder=WordEncoder()) if e.result]
    assert (result.status, result.tried, result.queries) == ("failed", False, 1)


@pytest.mark.parametrize("name", ATTACKS)
def test_the_recipes_own_record_is_what_it_was(name):
    """Parameters that came with the presets are no part of a record of the recipe."""
    record = to_record(ATTACKS[name]())
    assert not {p.name for p in parameters(ATTACKS[name]) if p.later} & set(record)
    assert from_record(ATTACKS, record) == ATTACKS[name]()
    assert name_preset(record) == PAPER


@pytest.mark.parametrize("name", CAREFUL_ATTACKS)
def test_a_careful_record_comes_back_and_is_named(name):
    attack = make(name, max_queries=7, time_limit=3.0)
    record = to_record(attack)
    assert record["swap_set"] == careful.CLOSE and record["min_text_similarity"] == CAREFUL_SIMILARITY
    assert from_record(ATTACKS, record) == attack and name_preset(record) == CAREFUL
    assert name_preset(record | {"min_text_similarity": 0.5}) == ""
    assert choose_preset(ATTACKS[name]) == CAREFUL
    rests = attack.rests_on()
    assert "table close-swaps" in rests and not {"table neighbours", "table wordnet"} & set(rests)
    assert fingerprints.SWAPS not in ATTACKS[name]().list_uses()


@pytest.mark.parametrize("name", OTHERS)
def test_an_attack_without_careful_says_why(name):
    assert choose_preset(ATTACKS[name]) == PAPER and ATTACKS[name].not_careful
    with pytest.raises(BadInput, match="has no preset careful: it "):
        read_preset(ATTACKS[name], CAREFUL)


def test_an_unknown_preset_is_refused():
    with pytest.raises(UnknownName, match="preset"):
        read_preset(ATTACKS["pwws"], "cautious")
    assert presets.NAMES == (CAREFUL, PAPER)


@pytest.mark.parametrize(("text", "position", "word", "after"), [
    ("a clever film", 1, "astute", "an astute film"), ("An honest film", 1, "frank", "A frank film"),
    ("A clever film", 1, "astute", "An astute film"), ("AN ODD FILM", 1, "STRANGE", "A STRANGE FILM"),
    ("the clever film", 1, "astute", "the astute film"), ("a, clever film", 1, "astute", "a, astute film"),
    ("clever film", 0, "astute", "astute film"), ("a clever film", 2, "epic", "a clever epic"),
])
def test_an_article_is_put_right(text, position, word, after):
    draft = Draft.of(text)
    assert draft.apply(make_edit(draft, position, word)).text == after


@given(st.lists(st.sampled_from(["a", "an", "A", "the", "clever", "odd", "film", "hour", "story"]), min_size=1,
                max_size=8), st.data())
def test_an_edit_touches_its_word_and_at_most_the_article_before(words, data):
    draft = Draft.of(" ".join(words))
    position = data.draw(st.integers(0, len(words) - 1))
    new = draft.apply(make_edit(draft, position, "uneven"))
    assert new.words[position] == "uneven" and len(new.words) == len(words)
    different = [i for i, (one, other) in enumerate(zip(words, new.words, strict=True)) if one != other]
    assert set(different) <= {position - 1, position}
    if position - 1 in different:
        assert words[position - 1].lower() == "a" and new.words[position - 1].lower() == "an"


def test_swaps_fit_the_part_of_speech_in_the_sentence():
    """What a word may become depends on what it is: a film is a noun, to film is not."""
    noun = CloseSwaps(Draft.of("the film was good"))
    assert set(noun.at(1)) <= {other for other, _ in close_swaps("film", "NOUN")}
    assert noun.at(0) == noun.at(2) == []


def test_members_of_a_population_that_go_too_far_go_back(monkeypatch):
    """With a threshold that nothing reaches, no text is changed; without one, some are."""
    victim = loading.load("sst2/cnn/base", "cpu")
    review = [e for e in datasets.load("reviews", "test") if 8 <= len(find_words(e.text)) <= 20][:3]
    for threshold, expected in ((1.0, False), (-1.0, True)):
        attack = make("gene", max_queries=800, generations=2, population=6, min_text_similarity=threshold)
        results = [e.result for e in attack.run([victim], review) if e.result]
        assert any(result.swaps for result in results) == expected
        assert all(not math.isnan(result.similarity) for result in results)
