"""Saliency: integrated gradients against what is known of linear models, and against a slow version of itself."""

import dataclasses
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.doubles import BagOfWords, Counting
from helpers.models import bert_config, word_model

from robust_core import EXPLAINERS
from robust_core.errors import BadInput, Incompatible
from robust_core.explainers.base import allow_gap
from robust_core.explainers.faithfulness import measure_faithfulness, measure_repeatability
from robust_core.explainers.gradients import _attribute_by_captum, _integrate_along, _integrate_at_once, make_baseline
from robust_core.explainers.occlusion import draw_lime_masks
from robust_core.metrics import consistency
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.bert import Bert
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.networks.transformer import EncoderClassifier
from robust_core.models.networks.word_masks import MaskConfig
from robust_core.models.tokens import read_subwords
from robust_core.resources import minilm_folder
from robust_core.text import align, find_words

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
    tokens = read_subwords(Path(minilm_folder()), length)
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
    wanted = [sign * LINEAR.get(text[s:e].lower(), 0.0) for s, e in find_words(text)]
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
                                 for rows in (make_baseline(encoded), encoded.embeddings))
            assert found.total == pytest.approx(after - before, abs=1e-5)
            assert (len(found.spans) < len(find_words(text))
                    or sum(found.scores) == pytest.approx(found.total, abs=found.gap + 1e-5))
            assert found.gap <= allow_gap(found.total) or found.steps == 400
            assert found.target == target and found.text == text
            assert found.spans == find_words(text)[: model.readable_words(text)]


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


@pytest.mark.parametrize("masked", [False, True])
def test_the_short_way_along_a_straight_line_is_captums(masked):
    model = word_model(WordCNN)
    if masked:
        torch.manual_seed(5)
        model.net.add_masks(MaskConfig(hidden=6, unit=0.7))
        model.net.eval().requires_grad_(False)
    assert model.straight
    encoded = model.embed(TEXTS)
    start, end = make_baseline(encoded)[3], encoded.embeddings[3]
    halfway = model.along(start, end, torch.full((1, len(end)), 0.3))
    rows = (start + 0.3 * (end - start)).unsqueeze(0)
    assert torch.allclose(halfway, model.logits(rows, encoded.mask[3:]), atol=1e-5)
    for ours, theirs in zip(
        _integrate_along(model, encoded, (1, 0), 20), _attribute_by_captum(model, encoded, (1, 0), 20), strict=True
    ):
        assert torch.allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_classes_that_share_passes_are_captums(models, monkeypatch, name):
    model, passes = models[name], []
    encoded, whole = model.embed(TEXTS), type(model).logits

    def counted(self, rows, mask):
        passes.append(len(rows))
        return whole(self, rows, mask)

    monkeypatch.setattr(type(model), "logits", counted)
    found = _integrate_at_once(model, encoded, (1, 0), 20)
    assert sum(passes) == len(TEXTS) * (20 + 2), "both classes take one pass a step"
    for ours, theirs in zip(found, _attribute_by_captum(model, encoded, (1, 0), 20), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-6)


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
    assert few.steps == 2 and few.gap > allow_gap(few.total)
    more, easy = EXPLAINERS["ig"](steps=2, max_steps=400).explain(sharp, ["good bad good", "movie"], [1, 1])
    assert 2 < more.steps <= 400 and math.log2(more.steps / 2).is_integer()
    assert more.gap <= allow_gap(more.total) and easy.steps == 2
    assert few.total == pytest.approx(more.total, abs=1e-6)


def test_the_allowed_gap_is_one_percent_and_at_least_two_thousandths():
    assert allow_gap(0.5) == 0.005 == allow_gap(-0.5) and allow_gap(0.1) == 0.002 == allow_gap(0.0)


def test_a_black_box_is_refused_in_one_line(explainer):
    if explainer.white_box:
        with pytest.raises(Incompatible, match="double/plain shows no gradients"):
            explainer.explain(Plain(), ["good"], [1])


class Plain:
    """A classifier that answers and shows nothing: the more often "good", the more positive."""

    id, labels = "double/plain", ("negative", "positive")

    def predict_proba(self, texts):
        p = np.array([0.1 + 0.2 * sum(w == "good" for w in text.split()) for text in texts])
        return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("name", [name for name in EXPLAINERS if not EXPLAINERS[name].white_box])
def test_a_black_box_is_asked_about_texts_without_the_words(name):
    [found] = EXPLAINERS[name]().explain(Plain(), ["a good plain good film"], [1])
    assert found.scores == pytest.approx([0, 0.2, 0, 0.2, 0], abs=5e-3)


def test_the_registry_says_what_each_one_is():
    white = {name for name in EXPLAINERS if EXPLAINERS[name].white_box}
    assert white == {"ig", "ixg"} and set(EXPLAINERS) == {"ig", "ixg", "lime", "loo", "shapley"}
    assert all(EXPLAINERS[name].signed for name in EXPLAINERS) and next(iter(EXPLAINERS)) == "ig"


