"""Certificates in words: the bound against every text that swaps can make."""

import itertools
import json

import numpy as np
import pytest
import torch
from helpers.models import draw_additive
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.certify.word_swaps import WordCertifier, measure_certified_accuracy, write_worst_text
from robust_core.errors import BadInput, Incompatible, UnknownName
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.additive import REACH, STATES, is_negation, place_states
from robust_core.models.tokens import WholeWords
from robust_core.resources.swap_sets import SwapSet, read_swap_set
from robust_core.types import Example

WORDS = ("good", "bad", "fine", "poor", "film", "movie", "plot", "not", "never", "but", "yet", "very")


def make_model(seed: int, classes: int, states: str) -> TextClassifier:
    """Return an additive model with drawn entries and the flags of its words."""
    return draw_additive(seed, WORDS, classes, states)


def make_swaps(seed: int, words=WORDS, most: int = 2) -> dict[str, tuple[str, ...]]:
    """Return drawn swaps of each word."""
    rng = np.random.default_rng(seed)
    return {word: tuple(rng.choice([w for w in words if w != word], rng.integers(0, most + 1), replace=False).tolist())
            for word in words}


def list_leads(model, text: str, swaps: dict, most: int | None) -> list[float]:
    """Return the lead of the first prediction over the strongest rival in each text that at most so many swaps make."""
    words = text.split()
    label = int(model.predict_proba([text])[0].argmax())
    texts = [" ".join(chosen) for chosen in itertools.product(*((w, *swaps.get(w, ())) for w in words))
             if most is None or sum(a != b for a, b in zip(chosen, words, strict=True)) <= most]
    encoded = model.embed(texts)
    scores = model.logits(encoded.embeddings, encoded.mask).double().numpy()
    rivals = np.delete(scores, label, axis=1).max(axis=1)
    return (scores[:, label] - rivals).tolist()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), st.sampled_from([2, 6]),
       st.sampled_from(list(STATES)))
def test_no_text_inside_the_set_falls_below_the_bound(seed, words, classes, states):
    model, swaps, text = make_model(seed, classes, states), make_swaps(seed), " ".join(words)
    found = WordCertifier(model, SwapSet("drawn", "", lambda word: swaps.get(word, ()))).certify(text)
    leads = list_leads(model, text, swaps, None)
    assert found.texts == len(leads)
    assert min(leads) >= found.worst_margin - 1e-4
    assert not found.certified or min(leads) > 0
    if not found.certified and found.swaps_proven:
        assert min(list_leads(model, text, swaps, found.swaps_proven)) > 0
    assert len(found.lowest_leads) == len(words) + 1 and found.lowest_leads[0] == pytest.approx(found.margin, abs=1e-6)
    assert found.lowest_leads[-1] == pytest.approx(found.worst_margin, abs=1e-6)
    for k, lead in enumerate(found.lowest_leads):
        assert min(list_leads(model, text, swaps, k)) >= lead - 1e-4


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(WORDS[:7]), min_size=1, max_size=5), st.sampled_from([2, 6]))
def test_the_bound_is_the_worst_case_where_swaps_change_no_state(seed, words, classes):
    model, swaps, text = make_model(seed, classes, "sentiment"), make_swaps(seed, WORDS[:7]), "not " + " ".join(words)
    certifier = WordCertifier(model, SwapSet("drawn", "", lambda word: swaps.get(word, ())))
    found = certifier.certify(text)
    leads = list_leads(model, text, swaps, None)
    assert found.worst_margin == pytest.approx(min(leads), abs=1e-4)
    assert found.certified == (min(leads) > 0)
    if not found.certified:
        # One more swap than is proven does flip it.
        assert min(list_leads(model, text, swaps, found.swaps_proven + 1)) <= 1e-6
        assert found.swaps_proven == 0 or min(list_leads(model, text, swaps, found.swaps_proven)) > -1e-6
    for k, lead in enumerate(found.lowest_leads):
        assert min(list_leads(model, text, swaps, k)) == pytest.approx(lead, abs=1e-4)
    if classes == 2:
        for k, lead in enumerate(found.lowest_leads):
            changed = write_worst_text(text, found, k)
            assert sum(a != b for a, b in zip(text.split(), changed.split(), strict=True)) <= k
            of_first = -1.0 if certifier.certify(changed).prediction != found.prediction else 1.0
            assert of_first * list_leads(model, changed, {}, 0)[0] == pytest.approx(lead, abs=1e-4)
        worst = list_leads(model, text, {}, None)[0] - sum(w.now - w.lowest for w in found.words)
        assert found.worst_margin == pytest.approx(worst, abs=1e-4)


