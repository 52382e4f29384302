"""Attacks through guards: a flagged text is no success; what is reported of guards, and the command."""

import dataclasses

import numpy as np
import pytest
from helpers.cli import invoke, refused, rows
from helpers.doubles import BagOfWords, Counting, Planted, WordEncoder

from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.classifiers import predict_against, predict_labels
from robust_core.evaluation.evaluate import evaluate
from robust_core.evaluation.guards import BYPASSED, FLAGGED, PUT_RIGHT, judge_attack, judge_clean, judge_replay
from robust_core.guards import GUARDS
from robust_core.guards.base import FittedGuard, Guard
from robust_core.guards.guarded_model import GuardedModel
from robust_core.models import loading
from robust_core.registry import param
from robust_core.store import ResultStore
from robust_core.types import Example


@dataclasses.dataclass(frozen=True)
class Watch(Guard):
    """Flag texts with one word, and read another one as a third."""

    name, title, source = "watch", "Watch", "https://example.org/watch"

    word: str = param("bad", "Word that flags")
    old: str = param("awful", "Word that gives way")

    def fit(self, model, texts):
        """Return the guard."""
        return FittedGuard(lambda text: text.replace(self.old, "good"), lambda text: self.word in text.split())


@pytest.fixture(autouse=True)
def doubles(monkeypatch):
    """No real model or encoder."""
    real = loading.load
    monkeypatch.setattr(loading, "load", lambda name, device="auto": (
        MODEL if name == "double/bag-of-words" else real(name, device)))
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)
    monkeypatch.setitem(GUARDS._members, "watch", Watch)


MODEL = BagOfWords({"good": 2.0, "clever": 1.5, "bad": -2.0, "awful": -2.0, "dull": -1.0})


def put(guard):
    """A guard in front of the double."""
    return GuardedModel(MODEL, [guard], [guard.fit(MODEL, None)])


def attack(victim, *texts, label=1, **values):
    """The results of the planted attack."""
    method = dataclasses.replace(Planted(), **values)
    examples = [Example(text, label, f"t/{i}") for i, text in enumerate(texts)]
    return [e.result for e in method.run([victim], examples) if e.result]


def test_a_flagged_text_is_no_success():
    plain, = attack(MODEL, "a good film")
    held, = attack(put(Watch()), "a good film")
    assert (plain.status, held.status, held.perturbed_label) == ("succeeded", "failed", 1)
    assert held.after == (0.0, 1.0) and held.queries == plain.queries
    free, = attack(put(Watch(word="other")), "a good film")
    assert free.status == "succeeded" and free.after == pytest.approx(plain.after)


def test_a_cleaned_text_is_what_the_model_reads():
    assert attack(MODEL, "a good film", new="awful")[0].status == "succeeded"
    asked = Counting(MODEL)
    asked.id = MODEL.id
    guarded = GuardedModel(asked, [Watch()], [Watch().fit(MODEL, None)])
    held, = attack(guarded, "a good, awful good film", new="awful")
    assert held.status == "failed" and held.queries == 3
    assert {*asked.texts} == {"a good, good good film"}


def test_a_text_that_is_flagged_before_is_left_alone():
    skipped, = attack(put(Watch(word="good")), "a good film")
    assert skipped.status == "skipped" and skipped.queries == 1
    assert skipped.notes == ("A guard flags the text before any change.",)


def test_the_guard_looks_only_at_texts_that_left_their_class():
    asked = []
    guarded = put(Watch())
    guarded.flag = lambda texts: asked.extend(texts) or np.ones(len(texts), dtype=bool)
    proba = predict_against(guarded, ["good", "dull", "dull"], [1, 1, 0])
    assert asked == ["dull"] and proba[1].tolist() == [0.0, 1.0] and proba[2].argmax() == 0


def test_flagged_texts_are_not_read_right_in_an_evaluation(tmp_path):
    store = ResultStore(tmp_path)
    clean, = (e.data for e in evaluate([put(Watch(word="the"))], "reviews", "dev", n=20) if e.kind == "row")
    alone, = (e.data for e in evaluate([MODEL], "reviews", "dev", n=20) if e.kind == "row")
    assert clean["accuracy"] < alone["accuracy"]
    first, second = (
        [e.data for e in evaluate([MODEL, put(Watch())], "reviews", "dev", [Planted()], n=20, store=store,
                                  transfer=True) if e.kind == "row"] for _ in range(2))
    assert first == second and first[0]["run"] != first[1]["run"], "guarded results are stored apart"
    onto_guard, = (row for row in first if row.get("adversarial_from") == MODEL.id)
    assert onto_guard["transfer_success_rate"] in (0.0, pytest.approx(float("nan"), nan_ok=True))


