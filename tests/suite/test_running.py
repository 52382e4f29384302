"""Suites run on doubles: what passes, fails and stays open, what is asked, and what of it is kept."""

import json
import threading

import numpy as np
import pytest
from helpers.doubles import BagOfWords, Counting, Planted, WordEncoder
from helpers.models import draw_additive

from robust_core import encoders
from robust_core.attacks import ATTACKS
from robust_core.datasets import DataSet, LabelledTexts
from robust_core.errors import BadInput
from robust_core.store import ResultStore
from robust_core.suite.attacked import AccuracyUnderAttack, CertifiedShare, Consistency
from robust_core.suite.checks import Accuracy, Direction, Functionality, Invariance
from robust_core.suite.last_run import compare, read_last, write_last
from robust_core.suite.reader import Settings, Suite
from robust_core.suite.running import NOT_TESTED, Finding, run_check, run_suite, share_alpha
from robust_core.suite.subject import Subject
from robust_core.types import Example

LABELS = ("negative", "positive")


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    monkeypatch.setattr(encoders, "load_default", lambda device="auto": WordEncoder())
    list(ATTACKS)
    monkeypatch.setitem(ATTACKS._members, "planted", Planted)


@pytest.fixture
def store(tmp_path):
    return ResultStore(tmp_path / "store")


def make_subject(store, model=None, texts: int = 300, wrong: int = 0) -> Subject:
    """Good and bad films in turn, of which the first ones have a wrong label."""
    words = ("good", "bad", "clever", "dull")
    rows = [Example(f"film {i} is a {words[i % 4]} movie", int((i % 2 == 0) != (i < wrong)), f"films/{i}")
            for i in range(texts)]
    about = DataSet("films", "Films", LABELS, "made up", length=20)
    return Subject(model or BagOfWords(), LabelledTexts(about, "file", rows), store)


def run(check, subject, alpha=0.05, seconds=60.0, stop=None) -> Finding:
    *_, last = run_check(check, subject, alpha, seconds, stop or threading.Event(), check.find_obstacle(subject))
    return last.data["finding"]


@pytest.mark.parametrize(("wrong", "verdict"), [(0, "passes"), (290, "fails"), (60, "too close to call")])
def test_accuracy_passes_fails_or_stays_open(store, wrong, verdict):
    found = run(Accuracy(at_least=0.8), make_subject(store, wrong=wrong))
    row = found.describe()
    assert row["verdict"] == verdict and row["low"] <= row["measured"] <= row["high"]
    assert (row["seen"] < 300) == (verdict != "too close to call")
    assert bool(row["reason"]) == (verdict == "too close to call")
    if verdict == "too close to call":
        assert row["low"] < 0.8 < row["high"] and row["measured"] == pytest.approx(0.8)
    if verdict == "fails":
        assert row["high"] < 0.8 and len(row["failures"]) == 3 and "not" in row["failures"][0]


def test_the_order_of_the_texts_is_random_and_always_the_same(store):
    subject, other = make_subject(store), make_subject(store)
    order = [e.uid for e in subject.examples]
    assert order == [e.uid for e in other.examples] != sorted(order)
    assert sorted(order) == sorted(e.uid for e in subject.texts.examples)


def test_nothing_is_asked_twice(store):
    model = Counting(BagOfWords())
    checks = (Accuracy(at_least=0.8), Invariance(at_least=0.5, kind="typos"), Direction(at_least=0.5),
              Functionality(given=(("a good film", "positive"),), at_least=1.0))
    suite = Suite(store.folder, Settings(), checks)
    first = list(run_suite(suite, make_subject(store, model), 60, threading.Event()))
    asked = model.asked
    assert 0 < asked == len(set(model.texts))
    again = list(run_suite(suite, make_subject(store, model), 60, threading.Event()))
    assert model.asked == asked

    def read(events):
        return [{k: v for k, v in e.data["finding"].describe().items() if k != "seconds"}
                for e in events if e.kind == "finding"]

    assert read(first) == read(again)