def test_both_of_two_classes_need_one_explanation(models, explainer):
    for model in models.values():
        [negative, positive] = explainer.explain_classes(model, TEXTS[:2])
        for c, found in enumerate((negative, positive)):
            plain = explainer.explain(model, TEXTS[:2], [c, c])
            for a, b in zip(found, plain, strict=True):
                assert a.scores == pytest.approx(b.scores, abs=1e-4) and a.target == c
                assert a.total == pytest.approx(b.total, abs=1e-4, nan_ok=True)


def test_three_classes_are_explained_each(explainer):
    model = BagOfWords({"good": (2.0, 0.0, -1.0), "bad": (0.0, 1.0, 1.0)}, labels=("a", "b", "c"))
    found = explainer.explain_classes(model, ["good bad", "bad"])
    assert [[a.target for a in row] for row in found] == [[0, 0], [1, 1], [2, 2]]
    for c, row in enumerate(found):
        plain = explainer.explain(model, ["good bad", "bad"], [c, c])
        assert [a.scores for a in row] == [pytest.approx(b.scores, abs=1e-6) for b in plain]
    if explainer.name != "ixg":
        assert found[0][0].scores[0] > 0 > found[2][0].scores[0]


@pytest.mark.parametrize("name", ["lime", "loo", "shapley"])
def test_planted_words_are_found(name):
    words = [f"w{i}" for i in range(20)]
    words[4], words[13] = "splendid", "dreadful"
    model = BagOfWords({"splendid": 1.5, "dreadful": -1.2})
    [found] = EXPLAINERS[name]().explain(model, [" ".join(words)], [1])
    assert int(np.argmax(found.scores)) == 4 and int(np.argmin(found.scores)) == 13
    assert max(abs(s) for i, s in enumerate(found.scores) if i not in (4, 13)) < 0.1 * found.scores[4]


@pytest.mark.parametrize("name", ["lime", "loo", "shapley"])
def test_of_a_linear_model_every_word_gets_its_weight(name):
    model = BagOfWords(LINEAR, linear="proba")
    text = "A good movie: clever, not dull; bad zorp."
    [found] = EXPLAINERS[name]().explain(model, [text], [1])
    wanted = [LINEAR.get(text[s:e].lower(), 0.0) for s, e in find_words(text)]
    # Ridge regression draws weights towards zero.
    assert found.scores == pytest.approx(wanted, abs=5e-3 if name == "lime" else 1e-6)


def test_lime_is_that_of_its_own_package():
    from lime.lime_text import LimeTextExplainer

    model, text = BagOfWords(), "a good clever movie that is dull and bad in its fine end"
    theirs = LimeTextExplainer(bow=False, mask_string="zorp", random_state=7, split_expression=r"\W+")
    wanted = dict(theirs.explain_instance(text, model.predict_proba, labels=[1], num_features=100,
                                          num_samples=300).as_map()[1])
    [found] = EXPLAINERS["lime"](samples=300, seed=7).explain(model, [text], [1])
    assert found.scores == pytest.approx([wanted[i] for i in range(len(text.split()))], abs=1e-6)
    assert 0.5 < found.fit <= 1.0


def test_all_models_and_texts_of_one_length_lose_the_same_words():
    texts = ["good bad movie dull", "fine clever good zorp"]
    asked = []
    for length in (50, 2):
        model = Counting(BagOfWords(length=length))
        EXPLAINERS["lime"](samples=60).explain(model, texts, [1, 1])
        asked.append([[tuple(token == 1 for token in row) for row in model.rows]])
    for row in asked[0][0]:
        assert row[:2] in asked[1][0], "a model that reads less loses the same of what it reads"
    for row in draw_lime_masks(6, 50, 0)[1:]:
        assert not row.all()
    first, other = draw_lime_masks(6, 50, 0), draw_lime_masks(6, 50, 1)
    assert first.all(axis=1).sum() == 1 and not np.array_equal(first, other)


def test_no_variant_is_asked_about_twice():
    model = Counting(BagOfWords())
    EXPLAINERS["lime"](samples=500).explain(model, ["good bad movie", "good bad movie"], [0, 1])
    assert len(model.rows) == len(set(model.rows)) <= 8


