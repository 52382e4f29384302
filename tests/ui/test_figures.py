"""What the Models page reads in claims."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ui.models import figures


def claim(metric: str = "accuracy", value: float = 0.8, rows: list | None = None, **details: Any) -> dict[str, Any]:
    return {"claim": "x", "metric": metric, "value": value, "value_se": 0.01, "n": 100, "seeds": [0], "run": "",
            "command": "again", "thresholds": {}, "versions": {},
            "details": {"model": "sst2/cnn/base", **details} | ({"rows": rows} if rows else {})}


def stored(folder: Path, *claims: Any) -> Mapping[str, Sequence[figures.Figure]]:
    for i, one in enumerate(claims):
        (folder / f"{i}.json").write_text(one if isinstance(one, str) else json.dumps(one))
    return figures.read_figures(folder)


def test_a_claim_about_one_model(tmp_path):
    figure, = stored(tmp_path, claim(dataset="sst2", split="test"))["sst2/cnn/base"]
    assert (figure.title, figure.under, figure.written) == ("Accuracy", "", "80.0 ± 1.0 %")
    assert (figure.dataset, figure.split, figure.n, figure.command) == ("sst2", "test", 100, "again")


def test_a_claim_over_seeds_says_of_each_model_its_own(tmp_path):
    rows = [{"model": f"sst2/cnn/base{at}", "dataset": "sst2", "split": "test", "attack": "textfooler", "n": 50,
             "kendall_tau": tau, "kendall_tau_se": error} for at, tau, error in (("", 0.5, 0.02), ("@1", 0.25, None))]
    found = stored(tmp_path, claim("kendall_tau", 0.4, rows, explain="ig"))
    assert set(found) == {"sst2/cnn/base", "sst2/cnn/base@1"}
    first, = found["sst2/cnn/base"]
    assert first.written == "0.500 ± 0.020" and first.under == "TextFooler"
    assert first.title == "Kendall's τ, original to adversarial (Integrated gradients)"
    assert found["sst2/cnn/base@1"][0].written == "0.250"


def test_the_claim_with_most_examples_counts_and_others_stay(tmp_path):
    row = {"model": "sst2/cnn/base", "dataset": "sst2", "split": "test", "attack": "pwws"}
    few, many = ({**row, "n": n, "accuracy_under_attack": n / 1000} for n in (100, 300))
    found = stored(tmp_path, claim("accuracy_under_attack", rows=[many]), claim("accuracy_under_attack", rows=[few]),
                   claim("accuracy_under_attack", rows=[few | {"attack": "textfooler"}]))["sst2/cnn/base"]
    assert [(f.attack, f.n) for f in found] == [("pwws", 300), ("textfooler", 100)]


UNKNOWN = "{} % of the flips bring in words unknown to the model. Prefer words that it knows."


def test_a_figure_has_the_warnings_of_its_own_row(tmp_path):
    rows = [{"model": f"sst2/cnn/base{at}", "n": 50, "accuracy": 0.5, "warnings": warnings}
            for at, warnings in (("", [UNKNOWN.format(32)]), ("@1", []))]
    found = stored(tmp_path, claim(rows=rows), claim("accuracy_under_attack", warnings=[UNKNOWN.format(68)]))
    assert [f.warnings for f in found["sst2/cnn/base"]] == [(UNKNOWN.format(32),), (UNKNOWN.format(68),)]
    assert found["sst2/cnn/base@1"][0].warnings == ()


def test_radii_are_told_apart(tmp_path):
    found = stored(tmp_path, *(claim("rate", attack=f"pgd-{radius:g}", radius=radius) for radius in (0.1, 1.0)),
                   claim("accuracy_under_attack", attack="pgd", radius=0.1))["sst2/cnn/base"]
    assert [f.under for f in found] == ["k-PGD, radius 0.1", "k-PGD, radius 1", "k-PGD, radius 0.1"]


def test_a_folder_is_read_again_once_a_claim_has_changed(tmp_path):
    known = stored(tmp_path, claim())
    assert figures.read_figures(tmp_path) is known
    path = tmp_path / "0.json"
    path.write_text(json.dumps(claim(value=0.9)))
    os.utime(path, ns=(1, 1))
    assert figures.read_figures(tmp_path)["sst2/cnn/base"][0].value == 0.9


@pytest.mark.parametrize("bad", ["{", "[]", "3", json.dumps({"metric": "accuracy"}), json.dumps(
    claim() | {"value": "much"}), json.dumps(claim() | {"details": []}), json.dumps(claim() | {"n": None})])
def test_what_cannot_be_read_is_left_out(tmp_path, bad):
    assert list(stored(tmp_path, bad, claim())) == ["sst2/cnn/base"]


def test_the_packaged_claims_give_each_defended_classifier_its_accuracy():
    from robust_core.models.cards import cards

    found = figures.read_figures()
    for card in cards():
        if card.dataset == "sst2" and "@" not in card.id and not card.id.endswith("reviews"):
            known = {(f.metric, f.split) for f in found.get(card.id, ()) if f.dataset == "sst2"}
            assert ("accuracy", "test") in known, card.id
    assert all(math.isfinite(f.value) and f.written for known in found.values() for f in known)
