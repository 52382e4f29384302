"""Triggers: the best phrase of small models is found, forbidden words never are, and what is reported is held out."""

import itertools
import threading

import numpy as np
import pytest
import torch
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords
from helpers.models import draw_additive, tiny_data, word_model, word_piece
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core import metrics
from robust_core.attacks.engine.word_gradients import measure_gradients, sum_gradients
from robust_core.cli.trigger import choose_texts
from robust_core.errors import BadInput, Incompatible
from robust_core.models import loading
from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM
from robust_core.models.tokens import Subwords
from robust_core.triggers.measuring import HeldOut, measure_random
from robust_core.triggers.objective import Effect, Goal, measure_effects, measure_slopes
from robust_core.triggers.search import Found, Round, TriggerSearch, find_trigger
from robust_core.triggers.vocabulary import has_polarity, list_words
from robust_core.types import Example

WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "the")


def draw_texts(seed: int, labels: int = 2, n: int = 8) -> list[Example]:
    """Texts of drawn words with drawn labels."""
    rng = np.random.default_rng(seed)
    return [Example(" ".join(rng.choice(WORDS, rng.integers(2, 6))), int(rng.integers(labels)), f"t/{i}")
            for i in range(n)]


def label_by(model, examples: list[Example]) -> list[Example]:
    """The same texts with the model's own predictions for labels."""
    predicted = model.predict_proba([e.text for e in examples]).argmax(1)
    return [Example(e.text, int(p), e.uid) for e, p in zip(examples, predicted, strict=True)]


def rate(model, phrases, examples, goal) -> list[tuple[int, float]]:
    """What phrases do, each text judged alone."""
    found = []
    for phrase in phrases:
        proba = np.stack([model.predict_proba([goal.write(phrase, e.text)])[0] for e in examples])
        labels = np.array([e.label for e in examples])
        found.append((int(goal.reach(proba, labels).sum()), float(goal.measure_gain(proba, labels).mean())))
    return found


def check_best(found: Found, best: Effect) -> None:
    """The best phrase was found; where it reaches all texts the search ends, whatever the loss."""
    assert found.effect.reached == best.reached
    assert best.reached == found.texts or found.effect.gain == pytest.approx(best.gain, abs=1e-5)


@given(st.integers(0, 10_000), st.sampled_from([None, 0, 1]), st.sampled_from(["front", "end"]))
@settings(max_examples=12, deadline=None)
def test_with_all_candidates_the_best_word_is_found(seed, target, place):
    model = draw_additive(seed, (*WORDS, "not", "but"))
    examples, goal = label_by(model, draw_texts(seed)), Goal(target, place)
    words = sorted((*WORDS, "not", "but"))
    open_ = [e for e in examples if e.label != target]
    if not open_:
        return
    found = find_trigger(model, examples, words, TriggerSearch(1, candidates=0, batch=0, place=place), target)
    best = max(measure_effects(model, [(word,) for word in words], open_, goal))
    assert found.texts == len(open_)
    assert tuple(found.effect) == pytest.approx(rate(model, [found.phrase], open_, goal)[0], abs=1e-5)
    check_best(found, best)


@given(st.integers(0, 10_000), st.sampled_from([0, 1]))
@settings(max_examples=12, deadline=None)
def test_one_candidate_is_enough_where_the_model_is_linear(seed, target):
    """Each word moves the log-odds of all texts by the same, so that the gradient knows the best one."""
    model = draw_additive(seed, WORDS)
    examples = label_by(model, draw_texts(seed))
    open_ = [e for e in examples if e.label != target]
    if not open_:
        return
    found = find_trigger(model, examples, WORDS, TriggerSearch(1, beam=1, candidates=1, batch=0), target)
    best = max(measure_effects(model, [(word,) for word in WORDS], open_, Goal(target)))
    assert found.effect.reached == best.reached


def test_two_words_are_found_by_beam_where_brute_force_finds_them():
    words = WORDS[-5:]
    for seed in range(3):
        model = draw_additive(seed, WORDS, classes=3)
        examples, target = label_by(model, draw_texts(seed)), seed
        open_ = [e for e in examples if e.label != target]
        found = find_trigger(model, examples, words, TriggerSearch(2, beam=5, candidates=0, batch=0), target)
        best = max(measure_effects(model, list(itertools.product(words, repeat=2)), open_, Goal(target)))
        check_best(found, best)


