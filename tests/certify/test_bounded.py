"""Models with a certified core: the bound of the correction, one row for two readings, and the certificate."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
import torch
from helpers.models import draw_additive
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from robust_core.attacks import ATTACKS
from robust_core.attacks.engine.requests import Candidate
from robust_core.attacks.engine.token_splice import Splice
from robust_core.certify.word_swaps import WordCertifier, has_certificate
from robust_core.cli.program import app
from robust_core.errors import BadInput, Incompatible, UnknownName
from robust_core.models import loading
from robust_core.models.bounded import BoundedClassifier, bound_correction
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.bounded import FIRST
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.tokens import WordVocabulary
from robust_core.resources.swap_sets import SwapSet
from robust_core.text import Draft, Edit
from robust_core.types import Example

WORDS = ("good", "bad", "fine", "poor", "film", "movie", "plot", "not", "never", "but", "yet", "very")
CORE, CORRECTION = "sst2/additive/close", "sst2/cnn/base"


def draw_correction(seed: int, classes: int, kind: type = WordCNN, length: int = 50) -> TextClassifier:
    """Return an untrained word model whose answers are far from even."""
    torch.manual_seed(seed)
    tokens = WordVocabulary(WORDS, length)
    net = WordCNN(len(tokens), classes, 8, 6, (1, 2)) if kind is WordCNN else WordLSTM(len(tokens), classes, 8, 6)
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(4)
    return TextClassifier("drawn", tuple(map(str, range(classes))), net, tokens, torch.device("cpu"))


def draw_bounded(seed: int, classes: int, states: str, bound: float, kind: type = WordCNN) -> BoundedClassifier:
    """Return a drawn additive model with a drawn correction."""
    core = draw_additive(seed, WORDS, classes, states)
    core.labels = tuple(map(str, range(classes)))
    return bound_correction("drawn/core", core, draw_correction(seed, classes, kind), bound)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), st.sampled_from([2, 6]),
       st.sampled_from(["sentiment", "topic"]), st.sampled_from([0.1, 0.7, 3.0]))
def test_no_text_inside_the_set_flips_what_is_certified(seed, words, classes, states, bound):
    model, rng = draw_bounded(seed, classes, states, bound), np.random.default_rng(seed)
    swaps = {word: tuple(rng.choice([w for w in WORDS if w != word], rng.integers(0, 3), replace=False).tolist())
             for word in WORDS}
    found = WordCertifier(model, SwapSet("drawn", "", lambda word: swaps.get(word, ()))).certify(" ".join(words))
    made = list(itertools.product(*((w, *swaps[w]) for w in words)))
    swapped = np.array([sum(a != b for a, b in zip(chosen, words, strict=True)) for chosen in made])
    proba = model.predict_proba([" ".join(chosen) for chosen in made]).astype(np.float64)
    leads = np.log(proba[:, found.prediction]) - np.log(np.delete(proba, found.prediction, 1).max(1))
    assert proba[0].argmax() == found.prediction and found.margin == pytest.approx(leads[0], abs=1e-3)
    assert leads.min() >= found.worst_margin - 1e-3
    assert not found.certified or leads.min() > 0
    for k, lead in enumerate(found.lowest_leads):
        assert leads[swapped <= k].min() >= lead - 1e-3
    if not found.certified:
        assert leads[swapped <= found.swaps_proven].min() > -1e-6


@given(st.integers(0, 1000), st.lists(st.sampled_from((*WORDS, "unheard")), min_size=0, max_size=8),
       st.sampled_from([WordCNN, WordLSTM]))
@settings(max_examples=40, deadline=None)
def test_scores_are_the_cores_and_the_bounded_probabilities(seed, words, kind):
    core, correction = draw_additive(seed, WORDS, 2, "sentiment"), draw_correction(seed, 2, kind)
    core.labels = correction.labels
    model, text = bound_correction("m", core, correction, 0.7), " ".join(words)
    # The slow twin, from the two models' own answers.
    scores = np.log(core.predict_proba([text]).astype(np.float64)) + 0.7 * correction.predict_proba([text])
    wanted = np.exp(scores) / np.exp(scores).sum()
    assert np.allclose(model.predict_proba([text]), wanted, atol=1e-5)
    both = model.predict_proba([text, "good film but not a poor plot", ""])
    assert np.allclose(both[0], wanted[0], atol=1e-5)


def test_rows_are_spliced_as_texts_are_read():
    model = draw_bounded(1, 2, "sentiment", 0.5)
    text = 'A good, fine film -- "not" bad; but (very) poor!'
    draft = Draft.of(text)
    splice = Splice(model, text)
    assert splice._spliced
    for at, word in ((1, "bad"), (4, "never"), (6, "yet")):
        candidate = Candidate(draft, (Edit(at, at + 1, (word,)),))
        assert splice.row(candidate) == model.text_row(candidate.text)
    read = model.text_row(text)
    assert any(i >= FIRST for i in read) and model.tokens.decode(read).count("good") == 1
    gone = model.blanked("good film", np.array([[True, False]]))[0]
    assert gone == (*model.text_row("good")[:1], 1, FIRST + model.tokens.core.unit_ids("good")[0], FIRST + 1)
    assert model.readable_words(text) == len(draft.words) and not model.unknown("good") and model.unknown("unheard")


def test_an_attack_searches_the_whole_model_and_its_inside_stays_closed():
    model = draw_bounded(2, 2, "sentiment", 0.5)
    text = "a good film"
    label = int(model.predict_proba([text]).argmax())
    result = next(e.result for e in ATTACKS["pwws"]().run([model], [Example(text, label, "0")]) if e.result)
    assert result.queries > 1 and has_certificate(model)
    with pytest.raises(Incompatible, match="shows no gradients"):
        model.embed(["good"])


def test_what_does_not_fit_is_refused():
    core, correction = draw_additive(0, WORDS, 2, "sentiment"), draw_correction(0, 2)
    core.labels = correction.labels
    with pytest.raises(Incompatible, match="only additive models"):
        bound_correction("m", correction, correction, 0.5)
    with pytest.raises(BadInput, match="above 0"):
        bound_correction("m", core, correction, 0.0)
    with pytest.raises(BadInput, match="different labels"):
        bound_correction("m", core, draw_correction(0, 6), 0.5)
    with pytest.raises(Incompatible, match="cannot correct"):
        bound_correction("m", core, bound_correction("m", core, correction, 0.5), 0.5)


def test_two_checkpoints_are_combined_stored_and_loaded(tmp_path, monkeypatch):
    from robust_core import datasets
    from robust_core.models import cards
    from robust_core.train.combining import combine

    monkeypatch.setattr(datasets, "load", lambda *_: [Example("a good film", 1, "0"), Example("a dull film", 0, "1")])
    card = combine(CORE, CORRECTION, 0.3, "trial", tmp_path)
    assert card.id == "sst2/cnn/trial" and card.is_certified and card.dev_accuracy == 1.0 and not card.files
    model, parts = loading.load(str(card.folder), "cpu"), [loading.load(name, "cpu") for name in (CORE, CORRECTION)]
    text = "an exceedingly clever piece of cinema"
    core, correction = (part.predict_proba([text])[0].astype(np.float64) for part in parts)
    scores = np.log(core) + 0.3 * correction
    assert np.allclose(model.predict_proba([text])[0], np.exp(scores) / np.exp(scores).sum(), atol=1e-5)
    with pytest.raises(UnknownName):
        combine("sst2/additive/nothing", CORRECTION, 0.3, "trial", tmp_path)
    values = json.loads((card.folder / "card.json").read_text())
    for change, line in (({"config": values["config"] | {"parts": {CORE: "0", CORRECTION: "0"}}}, "made of another"),
                         ({"defence": values["defence"] | {"core": "x/y/z"}}, "is not here"),
                         ({"defence": values["defence"] | {"bound": "much"}}, "cannot be read"),
                         ({"defence": {"name": cards.CORE}}, "cannot be read")):
        (card.folder / "card.json").write_text(json.dumps(values | change))
        with pytest.raises(BadInput, match=line):
            loading.load(str(card.folder), "cpu")
    assert dataclasses.replace(card, defence={"name": "base"}).is_certified is False


def test_the_command_line_combines(tmp_path, monkeypatch):
    from robust_core import datasets

    monkeypatch.setattr(datasets, "load", lambda *_: [Example("a good film", 1, "0")])
    asked = ["combine", "--core", CORE, "--model", CORRECTION, "--bound", "0.3", "--out", str(tmp_path), "--json"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0, result.output
    row = json.loads(result.output)["results"][0]
    assert row["model"] == "sst2/cnn/core" and row["bound"] == 0.3 and row["dev_accuracy"] == 1.0
    result = CliRunner().invoke(app, ["0" if part == "0.3" else part for part in asked])
    assert result.exit_code == 2 and "above 0" in result.output
