"""The Models page: marks beside stored figures, and the lines that they lead to."""

import json

import pytest
from helpers.pages import MODELS, app, doubles, page  # noqa: F401 (a fixture)

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL, PAPER, read_preset
from robust_core.registry import to_record
from ui.models import figures

UNKNOWN = "{} % of the flips bring in words unknown to the model. Prefer words that it knows."
BADLY = "36 % of the local linear models have an R² below 0.5. Use more samples."


def write_claim(folder, number, model, metric, warnings, **details):
    row = {"model": model, "dataset": "sst2", "split": "test", **details}
    claim = {"claim": "x", "metric": metric, "value": 0.018, "value_se": 0.003, "n": 1821, "seeds": [0], "run": "",
             "command": "again", "thresholds": {}, "versions": {}, "details": row | {"warnings": warnings}}
    (folder / f"{number}.json").write_text(json.dumps(claim))


@pytest.fixture
def claims(tmp_path, monkeypatch):
    """Claims about two of the models, one of them under two presets; the third is sound."""
    folder = tmp_path / "results"
    folder.mkdir()
    for number, (model, share, preset) in enumerate([(MODELS[0], 32, PAPER), (MODELS[1], 21, PAPER),
                                                     (MODELS[0], 40, CAREFUL)]):
        parameters = to_record(ATTACKS["textfooler"](**read_preset(ATTACKS["textfooler"], preset)))
        write_claim(folder, 10 + number, model, "accuracy_under_attack", [UNKNOWN.format(share)], attack="textfooler",
                    parameters=parameters)
    write_claim(folder, 2, MODELS[0], "kendall_tau", [BADLY], attack="pwws", explain="lime")
    write_claim(folder, 3, MODELS[0], "accuracy", [])
    read = figures.read_figures
    monkeypatch.setattr(figures, "read_figures", lambda: read(folder))


def test_marks_stand_beside_the_figures_and_lines_below(claims):
    at = app()
    at.switch_page("pages/9_Models.py").run()
    overview, details = at.dataframe[0].value, at.dataframe[1].value
    assert list(overview["Paper †"]) == ["†1 (32 %)", "†1 (21 %)", ""]
    assert list(overview["Careful †"]) == ["†1 (40 %)", "", ""], "another preset is another attack"
    assert list(overview["Paper"].dropna()) == pytest.approx([1.8, 1.8]), "figures stay numbers, to sort by"
    assert set(zip(details["Figure"], details["Attack"].fillna(""), details["Value"], strict=True)) == {
        ("Accuracy", "", "1.8 ± 0.3 %"), ("Accuracy under attack", "TextFooler, paper", "1.8 ± 0.3 % †1 (32 %)"),
        ("Accuracy under attack", "TextFooler, careful", "1.8 ± 0.3 % †1 (40 %)"),
        ("Kendall's τ, original to adversarial (LIME)", "PWWS", "0.018 ± 0.003 †2 (36 %)")}
    notes = [(c.value, c.help) for c in at.caption if c.value.startswith("†")]
    assert notes == [
        ("†1: 21 to 40 % of the flips bring in words unknown to the model.", "Prefer words that it knows."),
        ("†1: 32 to 40 % of the flips bring in words unknown to the model.", "Prefer words that it knows."),
        ("†2: 36 % of the local linear models have an R² below 0.5.", "Use more samples.")]


def test_without_warnings_there_is_no_column_for_them(monkeypatch):
    monkeypatch.setattr(figures, "read_figures", dict)
    at = app()
    at.switch_page("pages/9_Models.py").run()
    assert {"Careful", "Paper"} <= set(at.dataframe[0].value) and "Paper †" not in at.dataframe[0].value
    assert "†" not in page(at)