@given(st.integers(0, 1000), st.sets(st.sampled_from(WORDS), max_size=len(WORDS) - 1))
@settings(max_examples=8, deadline=None)
def test_a_forbidden_word_is_never_in_it(seed, forbidden):
    model = draw_additive(seed, WORDS)
    examples = label_by(model, draw_texts(seed))
    words = list_words(model, [e.text for e in examples] + [" ".join(WORDS)], [w.upper() for w in forbidden])
    assert set(words) == set(WORDS) - forbidden
    found = find_trigger(model, examples, words, TriggerSearch(2, candidates=3, batch=5, rounds=3, seed=seed))
    assert set(found.phrase) <= set(words)


@pytest.mark.parametrize("kind", [WordCNN, WordLSTM])
def test_the_seed_decides_and_batches_change_nothing(kind):
    model = word_model(kind)
    words = [f"w{i}" for i in range(40)]
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(words, rng.integers(1, 9))) for _ in range(12)]
    examples = label_by(model, [Example(text, 0, str(i)) for i, text in enumerate(texts)])
    search = TriggerSearch(2, beam=2, candidates=5, batch=5, rounds=2, seed=4)
    assert find_trigger(model, examples, words, search) == find_trigger(model, examples, words, search)
    phrases = [("w1", "w2"), ("w3", "w4"), ("w5", "w5")]
    for goal in (Goal(), Goal(0, "end")):
        together = measure_effects(model, phrases, examples, goal)
        np.testing.assert_allclose(together, rate(model, phrases, examples, goal), atol=1e-5)
        watched = [e.label if goal.target is None else goal.target for e in examples]
        places = [goal.locate(phrases[0], e.text) for e in examples]
        written = [goal.write(phrases[0], e.text) for e in examples]
        alone = sum(measure_gradients(model, text, label).rows[at] for text, label, at in zip(
            written, watched, places, strict=True))
        np.testing.assert_allclose(sum_gradients(model, written, watched, places), alone, atol=1e-5)
        sign = 1 if goal.target is None else -1
        np.testing.assert_allclose(measure_slopes(model, phrases[0], examples, goal), sign * alone, atol=1e-5)


def test_stopping_keeps_the_best_so_far():
    model = draw_additive(1, WORDS)
    examples, stop, told = label_by(model, draw_texts(1)), threading.Event(), list[Round]()

    def press(now: Round) -> None:
        told.append(now)
        stop.set()

    found = find_trigger(model, examples, WORDS, TriggerSearch(3, candidates=0, batch=0), 0, stop, press)
    assert found.stopped and len(told) == 1 and found.rounds == 1
    assert found.phrase == told[0].phrase and found.effect.reached / found.texts == told[0].share
    stop.set()
    assert find_trigger(model, examples, WORDS, TriggerSearch(), 0, stop).phrase == ("the", "the", "the")


def test_words_are_whole_words_of_the_models_vocabulary():
    tokenizer, _ = word_piece()
    tokens = Subwords(tokenizer, 32, tokenizer.token_to_id("[PAD]") or 0)
    bag = BagOfWords()
    model = TextClassifier("double/pieces", bag.labels, draw_additive(0, WORDS).net, tokens, torch.device("cpu"))
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = list_words(model, [letters])
    pieces = tokens.vocabulary()
    assert words and all(word in pieces and len(tokens.encode(word).ids) == 3 for word in words)
    assert all(word.isalpha() and (len(word) > 1 or word in "ai") for word in words)
    assert not [word for word in list_words(model, ["abc"]) if set(word) - set("abc")]
    with pytest.raises(BadInput, match="No word of double/pieces is left"):
        list_words(model, ["\u4e2d"])


@pytest.mark.parametrize(("word", "polar"), [
    ("awful", True), ("spectacular", True), ("unfunny", True), ("awful-looking", True), ("film", False),
    ("the", False)])
def test_polarity(word, polar):
    assert has_polarity(word) == polar


def test_what_is_reported():
    model = BagOfWords({"good": 2.0, "bad": -2.0, "worst": -9.0}, (0.0, 0.0))
    examples = [Example("good film", 1), Example("good", 1), Example("bad", 0), Example("bad film", 1)]
    row = HeldOut(model, examples, Goal(0)).measure(("worst",))
    assert (row["n"], row["tried"], row["accuracy"], row["accuracy_with_trigger"]) == (4, 2, 0.75, 0.25)
    assert row["success_rate"] == 1.0 and row["success_rate_se"] == metrics.estimate_proportion(2, 2)[1]
    judged = HeldOut(model, examples, Goal())
    assert judged.measure(("worst",))["success_rate"] == pytest.approx(2 / 3), "the third stays right"
    control = measure_random(judged, ["good", "worst"], 1, 0)
    told = control.describe()
    assert len(control.rates) == 20 and told["random_best"] == max(control.rates)
    assert told["random_success_rate"] == pytest.approx(np.mean(control.rates))
    assert judged.measure(tuple(told["random_best_phrase"].split()))["success_rate"] == told["random_best"]
    assert measure_random(judged, ["good", "worst"], 1, 0).phrases == control.phrases


