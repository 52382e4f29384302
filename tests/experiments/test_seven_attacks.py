"""Ours beside its rivals: paired differences on the same sentences, and how many attacks they hold for."""

import threading

import pytest
from helpers.experiments import MODELS

from robust_core.claims import files
from robust_core.claims.files import write_claim
from robust_core.errors import RobustError
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.base import Options
from robust_core.experiments.own import seven_attacks
from robust_core.experiments.own.seven_attacks import COMPARED, SevenAttacks, find_ours, is_apart
from robust_core.store import ResultStore

RIVAL, OURS = MODELS


@pytest.fixture
def measured(models, tmp_path, monkeypatch):
    """Measure the second double as ours and the first as its rival, under two small attacks; return the claims."""
    monkeypatch.setattr(seven_attacks, "COMPARED", {"careful": {}, "paper": {OURS: ((RIVAL,), 10)}})
    options = Options(attacks=("textfooler", "gene"), models=(RIVAL,), data_dir=str(tmp_path / "data"))
    for event in SevenAttacks().run(options, ResultStore(tmp_path / "runs"), threading.Event()):
        if event.kind == "claim":
            write_claim(tmp_path / "claims" / SevenAttacks().file(event.data), **event.data)
    return {(c["details"]["model"], c["details"]["attack"]): c for c in files.read_claims(tmp_path / "claims")}


def test_a_rival_comes_with_ours_and_with_their_paired_difference(measured):
    assert set(measured) == {(model, attack) for model in MODELS for attack in ("textfooler", "gene")}
    rival, ours = measured[RIVAL, "textfooler"], measured[OURS, "textfooler"]
    # Bad for good flips both texts with "good" on the first model; the second leans to positive: three of four.
    assert (rival["value"], ours["value"]) == (0.5, 0.75)
    gap = rival["details"]["ours_above"]
    # Kept by ours alone: both texts with "good"; by the rival alone: the negative one.
    assert (gap["value"], gap["n"]) == (0.25, 4) and ours["details"]["ours_above"] is None
    assert set(rival["rests_on"]) >= {f"model {OURS}", f"model {RIVAL}"} and f"model {RIVAL}" not in ours["rests_on"]
    assert rival["command"].startswith(f"python -m robust_core reproduce own/seven-attacks --model {RIVAL} "
                                       "--attack textfooler")


def test_the_table_has_ours_first_and_counts_the_attacks_it_holds_more_under(measured):
    text = EXPERIMENTS["own/seven-attacks"]().table(list(measured.values()))
    first, second = [line for line in text.splitlines() if "sst2/" in line and line.startswith("|")]
    assert first.startswith(f"| **`{OURS}`** |") and second.startswith(f"| `{RIVAL}` |")
    assert "<br>+25.0 ± " in second and "0 of 2" in second, "a quarter of four texts is within two errors"
    assert SevenAttacks().table([]) == ""


@pytest.mark.parametrize(("value", "error", "apart"), [(0.2, 0.1, True), (0.19, 0.1, False), (0.0, 0.0, False),
                                                      (-0.3, 0.1, False)])
def test_more_is_two_paired_errors(value, error, apart):
    assert is_apart({"details": {"ours_above": {"value": value, "value_se": error}}}) is apart


def test_it_has_every_attack_with_its_presets_and_names_what_it_lacks():
    cells = SevenAttacks().cells(Options())
    assert {(c.attack, c.preset) for c in cells if c.attack == "clare"} == {("clare", "paper")}
    assert {c.n for c in cells} == {100, 200, 300} and {c.max_queries for c in cells if c.attack == "pso"} == {5_000}
    assert {find_ours(c.model, c.preset) for c in cells if c.preset == "careful"} == set(COMPARED["careful"])
    with pytest.raises(RobustError, match="sst2/cnn/other"):
        SevenAttacks().cells(Options(models=("sst2/cnn/other",)))
    asked = {c.model for c in SevenAttacks().cells(Options(models=("sst2/cnn/base",)))}
    assert asked == {"sst2/cnn/base", "sst2/lstm-retrofitted/core-balanced", "sst2/additive/close"}