def test_what_words_add_makes_up_the_lead():
    model = make_model(3, 2, "sentiment")
    found = WordCertifier(model, read_swap_set("careful")).certify("a good film but not a poor plot")
    bias = model.net.bias.detach().double()
    start = float(bias[found.prediction] - bias[1 - found.prediction])
    assert start + sum(word.now for word in found.words) == pytest.approx(found.margin, abs=1e-5)
    assert all(word.lowest <= word.now + 1e-9 and word.now <= word.highest + 1e-9 for word in found.words)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_states_against_a_slow_twin(flags):
    negation, turn = (torch.tensor([[flag[k] for flag in flags]]) for k in (0, 1))
    slow = []
    for i in range(len(flags)):
        if any(n for n, _ in flags[max(i - REACH, 0):i]):
            slow.append(1)
        else:
            slow.append(2 if any(t for _, t in flags[i + 1:]) else 0)
    assert place_states(negation, turn).tolist() == [slow]


def test_words_behind_the_length_are_left_alone():
    model = make_model(1, 2, "sentiment")
    model.tokens = WholeWords(WORDS, 2)
    found = WordCertifier(model, SwapSet("all", "", lambda word: ("bad",))).certify("good film poor plot")
    assert len(found.words) == 2 and found.worst_text.endswith("poor plot")


def test_certified_accuracy_counts_right_texts_alone():
    model = make_model(5, 2, "sentiment")
    texts = ["good film", "bad plot", "not very good", "fine movie but poor plot"]
    labels = model.predict_proba(texts).argmax(1).tolist()
    wrong = [Example(text, label ^ (i == 0), str(i)) for i, (text, label) in enumerate(zip(texts, labels, strict=True))]
    row = measure_certified_accuracy(model, wrong, SwapSet("none", "", lambda word: ()))
    assert row["n"] == 4 and row["accuracy"] == row["certified_accuracy"] == 0.75
    assert set(row["certified_by_swaps"].values()) == {0.75} and row["certified_accuracy_se"] > 0


def test_other_models_have_no_certificate(doubles_model):
    with pytest.raises(Incompatible, match="no certificate in words"):
        WordCertifier(doubles_model, read_swap_set("careful"))


@pytest.fixture
def doubles_model():
    from helpers.doubles import BagOfWords

    return BagOfWords(id="m")


def test_a_swap_set_comes_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"Good": ["fine", "Great", "good"], "good": ["nice"]}))
    found = read_swap_set(str(path))
    assert found.name == "mine.json" and found.find("good") == ("fine", "great", "nice") and found.find("x") == ()
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"good": ["nice"]}))
    assert read_swap_set(str(other)).sha256 != found.sha256


@pytest.mark.parametrize("content", ["[]", '{"good": "fine"}', '{"good": [1]}', "{"])
def test_a_file_of_something_else_is_one_line(tmp_path, content):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(BadInput):
        read_swap_set(str(path))


@pytest.mark.parametrize("content", ['{"good": ["very good"]}', '{"New York": ["boston"]}', '{"good": ["fine,"]}',
                                     '{"good": ["-"]}'])
def test_what_is_not_one_word_is_refused(tmp_path, content):
    """A model reads two words in the place of one, of which a certificate would know the first alone."""
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(BadInput, match="which is not one word"):
        read_swap_set(str(path))


def test_an_unknown_swap_set_names_those_there_are():
    with pytest.raises(UnknownName, match="careful"):
        read_swap_set("nosuch")


def test_each_set_holds_what_its_attacks_put_in():
    from robust_core.attacks.transformations import list_substitutes, list_wordnet_swaps
    from robust_core.resources import stop_words

    wide, close = read_swap_set("wide"), read_swap_set("close")
    for word in ("good", "movies", "running", "boring", "film"):
        assert word not in stop_words()
        offered = {w.lower() for w in (*list_substitutes(word, 50, 0.5), *list_wordnet_swaps(word))}
        assert offered <= set(wide.find(word)) and set(close.find(word)) <= set(wide.find(word))
    assert wide.find("not") == () and read_swap_set("careful").find("a") == ("an",)


@pytest.mark.parametrize(("word", "is_one"), [("not", True), ("don't", True), ("note", False), ("n't", True)])
def test_negations(word, is_one):
    assert is_negation(word) == is_one