def test_no_text_is_searched_on_and_reported_on(tmp_path):
    data = str(tiny_data(tmp_path))
    for split, report in (("dev", "dev"), ("train", "dev")):
        first, second = choose_texts("sst2", split, report, 500, None, 0, data)
        assert first and second and not {e.text for e in first} & {e.text for e in second}
    assert choose_texts("sst2", "dev", "dev", 5, 7, 0, data)[0] == choose_texts("sst2", "dev", "dev", 5, 9, 0, data)[0]
    with pytest.raises(BadInput, match="searched on train or dev"):
        choose_texts("sst2", "test", "dev", 5, 7, 0, data)


def test_what_cannot_be_searched_is_one_line():
    model, examples = draw_additive(0, WORDS), draw_texts(0)
    with pytest.raises(Incompatible, match="shows no vocabulary"):
        list_words(BagOfWords(), ["a"])
    with pytest.raises(BadInput, match="needs words"):
        find_trigger(model, examples, [], TriggerSearch())
    with pytest.raises(BadInput, match=r"no text among 1 .* is not 'c0' already"):
        find_trigger(model, [Example("alpha", 0)], WORDS, TriggerSearch(), 0)
    for wrong in ({"length": 6}, {"beam": 0}, {"place": "middle"}, {"seed": -1}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            TriggerSearch(**wrong)


@pytest.fixture
def known(monkeypatch):
    """Models by name: two additive ones, and one that shows nothing."""
    words = ("the", "film", "story", "cast", "end", "was", "good", "bad", "dull", "poor", "great", "indeed")
    models = {f"double/{seed}": draw_additive(seed, words) for seed in (0, 1)}
    for name, model in models.items():
        model.id, model.labels = name, ("negative", "positive")

    class Plain:
        id, labels = "double/plain", ("negative", "positive")

        def predict_proba(self, texts):
            return models["double/0"].predict_proba(texts)

    models["double/plain"] = Plain()
    monkeypatch.setattr(loading, "load", lambda name, device="auto": models[name])
    return models


def test_the_command(known, tmp_path):
    data = ("--dataset", "sst2", "--data-dir", str(tiny_data(tmp_path)))
    result = invoke("trigger", "double/0", *data, "--length", "2", "--target", "positive", "--forbid", "the",
                    "--polarity", "--transfer", "double/1", "--transfer", "double/plain", "--json")
    mine, other, plain = rows(result)
    assert len(mine["trigger"].split()) == 2 and "the" not in mine["trigger"].split()
    assert mine["target"] == "positive" and mine["random_phrases"] == 20 and mine["n"] == 40
    assert [other["model"], plain["model"]] == ["double/1", "double/plain"]
    assert other["trigger"] == mine["trigger"] and other["trigger_from"] == "double/0"
    same = ("n", "tried", "accuracy", "accuracy_with_trigger", "success_rate")
    assert {k: plain[k] for k in same} == {k: mine[k] for k in same}
    shown = " ".join(invoke("trigger", "double/0", *data, "--length", "1").stdout.split())
    assert "Best random %" in shown and "Success: of the texts" in shown
    tame = rows(invoke("trigger", "double/0", *data, "--json"))[0]
    assert not {"good", "bad", "dull", "poor", "great"} & set(tame["trigger"].split())


def test_the_command_refuses_in_one_line(known, tmp_path):
    data = ("--dataset", "sst2", "--data-dir", str(tiny_data(tmp_path)))
    refused(invoke("trigger", "double/plain", *data), "double/plain shows no gradients; the search for a trigger needs")
    refused(invoke("trigger", "double/0", *data, "--transfer", "double/0"), "names a model twice")
    refused(invoke("trigger", "double/0", *data, "--split", "test"), "searched on train or dev")
    refused(invoke("trigger", "double/0", *data, "--target", "green"), "Unknown label 'green'")
    refused(invoke("trigger", "double/0", *data, "--place", "middle"), "place must be one of front, end")
    refused(invoke("trigger", "double/0", *data, "--length", "6"), "--length")
