"""Saliency: integrated gradients against what is known of linear models, and against a slow version of itself."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from doubles import BagOfWords
from test_models import bert_config, word_model

from robust_core import EXPLAINERS
from robust_core.errors import BadInput, Incompatible
from robust_core.explainers import allowed_gap, baseline_of
from robust_core.metrics import consistency
from robust_core.models import checkpoint
from robust_core.models.bert import Bert
from robust_core.models.classifier import TextClassifier
from robust_core.models.transformer import EncoderClassifier
from robust_core.models.words import WordCNN, WordLSTM
from robust_core.resources import minilm_folder
from robust_core.text import align, word_spans

torch.set_num_threads(1)
LINEAR = {"good": 0.11, "clever": 0.07, "dull": -0.09, "bad": -0.13, "movie": 0.0}
TEXTS = ["w1 w2 w3 w1", "w4", "w5 w6, w7-w8 zorp w9 (w10)", " ".join(f"w{i}" for i in range(20))]


@pytest.fixture(params=EXPLAINERS, ids=str)
def explainer(request):
    return EXPLAINERS[request.param]()


def transformer(length: int = 32) -> TextClassifier:
    """A random two-layer encoder that reads word pieces."""
    torch.manual_seed(3)
    body = Bert(bert_config(vocab_size=30522))
    with torch.no_grad():
        for weight in body.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.4)
    network = EncoderClassifier(body, 2)
    tokens = checkpoint.subwords(Path(minilm_folder()), length)
    return TextClassifier("double/transformer", ("negative", "positive"), network, tokens, torch.device("cpu"))


@pytest.fixture(scope="module")
def models() -> dict:
    return {"cnn": word_model(WordCNN), "lstm": word_model(WordLSTM), "transformer": transformer()}


@pytest.mark.parametrize("target", [0, 1])
def test_saliency_of_a_linear_model_is_weight_times_count(target):
    model = BagOfWords(LINEAR, linear="proba")
    text = "A good, good movie: clever, not dull; bad good zorp."
    [found] = EXPLAINERS["ig"]().explain(model, [text], [target])
    sign = 1 if target else -1
    wanted = [sign * LINEAR.get(text[s:e].lower(), 0.0) for s, e in word_spans(text)]
    assert found.scores == pytest.approx(wanted, abs=1e-6)
    good = [score for score, (s, e) in zip(found.scores, found.spans, strict=True) if text[s:e] == "good"]
    assert len(good) == 3 and sum(good) == pytest.approx(sign * 3 * LINEAR["good"], abs=1e-6)
    assert found.total == pytest.approx(sum(wanted), abs=1e-6) and found.gap < 1e-6 and found.steps == 50


def test_saliency_of_three_classes_adds_up_to_nothing():
    model = BagOfWords({"good": (0.05, -0.1, 0.05), "bad": (-0.1, 0.05, 0.05)}, linear="proba", labels=("a", "b", "c"))
    found = EXPLAINERS["ig"]().explain(model, ["good bad good"] * 3, [0, 1, 2])
    assert np.sum([a.scores for a in found], axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert found[1].scores == pytest.approx((-0.1, 0.05, -0.1), abs=1e-6)


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_scores_add_up_to_the_change_in_probability(models, name):
    model = models[name]
    for target in (0, 1):
        for found, text in zip(EXPLAINERS["ig"]().explain(model, TEXTS, [target] * len(TEXTS)), TEXTS, strict=True):
            encoded = model.embed([text])
            with torch.no_grad():
                before, after = (model.logits(rows, encoded.mask).softmax(-1)[0, target].item()
                                 for rows in (baseline_of(encoded), encoded.embeddings))
            assert found.total == pytest.approx(after - before, abs=1e-5)
            assert (len(found.spans) < len(word_spans(text))
                    or sum(found.scores) == pytest.approx(found.total, abs=found.gap + 1e-5))
            assert found.gap <= allowed_gap(found.total) or found.steps == 400
            assert found.target == target and found.text == text
            assert found.spans == word_spans(text)[: model.readable_words(text)]


def slow_gradients(model, text: str, target: int, steps: int) -> list[float]:
    """Integrated gradients, one step at a time; the tokens of a word are added."""
    encoded = model.embed([text])
    start = encoded.embeddings.clone()
    for place, word in enumerate(encoded.owner[0].tolist()):
        if word >= 0:
            start[0, place] = encoded.pad
    way = encoded.embeddings - start
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(way)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        point = (start + float(place) * way).requires_grad_(True)
        output = model.logits(point, encoded.mask).softmax(-1)[0, target]
        total += float(weight) * torch.autograd.grad(output, point)[0]
    tokens = (total * way).sum(-1)[0].tolist()
    owner = encoded.owner[0].tolist()
    return [sum(t for t, o in zip(tokens, owner, strict=True) if o == word) for word in range(len(encoded.spans[0]))]


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_integrated_gradients_are_those_of_a_slow_version(models, name):
    model = models[name]
    text = "w1 unbelievably, w2-w3 (w4) w5"
    [found] = EXPLAINERS["ig"](steps=20, max_steps=20).explain(model, [text], [1])
    assert found.scores == pytest.approx(slow_gradients(model, text, 1, 20), abs=1e-5)
    assert any(abs(score) > 1e-4 for score in found.scores)


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_texts_explained_together_and_alone_agree(models, explainer, name):
    model = models[name]
    texts, targets = [*TEXTS, "", "!", "\U0001f600 w1"], [1, 0, 1, 0, 1, 0, 1]
    together = explainer.explain(model, texts, targets)
    for text, target, found in zip(texts, targets, together, strict=True):
        [alone] = explainer.explain(model, [text], [target])
        assert found.scores == pytest.approx(alone.scores, abs=2e-5)
        assert (found.text, found.spans, found.target) == (text, alone.spans, target) and found.steps == alone.steps
        assert all(map(math.isfinite, found.scores)) and found.method["name"] == explainer.name
    assert explainer.explain(model, [], []) == []


def test_words_past_the_length_have_no_score(explainer):
    short = BagOfWords(LINEAR, length=2)
    [found] = explainer.explain(short, ["good movie bad bad"], [1])
    assert len(found.scores) == len(found.spans) == 2
    cut = transformer(length=6)
    text = "good unbelievable storytelling anti-establishmentarianism"
    [found] = explainer.explain(cut, [text], [1])
    assert len(found.scores) == len(found.spans) == cut.readable_words(text) < 4


def test_the_same_text_twice_is_consistent(models, explainer):
    for model in models.values():
        a, b = explainer.explain(model, [TEXTS[3]] * 2, [1, 1])
        words = TEXTS[3].split()
        found = consistency(a, b, align(words, words))
        assert found["kendall_tau"] == 1.0 and set(found["top_k"].values()) == {1.0}


def test_steps_are_doubled_until_the_gap_is_closed():
    sharp = BagOfWords({"good": 14.0, "bad": -3.0}, (0.0, -9.0))
    few = EXPLAINERS["ig"](steps=2, max_steps=2).explain(sharp, ["good bad good"], [1])[0]
    assert few.steps == 2 and few.gap > allowed_gap(few.total)
    more, easy = EXPLAINERS["ig"](steps=2, max_steps=400).explain(sharp, ["good bad good", "movie"], [1, 1])
    assert 2 < more.steps <= 400 and math.log2(more.steps / 2).is_integer()
    assert more.gap <= allowed_gap(more.total) and easy.steps == 2
    assert few.total == pytest.approx(more.total, abs=1e-6)


def test_the_allowed_gap_is_one_percent_and_at_least_two_thousandths():
    assert allowed_gap(0.5) == 0.005 == allowed_gap(-0.5) and allowed_gap(0.1) == 0.002 == allowed_gap(0.0)


def test_a_black_box_is_refused_in_one_line(explainer):
    class Plain:
        id, labels = "double/plain", ("a", "b")

    if explainer.white_box:
        with pytest.raises(Incompatible, match="double/plain shows no gradients"):
            explainer.explain(Plain(), ["good"], [1])


def test_explaining_leaves_the_model_as_it_was(models, explainer):
    for model in models.values():
        before = model.predict_proba(TEXTS)
        explainer.explain(model, TEXTS, [1] * len(TEXTS))
        assert np.array_equal(model.predict_proba(TEXTS), before) and not model.net.training
        assert all(p.grad is None and not p.requires_grad for p in model.net.parameters())


def test_steps_have_limits():
    for values in ({"steps": 1}, {"steps": 401}, {"max_steps": 1601}, {"steps": 50.0}):
        with pytest.raises(BadInput, match="steps must"):
            EXPLAINERS["ig"](**values)
