"""Typos: the nearest known word, found fast and by a slow twin, and the models that read it."""

import dataclasses
import json
import time

import numpy as np
import pytest
from helpers.cli import invoke, refused, rows
from helpers.models import draw_additive, word_model
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import datasets
from robust_core.certify.word_swaps import WordCertifier
from robust_core.errors import BadInput, Incompatible
from robust_core.models import loading
from robust_core.models.bounded import bound_correction
from robust_core.models.networks.cnn_lstm import WordCNN
from robust_core.models.spelling import SHORTEST, SHORTEST_OF_TWO, Spelling, is_one_edit, is_two_edits, read_spelling
from robust_core.models.tokens import WholeWords, WordVocabulary
from robust_core.models.typos import read_typos
from robust_core.resources.pos import is_listed, rank_word
from robust_core.resources.swap_sets import SwapSet
from robust_core.types import Example

KNOWN = ("movie", "wonderful", "brilliant", "dialogue", "terrible", "actor", "actors", "not", "n't")


def measure_distance(a: str, b: str) -> int:
    """Count letters left out, added or replaced and neighbours exchanged, by the table of all prefixes."""
    table = [[i + j if not i * j else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i][j] = min(table[i][j], table[i - 2][j - 2] + 1)
    return table[-1][-1]


@given(st.text("abé", max_size=5), st.text("abé", max_size=5))
def test_one_edit_is_what_the_table_of_prefixes_says(a, b):
    assert is_one_edit(a, b) == is_one_edit(b, a) == (measure_distance(a, b) == 1)


@given(st.lists(st.text("abkqx'", min_size=1, max_size=7), unique=True, max_size=40), st.text("abkqx'", max_size=8))
@settings(max_examples=300)
def test_the_nearest_word_is_the_slow_twins(words, word):
    found = Spelling(tuple(words)).find(word) if word not in words else None
    near = [] if word in words or len(word) < SHORTEST or is_listed(word) else [
        (rank_word(other), at, other) for at, other in enumerate(words) if measure_distance(word, other) == 1]
    assert found == (min(near)[2] if near else None)


@pytest.mark.parametrize(("typed", "read"), [
    ("moviee", "movie"), ("mvoie", "movie"), ("movi", "movie"), ("novie", "movie"), ("wonderfull", "wonderful"),
    ("brillant", "brilliant"), ("dialoge", "dialogue"), ("actorz", "actors"), ("MOVIEE", "movie"),
    # No word near, too short, a number, an English word that the model does not know, no word at all.
    ("mooviie", None), ("nto", None), ("movie2", None), ("action", None), ("movies", None), ("", None),
    ("a" * 500, None)])
def test_what_is_mended(typed, read):
    tokens = WholeWords(KNOWN, 50, typos=True)
    assert tokens.read_as(typed.lower()) == (read or typed.lower())
    assert tokens.unit_ids(typed) == (() if not typed else (tokens._index[read] if read else 1,))
    assert WholeWords(KNOWN, 50).unit_ids(typed) == (() if not typed else (1,))


def test_the_more_frequent_word_is_taken_then_the_first():
    assert rank_word("actors") < rank_word("actor") < rank_word("nosuchword")
    assert Spelling(("actor", "actors")).find("actorz") == "actors"
    assert Spelling(("qqqqa", "qqqqb")).find("qqqqc") == "qqqqa"
    assert Spelling(()).find("movie") is None


def test_pieces_of_words_are_mended_one_by_one():
    tokens = WordVocabulary((*KNOWN, "do"), 50, typos=True)
    assert tokens.decode(tokens.encode("A wonderfull-moviee, don't").ids) == "<unk> wonderful movie do n't"


def test_a_typed_text_is_read_in_milliseconds():
    words = loading.load("sst2/additive/close", "cpu").tokens.words
    read_spelling(words).find("moviee")
    tokens = dataclasses.replace(WholeWords(words, 400), typos=True)
    tokens.unit_ids("moviez")
    text = ("the moviee was an absolutly wonderfull peice of cinemaa with brillant dialoge throghout its lenght " * 3)
    seconds = []
    for _ in range(5):
        tokens.__dict__.pop("_units", None)
        started = time.perf_counter()
        tokens.encode(text)
        seconds.append(time.perf_counter() - started)
    # Met for the first time each round; five milliseconds on an idle machine, the best of five on a busy one.
    assert min(seconds) < 0.02


# --- Models ---------------------------------------------------------------------------------------


def test_a_model_that_mends_answers_as_if_the_word_was_typed_right():
    plain = draw_additive(3, KNOWN)
    model = read_typos("sst2/additive/mends", plain)
    right, wrong = "a wonderful movie, not terrible", "a wonderfull moviee, not terible"
    assert np.array_equal(model.predict_proba([wrong]), model.predict_proba([right]))
    assert np.array_equal(model.predict_proba([right]), plain.predict_proba([right]))
    assert not np.array_equal(plain.predict_proba([wrong]), plain.predict_proba([right]))
    assert model.unknown("zzzz") and not model.unknown("moviee") and plain.unknown("moviee")
    assert model.embed([wrong]).spans[0][1] == (2, 12), "attributions stay with the words that were typed"


def test_only_word_models_mend_typos():
    from helpers.doubles import BagOfWords

    model = word_model(WordCNN)
    assert read_typos("x", model).tokens.typos and not model.tokens.typos
    model.tokens = BagOfWords()  # type: ignore[assignment]
    with pytest.raises(Incompatible, match="has no unknown words to mend"):
        read_typos("x", model)


def test_both_readings_of_a_model_with_a_core_are_mended():
    core, correction = draw_additive(1, KNOWN), word_model(WordCNN)
    core.labels = correction.labels
    model = read_typos("x", bound_correction("x", core, correction, 0.5))
    assert model.tokens.core.typos and model.tokens.correction.typos  # type: ignore[union-attr]
    assert model.tokens.core.unit_ids("moviee") == core.tokens.unit_ids("movie")


def test_a_mended_word_is_certified_as_the_word_that_is_read():
    model = read_typos("sst2/additive/mends", draw_additive(5, KNOWN))
    swaps = SwapSet("drawn", "", lambda word: {"movie": ("terrible",), "moviee": ("actor",)}.get(word, ()))
    both = WordCertifier(model, swaps).certify("moviee")
    assert both.texts == 3
    made = model.predict_proba(["moviee", "movie", "terrible", "actor"])
    assert not both.certified or len(set(made.argmax(1))) == 1
    assert WordCertifier(draw_additive(5, KNOWN), swaps).certify("moviee").texts == 2


# --- Stored -------------------------------------------------------------------------------------


@pytest.fixture
def dev(monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda *_: [Example("a wonderfull film", 1, "0")])


def test_a_model_that_mends_is_stored_and_loaded(tmp_path, dev):
    row, = rows(invoke("combine", "--model", "sst2/cnn/base", "--typos", "--out", tmp_path, "--json"))
    assert (row["model"], row["of"], row["dev_accuracy"]) == ("sst2/cnn/base-typos", "sst2/cnn/base", 1.0)
    folder = tmp_path / row["model"]
    assert [path.name for path in folder.iterdir()] == ["card.json"], "no weight is copied"
    model, plain = loading.load(str(folder), "cpu"), loading.load("sst2/cnn/base", "cpu")
    assert np.array_equal(model.predict_proba(["a wonderfull film"]), plain.predict_proba(["a wonderful film"]))
    values = json.loads((folder / "card.json").read_text())
    for change, line in (({"config": values["config"] | {"parts": values["config"]["parts"] | {"sst2/cnn/base": "0"}}},
                          "made of another"),
                         ({"config": values["config"] | {"parts": values["config"]["parts"] | {
                             "table parts-of-speech": "0"}}}, "another table of English words"),
                         ({"defence": {"name": "typos", "of": "x/y/z"}}, "is not here"),
                         ({"defence": {"name": "typos"}}, "cannot be read")):
        (folder / "card.json").write_text(json.dumps(values | change))
        with pytest.raises(BadInput, match=line):
            loading.load(str(folder), "cpu")


def test_a_core_that_mends_is_stored_and_loaded(tmp_path, dev):
    row, = rows(invoke("combine", "--model", "sst2/cnn/base", "--core", "sst2/additive/close", "--bound", "0.3",
                       "--typos", "--out", tmp_path, "--json"))
    assert row["model"] == "sst2/cnn/core-typos" and row["typos"] is True
    model = loading.load(str(tmp_path / row["model"]), "cpu")
    assert np.array_equal(model.predict_proba(["a wonderfull film"]), model.predict_proba(["a wonderful film"]))


@pytest.mark.parametrize(("words", "line"), [
    ((), "Name a core and a bound"), (("--core", "sst2/additive/close"), "Name a core and a bound"),
    (("--bound", "0.3", "--typos"), "Name a core and a bound")])
def test_what_cannot_be_combined_is_one_line(tmp_path, words, line):
    refused(invoke("combine", "--model", "sst2/cnn/base", *words, "--out", tmp_path), line)


def test_a_transformer_and_a_model_of_others_are_refused(tmp_path, dev):
    refused(invoke("combine", "--model", "sst2/minilm/base", "--typos", "--out", tmp_path), "no unknown words to mend")
    refused(invoke("combine", "--model", "sst2/cnn/core", "--typos", "--out", tmp_path), "made of other models itself")


@settings(max_examples=300, deadline=None)
@given(st.text("abc", max_size=7), st.text("abc", max_size=7))
def test_two_edits_are_those_of_the_slow_twin(a, b):
    assert is_two_edits(a, b) == (measure_distance(a, b) == 2)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(KNOWN), st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("", "q", "zz"))), max_size=2))
def test_two_edits_find_what_a_search_of_all_words_finds(word, edits):
    for at, new in edits:
        word = word[:at] + new + word[at + 1:]
    near = {k: [w for w in KNOWN if measure_distance(word, w) == k] for k in (1, 2)}
    expected = near[1] or (near[2] if len(word) >= SHORTEST_OF_TWO else [])
    found = Spelling(KNOWN, 2).find(word) if word not in KNOWN else None
    refused = word in KNOWN or is_listed(word) or len(word) < SHORTEST
    assert (found in expected) if expected and not refused else found is None