def test_accuracy_under_attack_is_what_evaluate_counts(store):
    from robust_core.evaluation.evaluate import evaluate

    check = AccuracyUnderAttack(at_least=0.4, attack="planted")
    subject = make_subject(store, texts=64, wrong=10)
    found = run(check, subject, alpha=1e-6)
    row = [e.data for e in evaluate([subject.model], subject.texts, "file", [check.make()], store=store)
           if e.kind == "row"][-1]
    assert found.describe()["measured"] == row["accuracy_under_attack"] and row["n"] == 64
    # It is the same run: nothing was attacked again.
    assert sum(len(v) for v in store.count_statuses()[row["run"]].values()) and len(store.count_statuses()) == 1
    flipped = next(outcome.note for outcome in found.outcomes if "→" in outcome.note and not outcome.value)
    assert "good" in flipped.split("→")[0] and "bad" in flipped.split("→")[1]


def test_consistency_is_what_the_explainers_say(store):
    subject = make_subject(store, texts=64)
    tau = run(Consistency(at_least=0.1, attack="planted", explainer="loo"), subject, alpha=1e-6)
    # Only texts with the word change: a quarter of them.
    assert len(tau.outcomes) == 16 and all(-1 <= o.value <= 1 for o in tau.outcomes)
    everything = run(Consistency(at_least=0.95, attack="planted", explainer="loo", pairs="all", measured="top_5"),
                     subject, alpha=1e-12)
    assert len(everything.outcomes) == 64 and sum(o.value == 1 for o in everything.outcomes) >= 48


def test_a_bound_on_kendalls_tau_may_be_negative(store):
    subject = make_subject(store, texts=64)
    row = run(Consistency(at_least=-0.99, attack="planted", explainer="loo"), subject, alpha=1e-9).describe()
    assert -1 <= row["low"] < 0 and row["unit"] == "number" and row["verdict"] == "too close to call"


def test_invariance_counts_texts_with_something_to_change(store):
    class Shy(BagOfWords):
        """Takes a word that it does not know for praise."""

        def predict_proba(self, texts):
            return np.array([[0.1, 0.9] if "moive" in text else [0.9, 0.1] for text in texts], dtype=np.float32)

    subject = make_subject(store, Shy(), texts=64)
    found = run(Invariance(at_least=0.5, kind="typos", variants=50), subject)
    assert found.verdict == "fails" and not any(o.value for o in found.outcomes) and "moive" in found.outcomes[0].note
    none = run(Invariance(at_least=0.5, kind="places"), subject)
    assert not none.outcomes and none.verdict == "too close to call" and np.isnan(none.describe()["measured"])
    numbers = run(Invariance(at_least=0.5, kind="numbers"), subject)
    assert numbers.verdict == "passes"


def test_a_negation_must_not_make_a_model_surer(store):
    deaf = run(Direction(at_least=0.9), make_subject(store, texts=120))
    assert deaf.verdict == "passes"
    contrary = BagOfWords({"good": 1.0, "bad": -1.0, "clever": 1.0, "dull": -1.0, "not": 9.0}, id="double/contrary")
    found = run(Direction(at_least=0.9), make_subject(store, contrary, texts=120))
    assert found.verdict == "fails" and all("not" in o.note for o in found.outcomes if not o.value)


def test_an_added_sentence_moves_its_label(store):
    check = Direction(at_least=0.9, kind="addition", add=("It was bad.",), toward="Negative", tolerance=0.0)
    assert run(check, make_subject(store)).verdict == "passes"
    wrong = Direction(at_least=0.9, kind="addition", add=("It was good.",), toward="negative", tolerance=0.0)
    assert run(wrong, make_subject(store)).verdict == "fails"
    with pytest.raises(BadInput, match="no class 'neutral'"):
        run(Direction(at_least=0.9, kind="addition", add=("x",), toward="neutral"), make_subject(store))


