"""The smoke attack of `doctor`: what is known comes out on the shipped models; what else comes out is said."""

import json
import time
from pathlib import Path

import pytest
from helpers.cli import invoke
from helpers.doubles import BagOfWords

from robust_core.errors import BadInput
from robust_core.evaluation import smoke
from robust_core.models import loading
from robust_core.models.cards import cards


def test_each_kind_of_shipped_model_does_what_is_known():
    known = smoke.list_known(cards())
    assert known == list(smoke.KNOWN)
    kinds = {card.architecture: card for card in cards() if card.folder.is_relative_to(smoke.CHECKPOINTS)}
    tried = {card.architecture for card in cards() if card.id in {one.model for one in known}}
    assert tried == set(kinds), "a kind of model that is shipped is not tried"
    began = time.monotonic()
    said = [smoke.check_attack(one, "cpu", began + 60) for one in known]
    assert said[0].startswith("flipped, as expected") and said[5].startswith("held and proved, as expected")


def test_what_else_comes_out_is_named_with_what_to_do():
    deadline = time.monotonic() + 60
    with pytest.raises(BadInput, match="^flipped; held was expected. Install again"):
        smoke.check_attack(smoke.Known("sst2/cnn/base", "held"), "cpu", deadline)


def test_a_slow_machine_is_no_fault():
    for left, word in ((-1.0, "not tried: the 10 seconds were over"), (1e-6, "not ")):
        assert smoke.check_attack(smoke.KNOWN[0], "cpu", time.monotonic() + left).startswith(word)


def test_a_model_without_its_proof_is_named(monkeypatch: pytest.MonkeyPatch):
    from robust_core.certify import word_swaps

    monkeypatch.setattr(word_swaps.WordCertifier, "certify", lambda self, text: type("No", (), {"certified": False}))
    with pytest.raises(BadInput, match="^held, not proved; held and proved was expected"):
        smoke.check_attack(smoke.Known("sst2/additive/close", "held", True), "cpu", time.monotonic() + 60)


def test_an_attack_that_breaks_is_named(monkeypatch: pytest.MonkeyPatch):
    class Broken(BagOfWords):
        def predict_proba(self, texts):
            raise BadInput("No figures today.")

    monkeypatch.setattr(loading, "load", lambda name, device: Broken())
    with pytest.raises(BadInput, match="No figures today"):
        smoke.check_attack(smoke.KNOWN[0], "cpu", time.monotonic() + 60)


def test_of_models_of_one_s_own_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    assert smoke.list_known(cards()) == []


def test_doctor_attacks_unless_it_shall_be_quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(smoke, "check_attack", lambda known, device, deadline: f"tried {known.model}")
    for words, tried in (((), [f"tried {one.model}" for one in smoke.KNOWN]), (("--quick",), [])):
        rows = json.loads(invoke("doctor", "--json", *words).stdout)["results"]
        assert [row["detail"] for row in rows if row["check"].startswith("attack on ")] == tried

    def fail(known: smoke.Known, device: str, deadline: float) -> str:
        raise BadInput("It did not work.")

    monkeypatch.setattr(smoke, "check_attack", fail)
    found = invoke("doctor", "--json")
    assert found.exit_code == 1 and "It did not work." in found.stdout
