"""The ensemble's table: what five attacks together leave of each model."""

import threading

import pytest
from helpers.doubles import Planted
from helpers.experiments import MODELS

from robust_core.attacks import ATTACKS
from robust_core.claims import files
from robust_core.claims.files import write_claim
from robust_core.errors import RobustError
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Options
from robust_core.experiments.own.ensemble import EnsembleTable
from robust_core.store import ResultStore


@pytest.fixture
def measured(models, tmp_path, monkeypatch):
    """Measure the table with a small attack in the ensemble's place; return its claims as they are read again."""
    monkeypatch.setitem(ATTACKS._members, "ensemble", Planted)
    events = EnsembleTable().run(Options(models=MODELS, data_dir=str(tmp_path / "data")),
                                 ResultStore(tmp_path / "runs"), threading.Event())
    for event in events:
        if event.kind == "claim":
            write_claim(tmp_path / "claims" / EnsembleTable().file(event.data), **event.data)
    return files.read_claims(tmp_path / "claims")


def test_the_model_that_keeps_most_comes_first(measured):
    # Bad for good flips both texts with "good" on the first model; the second leans to positive, and ties are negative.
    assert {c["details"]["model"]: c["value"] for c in measured} == {MODELS[0]: 0.5, MODELS[1]: 0.75}
    first, second = [line for line in EXPERIMENTS["own/ensemble"]().table(measured).splitlines() if "sst2/" in line][:2]
    assert first.startswith(f"| `{MODELS[1]}` | 100.0 ± 25.0 | 75.0 ± 21.7") and "50.0 ± 25.0" in second


def test_each_claim_names_the_command_of_one_line(measured):
    command, = {c["command"] for c in measured if c["details"]["model"] == MODELS[0]}
    assert command.startswith(f"python -m robust_core reproduce own/ensemble --model {MODELS[0]} --attack ensemble")


def test_it_has_one_attack_and_only_models_that_are_here(models):
    with pytest.raises(RobustError, match="pwws"):
        EnsembleTable().cells(Options(attacks=("pwws",)))
    with pytest.raises(RobustError, match="sst2/cnn/other"):
        EnsembleTable().cells(Options(models=("sst2/cnn/other",)))
    cells = EnsembleTable().cells(Options())
    assert {(c.attack, c.n, c.max_queries) for c in cells} == {("ensemble", 100, 0)}