def test_given_texts_are_all_that_is_meant(store):
    texts = (("a good film", "positive"), ("a bad film", "negative"), ("a film", "Positive"), ("clever", "positive"))
    found = run(Functionality(at_least=1.0, given=texts), make_subject(store)).describe()
    assert found["verdict"] == "fails" and found["measured"] == found["low"] == found["high"] == 0.75
    assert run(Functionality(at_least=0.75, given=texts), make_subject(store)).verdict == "passes"
    with pytest.raises(BadInput, match="no class 'neutral'"):
        run(Functionality(given=(("a", "neutral"),)), make_subject(store))


def test_certified_share(store):
    model = draw_additive(3, ("good", "bad", "film", "movie", "is", "a"))
    model.labels = LABELS
    found = run(CertifiedShare(at_least=0.01), make_subject(store, model, texts=64), alpha=1e-9)
    from robust_core.certify.word_swaps import measure_certified_accuracy
    from robust_core.resources.swap_sets import read_swap_set

    row = measure_certified_accuracy(model, make_subject(store, model, texts=64).texts.examples,
                                     read_swap_set("careful"))
    assert found.describe()["measured"] == row["certified_accuracy"]
    none = run(CertifiedShare(at_least=0.5), make_subject(store))
    assert none.verdict == NOT_TESTED and "no certificate" in none.reason


def test_time_that_is_over_leaves_a_limit_open_and_the_next_run_goes_on(store):
    model = Counting(BagOfWords())
    found = run(Accuracy(at_least=0.8), make_subject(store, model, wrong=60), seconds=0.0)
    assert found.verdict == "too close to call" and found.seen == 0 and "Time was over" in found.reason
    stop = threading.Event()
    stop.set()
    assert "stopped" in run(AccuracyUnderAttack(at_least=0.4, attack="planted"), make_subject(store, model),
                            stop=stop).reason
    assert not model.asked
    assert run(Accuracy(at_least=0.5), make_subject(store, model)).verdict == "passes"


def test_what_is_seen_before_time_is_over_is_a_beginning_of_the_order(store):
    class Slow(BagOfWords):
        """Sets an event after some texts."""

        def predict_proba(self, texts):
            if len(texts) and self.left <= 0:
                stop.set()
            self.left -= len(texts)
            return super().predict_proba(texts)

    stop, model = threading.Event(), Slow()
    model.left = 128
    subject = make_subject(store, model, wrong=60)
    found = run(Accuracy(at_least=0.8), subject, stop=stop, alpha=1e-9)
    assert [o.uid for o in found.outcomes] == [e.uid for e in subject.examples[: found.seen]] and 0 < found.seen < 300


def test_doubt_is_shared_by_the_limits_that_look_at_a_sample(store):
    suite = Suite(store.folder, Settings(confidence=0.9), (
        Functionality(given=(("a", "b"),)), Accuracy(at_least=0.5), Invariance(at_least=0.5)))
    assert share_alpha(suite) == pytest.approx(0.05)


def test_the_last_run_is_compared_text_by_text(store, tmp_path):
    path, subject = tmp_path / "deep" / "last.json", make_subject(store, texts=64)
    assert read_last(path) is None and compare(run(Accuracy(at_least=0.5), subject), None, subject) == {}
    write_last(path, [run(Accuracy(at_least=0.99), subject, alpha=1e-9)], subject)
    deaf = make_subject(store, BagOfWords({"bad": -2.0, "dull": -1.0, "clever": 1.0}, id="double/deaf"), texts=64)
    row = compare(run(Accuracy(at_least=0.99), deaf, alpha=1e-9), read_last(path), deaf)
    assert row["last_measured"] == 1.0 and row["worse"] == 16 and row["better"] == 0
    assert row["change"] == pytest.approx(-0.25) and row["last_verdict"] == "too close to call"
    # Of other texts only the figures are put side by side.
    other = make_subject(store, texts=63)
    assert "worse" not in compare(run(Accuracy(at_least=0.5), other), read_last(path), other)
    path.write_text(json.dumps({"checks": {}}))
    with pytest.raises(BadInput, match="no earlier run"):
        read_last(path)
