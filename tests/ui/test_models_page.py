"""The Models page: marks beside stored figures, and the lines that they lead to."""

import json

import pytest
from helpers.pages import MODELS, app, doubles, page  # noqa: F401 (a fixture)

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
    """Three claims about two of the models; the third is sound."""
    folder = tmp_path / "results"
    folder.mkdir()
    write_claim(folder, 0, MODELS[0], "accuracy_under_attack", [UNKNOWN.format(32)], attack="textfooler")
    write_claim(folder, 1, MODELS[1], "accuracy_under_attack", [UNKNOWN.format(21)], attack="textfooler")
    write_claim(folder, 2, MODELS[0], "kendall_tau", [BADLY], attack="pwws", explain="lime")
    write_claim(folder, 3, MODELS[0], "accuracy", [])
    read = figures.read_figures
    monkeypatch.setattr(figures, "read_figures", lambda: read(folder))


def test_marks_stand_beside_the_figures_and_lines_below(claims):
    at = app()
    at.switch_page("pages/9_Models.py").run()
    overview, details = at.dataframe[0].value, at.dataframe[1].value
    assert list(overview["TextFooler †"]) == ["†1 (32 %)", "†1 (21 %)", ""]
    assert list(overview["TextFooler"].dropna()) == pytest.approx([1.8, 1.8]), "figures stay numbers, to sort by"
    assert dict(zip(details["Figure"], details["Value"], strict=True)) == {
        "Accuracy": "1.8 ± 0.3 %", "Accuracy under attack": "1.8 ± 0.3 % †1 (32 %)",
        "Kendall's τ, original to adversarial (LIME)": "0.018 ± 0.003 †2 (36 %)"}
    notes = [(c.value, c.help) for c in at.caption if c.value.startswith("†")]
    assert notes == [
        ("†1: 21 to 32 % of the flips bring in words unknown to the model.", "Prefer words that it knows."),
        ("†1: 32 % of the flips bring in words unknown to the model.", "Prefer words that it knows."),
        ("†2: 36 % of the local linear models have an R² below 0.5.", "Use more samples.")]


def test_without_warnings_there_is_no_column_for_them(monkeypatch):
    monkeypatch.setattr(figures, "read_figures", dict)
    at = app()
    at.switch_page("pages/9_Models.py").run()
    assert "TextFooler" in at.dataframe[0].value and "TextFooler †" not in at.dataframe[0].value
    assert "†" not in page(at)