@pytest.mark.parametrize("name", ["lime", "shapley"])
def test_a_pair_is_asked_once_where_its_swapped_words_are_gone(name):
    words = {"good": 1.0, "fine": 0.5, "old": -0.2, "movie": 0.1, "dull": -1.0}
    pair, model = ["good old movie dull", "fine old movie dull"], Counting(BagOfWords(words))
    found = EXPLAINERS[name]().explain(model, pair, [1, 1])
    together = len(model.rows)
    alone = [EXPLAINERS[name]().explain(model, [text], [1])[0] for text in pair]
    # Sixteen variants of each text; in eight of them the first word is gone.
    assert together <= 24 < len(model.rows) - together
    assert [a.scores for a in found] == [a.scores for a in alone]


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_removed_words_become_the_mask_or_the_unknown_id(models, name):
    model = models[name]
    text = "w5 unbelievably, w6 (w8) storytelling"
    keep = np.array([[True, False, True, True, False], [True] * 5])
    removed, whole = model.blanked(text, keep)
    ids, owner, _ = model.tokens.encode(text)
    assert whole == ids == model.text_row(text)
    assert all(new == (model.tokens.blank_id if o in (1, 4) else old)
               for new, old, o in zip(removed, ids, owner, strict=True))
    assert owner.count(1) > 1 or name != "transformer"
    assert model.tokens.blank_id == (model.tokens.vocabulary()["[MASK]"] if name == "transformer" else 1)


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
def test_shapley_values_add_up(models, name):
    for found in EXPLAINERS["shapley"](orders=3).explain(models[name], TEXTS, [1] * len(TEXTS)):
        assert sum(found.scores) == pytest.approx(found.total, abs=1e-5) and found.gap < 1e-5


def test_shapley_values_are_those_of_all_orders():
    model = BagOfWords({"good": 2.0, "bad": -2.0, "fine": 0.5})
    text = "good bad fine"

    def says(words):
        return model.predict_proba([" ".join(w if w in words else "zorp" for w in text.split())])[0, 1]

    wanted = dict.fromkeys(text.split(), 0.0)
    for order in itertools.permutations(wanted):
        for i, word in enumerate(order):
            wanted[word] += (says(order[: i + 1]) - says(order[:i])) / 6
    [found] = EXPLAINERS["shapley"](orders=2000).explain(model, [text], [1])
    assert found.scores == pytest.approx(list(wanted.values()), abs=0.01)


def test_sampling_leaves_the_process_wide_generators_alone(explainer):
    before, torch_before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    explainer.explain(BagOfWords(), ["good bad movie"], [1])
    after = np.random.get_state()[1]  # noqa: NPY002
    assert np.array_equal(after, before) and torch.equal(torch.get_rng_state(), torch_before)


def test_input_x_gradient_of_a_linear_model():
    model = BagOfWords({"good": 2.0, "bad": -1.0})
    [found] = EXPLAINERS["ixg"]().explain(model, ["good bad zorp"], [1])
    p = model.predict_proba(["good bad zorp"])[0, 1]
    # d p / d logit difference = p (1 - p); a word moves the difference by twice its weight.
    assert found.scores == pytest.approx([4 * p * (1 - p), -2 * p * (1 - p), 0.0], abs=1e-6)
    assert math.isnan(found.gap) and math.isnan(found.total)


def test_faithfulness_by_hand():
    model = BagOfWords({"good": 0.3, "fine": 0.1}, linear="proba")
    words = ["good", "fine", *(f"w{i}" for i in range(8))]
    [found] = EXPLAINERS["loo"]().explain(model, [" ".join(words)], [1])
    values = measure_faithfulness(model, found)
    # Of ten words the first 1, 1, 1, 2 and 5 go: 0.3 three times, then 0.4 twice; left alone they lack 0.1, then 0.
    assert values.comprehensiveness == pytest.approx((3 * 0.3 + 2 * 0.4) / 5, abs=1e-6)
    assert values.sufficiency == pytest.approx(3 * 0.1 / 5, abs=1e-6)
    assert values.random_comprehensiveness < values.comprehensiveness
    assert values.random_sufficiency > values.sufficiency
    # A random order takes each word with probability k / n.
    assert values.random_comprehensiveness == pytest.approx(0.4 * (1 + 1 + 1 + 2 + 5) / 50, abs=0.05)
    turned = dataclasses.replace(found, scores=tuple(-s for s in found.scores))
    assert measure_faithfulness(model, turned).comprehensiveness < values.random_comprehensiveness
    nothing = dataclasses.replace(found, text="!", spans=(), scores=())
    assert all(map(math.isnan, measure_faithfulness(model, nothing)))


def test_other_seeds_show_how_far_sampling_spreads():
    model = BagOfWords({f"w{i}": 0.5 * (i - 5) for i in range(12)})
    text = " ".join(f"w{i}" for i in range(12))
    few, many = (EXPLAINERS["lime"](samples=n).explain(model, [text], [1])[0] for n in (60, 4000))
    (tau_few, off_few), (tau_many, off_many) = measure_repeatability(model, few), measure_repeatability(model, many)
    assert tau_few <= tau_many <= 1.0 and tau_few < 1.0 and off_few > 2 * off_many > 0.0
    [exact] = EXPLAINERS["ig"]().explain(model, [text], [1])
    assert measure_repeatability(model, exact) == (1.0, 0.0)


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