def test_what_becomes_of_adversarial_texts():
    (fooled,), (other,) = attack(MODEL, "a good film"), attack(MODEL, "a good film", new="awful")
    guarded = put(Watch())
    assert [judge_replay(put(guard), fooled) for guard in (Watch(), Watch(word="x"))] == [FLAGGED, BYPASSED]
    assert judge_replay(guarded, other) == PUT_RIGHT
    through = attack(guarded, "a good film", "a clever film")
    row = judge_attack(guarded, [fooled, *attack(MODEL, "a clever film")], through)
    assert (row["n"], row["n_through"], row["adversarial"]) == (2, 2, 1)
    assert (row["success"], row["replayed"], row["through"]) == (0.5, 0.0, 0.0)
    assert (row["flagged"], row["put_right"], row["bypassed"], row["caught"]) == (1.0, 0.0, 0.0, 1.0)
    assert row["success_se"] == pytest.approx(0.5 / 2 ** 0.5) and row["flagged_se"] > 0


def test_what_guards_cost_on_clean_texts():
    texts = ["a good film", "a bad film", "an awful film", "a clever film"]
    examples = [Example(text, label, str(i)) for i, (text, label) in enumerate(zip(texts, (1, 0, 0, 1), strict=True))]
    guarded = put(Watch())
    plain, behind = ({e.uid: int(p) == e.label for e, p in zip(examples, predict_labels(model, texts), strict=True)}
                     for model in (MODEL, guarded))
    row = judge_clean(guarded, examples, plain, behind)
    assert (row["n"], row["flagged"], row["changed"]) == (4, 0.25, 0.25)
    assert (row["accuracy"], row["guarded_accuracy"], row["accuracy_lost"]) == (1.0, 0.5, 0.5)


BASE = ("guard", "double/bag-of-words", "--dataset", "reviews", "--n", "12")


def test_the_command_reports_and_goes_on_where_it_was():
    words = (*BASE, "--guard", "watch", "--attack", "planted", "--json")
    clean, attacked = rows(invoke(*words))
    assert clean["attack"] is None and clean["n"] == 12 and clean["guarded"] == "double/bag-of-words+watch"
    assert attacked["attack"] == "planted" and attacked["through"] == 0.0 and attacked["caught"] in (1.0, None)
    assert attacked["guards"][0]["name"] == "watch" and "engine" in attacked["rests_on"]
    assert rows(invoke(*words)) == [clean, attacked]
    table = invoke(*words[:-1], "--guard", "unicode")
    assert table.exit_code == 0 and "A flagged text is no success" in table.stdout and "watch: word bad" in table.stdout


def test_thresholds_of_the_command_stand_below_its_table():
    result = invoke(*BASE, "--guard", "perplexity", "--guard-set", "false_alarms=0.1")
    assert result.exit_code == 0 and "false_alarms 0.1" in result.stdout and "chosen on clean dev texts: surprise" in (
        result.stdout)


@pytest.mark.parametrize(("words", "parts"), [
    (("--guard", "nosuch"), ("Unknown guard 'nosuch'", "unicode")),
    (("--guard", "unicode", "--guard-set", "depth=3"), ("no parameter 'depth'",)),
    (("--guard", "perplexity", "--guard-set", "reader=gpt"), ("reader must be one of",)),
    (("--guard", "frequency", "--n", "80"), ("20 are needed, 0 are here",)),
    (("--guard", "unicode", "--dataset", "nosuch"), ("Unknown data set 'nosuch'",)),
    (("--guard", "unicode", "--attack", "nosuch"), ("Unknown attack 'nosuch'",)),
    (("--guard", "unicode", "--set", "new=x"), ("choose one with --attack",)),
    ((), ("--guard",))])
def test_the_command_refuses_in_one_line(words, parts):
    base = list(BASE)
    for option in words[::2]:
        # Given twice it would be refused for that.
        if option in base:
            del base[base.index(option): base.index(option) + 2]
    refused(invoke(*base, *words), *parts)


def test_words_of_train_are_kept_apart():
    refused(invoke("guard", "double/bag-of-words", "--dataset", "reviews", "--guard", "unicode", "--split", "train"),
            "name --n")
