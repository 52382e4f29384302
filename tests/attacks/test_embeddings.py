"""FGSM and k-PGD on classifiers whose answer can be worked out, and on tiny networks."""

import math

import pytest
import torch
from helpers.doubles import BagOfWords

from robust_core import EMBEDDING_ATTACKS, metrics
from robust_core.attacks.embeddings import FGSM, PGD, attack_at_radii
from robust_core.errors import BadInput, Incompatible
from robust_core.models import loading
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.tokens import WordVocabulary
from robust_core.types import EmbeddingAttackResult, Example

torch.set_num_threads(1)
TEXTS = ["a good movie", "clever", "a dull movie, a bad one", "fine fine fine", "good bad good bad clever", "zzz"]
EXAMPLES = [Example(text, i % 2, str(i)) for i, text in enumerate(TEXTS)]


def word_model(kind: type, seed: int = 0) -> TextClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tokens = WordVocabulary(("a", "good", "movie", "clever", "dull", "bad", "fine", "one"), 20)
        return TextClassifier(f"tiny/{kind.__name__}", ("negative", "positive"), kind(len(tokens), 2), tokens,
                              torch.device("cpu"))


@pytest.fixture(scope="module", params=[WordCNN, WordLSTM])
def model(request):
    return word_model(request.param)


@pytest.mark.parametrize("name", EMBEDDING_ATTACKS)
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_attacks_stay_in_their_ball_and_hurt(model, name, norm):
    results = list(EMBEDDING_ATTACKS[name](radius=0.2, norm=norm).run(model, EXAMPLES))
    assert sorted(r.example.uid for r in results) == [e.uid for e in EXAMPLES]
    clean = {e.uid: p for e, p in zip(EXAMPLES, model.predict_proba(TEXTS), strict=True)}
    for r in results:
        assert isinstance(r, EmbeddingAttackResult) and r.victim == model.id and r.attack["name"] == name
        assert r.before == pytest.approx(tuple(clean[r.example.uid]), abs=1e-5)
        assert 0 < r.norm <= 0.2 * (1 + 1e-5) and r.unit == pytest.approx(model.unit)
        assert r.after[r.reference_label] <= r.before[r.reference_label] + 1e-6
        assert r.reference_label == r.example.label and -1 <= r.cosine <= 1 + 1e-6 and r.distance > 0
        assert r.status == ("skipped" if r.before[r.example.label] < 0.5 else
                            "failed" if r.after[r.example.label] > 0.5 else "succeeded")
    assert not any(p.grad is not None for p in model.net.parameters()) and not model.net.training


def test_one_step_on_a_linear_model_is_known():
    """The margin of a sum of rows falls by 2 radius a word under linf, by the gradient's norm under l2."""
    model = BagOfWords()
    example = Example("good movie", 1, "x")
    result, = FGSM(radius=0.1).run(model, [example])
    step = 0.1 * model.unit
    assert result.norm == pytest.approx(0.1) and result.gradients == 1
    margin = math.log(result.after[1] / result.after[0])
    assert margin == pytest.approx(4.0 - 2 * 2 * step, rel=1e-4)
    result, = FGSM(radius=0.1, norm="l2").run(model, [example])
    # Four coordinates of equal slope: each moves by step / 2.
    assert math.log(result.after[1] / result.after[0]) == pytest.approx(4.0 - 4 * step / 2, rel=1e-4)
    assert result.distance == pytest.approx(math.sqrt(2) * 2 * step / 2, rel=1e-3)


def test_more_steps_and_larger_balls_hurt_more(model):
    def loss(attack) -> float:
        return sum(-math.log(max(r.after[r.reference_label], 1e-12)) for r in attack.run(model, EXAMPLES))

    assert loss(PGD(radius=0.05)) < loss(PGD(radius=0.1)) < loss(PGD(radius=0.4))
    assert loss(PGD(radius=0.4, steps=20)) >= loss(FGSM(radius=0.4, norm="l2")) - 1e-3


@pytest.mark.parametrize("random_start", [False, True])
def test_batches_and_order_do_not_matter(model, random_start):
    attack = PGD(radius=0.3, random_start=random_start)
    together = {r.example.uid: r for r in attack.run(model, EXAMPLES, seed=3)}
    for batch, examples in ((1, EXAMPLES), (4, EXAMPLES[::-1])):
        for r in attack.run(model, examples, seed=3, batch=batch):
            assert r.after == pytest.approx(together[r.example.uid].after, abs=1e-4)
    other = {r.example.uid: r for r in attack.run(model, EXAMPLES, seed=4)}
    assert random_start == any(r.after != other[uid].after for uid, r in together.items())


def test_screened_climbs_in_bf16_and_is_judged_in_fp32(monkeypatch):
    model = loading.load("sst2/minilm/base", "cpu")
    monkeypatch.setattr(TextClassifier, "screens", True)  # Whether or not this machine is faster so.
    attack, low = PGD(radius=0.3, steps=4), []
    logits = TextClassifier.logits
    monkeypatch.setattr(TextClassifier, "logits", lambda self, *given: (low.append(torch.is_autocast_enabled("cpu")),
                                                                        logits(self, *given))[1])
    exact, screened = ([*attack.run(model, EXAMPLES[:4], precision=p)] for p in ("exact", "screened"))
    # Clean, four steps, judged: only the steps are rough.
    assert low == [False] * 6 + [False] + [True] * 4 + [False]
    for a, b in zip(exact, screened, strict=True):
        assert a.before == b.before and b.norm <= 0.3 * (1 + 1e-5)
        assert b.after == pytest.approx(a.after, abs=0.02) and a.after != a.before


def test_without_a_label_the_prediction_is_left(model):
    results = list(PGD(radius=5.0).run(model, [Example(text, None, text) for text in TEXTS]))
    assert all(r.reference_label == max((0, 1), key=r.before.__getitem__) for r in results)
    assert {r.status for r in results} <= {"failed", "succeeded"}


def test_punctuation_and_special_tokens_can_be_left_alone():
    model = BagOfWords()
    encoded = model.embed(["good movie"])
    assert (encoded.owner >= 0).all(), "every token of this double is a word"
    plain, words = (next(PGD(words_only=w).run(model, [Example("good movie", 1, "x")])) for w in (False, True))
    assert plain.after == words.after


def test_a_radius_of_zero_moves_nothing(model):
    for result in PGD(radius=0.0).run(model, EXAMPLES):
        assert result.norm == 0 and result.distance == 0 and result.before == pytest.approx(result.after)


def test_bad_questions_are_clear():
    with pytest.raises(BadInput, match="norm must be one of l2, linf"):
        PGD(norm="l1")
    with pytest.raises(BadInput, match="steps must lie between 1 and 200"):
        PGD(steps=0)
    with pytest.raises(Incompatible, match="shows no gradients"):
        list(PGD().run(type("Closed", (), {"id": "closed"})(), EXAMPLES))


def result(before: float, after: float, radius: float = 0.1, cosine: float = 0.9, distance: float = 1.0):
    """A result of a text of class 1, from its probabilities of that class."""
    return EmbeddingAttackResult(Example("x", 1, "x"), "m", {"name": "pgd", "radius": radius}, 1, (1 - before, before),
                                 (1 - after, after), radius, 2.0, cosine, distance, 10)


def test_the_summary_is_what_one_counts_by_hand():
    found = [result(0.9, 0.8), result(0.9, 0.2, cosine=0.7, distance=3.0), result(0.4, 0.9), result(0.6, 0.55)]
    row = metrics.summarise_embedding_attacks(found)
    assert (row["n"], row["skipped"], row["succeeded"], row["failed"]) == (4, 1, 1, 2)
    assert (row["accuracy"], row["accuracy_under_attack"]) == (0.75, 0.5)
    assert row["attack_success_rate"] == pytest.approx(1 / 3) and row["unmoved"] == 0
    assert row["cosine"] == pytest.approx(0.85) and row["distance"] == pytest.approx(1.5)
    assert row["distance_se"] == pytest.approx(0.5) and row["accuracy_under_attack_se"] == pytest.approx(0.25)
    assert math.isnan(metrics.summarise_embedding_attacks([])["accuracy"])


def test_accuracy_falls_along_the_curve(model):
    found = list(attack_at_radii(model, EXAMPLES, PGD(), [0.0, 0.1, 10.0]))
    curve = metrics.robustness_curve(found)
    assert [row["radius"] for row in curve] == [0.0, 0.1, 10.0] and {row["n"] for row in curve} == {len(EXAMPLES)}
    under = [row["accuracy_under_attack"] for row in curve]
    assert under[0] == curve[0]["accuracy"] and under == sorted(under, reverse=True) and under[-1] < under[0]
    moved = [row["distance"] for row in curve]
    assert moved == sorted(moved) and moved[0] == 0 and curve[0]["unmoved"] == 1
