"""The page, its three downloads and its link say the same, with choices that are not the usual ones."""

import csv
import io
import json
import re

import pytest
from helpers.pages import MODELS, app, click, doubles, find_label, page, query, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core.explainers import EXPLAINERS
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from ui.attack import comparison_table

EDITED = "a dull bad movie"
CHOSEN = {"tau_at_least": -0.85, "top5_at_least": 0.05, "seed": 77}


@pytest.fixture
def chosen(monkeypatch):
    """The page with an edited text and every choice changed; and what its buttons hold, by label."""
    kept = {}
    monkeypatch.setattr(comparison_table.st, "download_button",
                        lambda label, data, *args, **more: kept.update({label: data}))
    at = app(attack="planted;max_queries=900")
    at.selectbox(key="explainer").set_value("loo")
    for key, value in CHOSEN.items():
        at.number_input(key=key).set_value(value)
    find_label(at).set_value("Positive")
    at = click(settle(at), "Attack")
    at.text_area(key="adversarial_box").set_value(EDITED)
    return settle(at), kept


def read_taus(text: str) -> list[str]:
    return re.findall(r'rx-small">τ (-?[\d.]+|undefined),', text)


def test_page_downloads_and_link_agree(chosen, own_runs):
    at, made = chosen
    table = next(h.value for h in at.html if "rx-wrap" in h.value)
    view = json.loads(made["JSON"])
    assert view["adversarial"] == EDITED and view["explainer"]["name"] == "loo"
    assert {key: view[key] for key in CHOSEN} == CHOSEN and view["outcome"]["asked"]["seed"] == 77
    assert view["attacks"][0]["max_queries"] == view["outcome"]["asked"]["attacks"][0]["max_queries"] == 900
    assert view["label"] == view["outcome"]["asked"]["label"] == 1
    assert {a["method"]["name"] for a in view["attributions"]} == {"loo"}
    assert EDITED in {a["text"] for a in view["attributions"]}
    assert view["classes"] == dict.fromkeys(MODELS, ["Negative", "Positive"])

    lines = list(csv.DictReader(io.StringIO(made["CSV"])))
    assert {r["compared_text"] for r in lines} == {EDITED} and {r["explanation"] for r in lines} == {"loo"}
    assert {(float(r["tau_at_least"]), float(r["top5_at_least"]), r["seed"]) for r in lines} == {(-0.85, 0.05, "77")}
    shown = ["nan" if tau == "undefined" else tau for tau in read_taus(table)]
    assert [f"{float(r['kendall_tau']):.2f}" for r in lines] == shown
    kept_page = table.count("✓ kept"), table.count("✓ ok")
    assert (sum(r["interpretation_kept"] == "True" for r in lines),
            sum(r["prediction_kept"] == "True" for r in lines)) == kept_page
    assert table in made["HTML"], "the report holds the table of the page"
    assert f"Explanation: {EXPLAINERS['loo'].title}" in made["HTML"] and "at least -0.85" in made["HTML"]
    assert "Seed 77." in made["HTML"] and "max_queries 900" in made["HTML"]

    token = query(click(at, "Link"))["view"]
    stored = ResultStore(own_runs).get(token)
    assert stored == {key: value for key, value in view.items() if key not in ("classes", "doubts", "code_version")}
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = token
    assert table in [h.value for h in settle(new).html]
    assert new.selectbox(key="explainer").value == "loo" and new.number_input(key="seed").value == 77


def test_a_download_follows_the_choices(chosen):
    at, now = chosen
    first = dict(now)
    at.selectbox(key="explainer").set_value("ig")
    at.number_input(key="tau_at_least").set_value(0.9)
    at = click(settle(at), "Back to the attack's text")
    assert now["CSV"] != first["CSV"] and {r["explanation"] for r in csv.DictReader(io.StringIO(now["CSV"]))} == {"ig"}


def test_each_ones_own_text_is_in_the_downloads(chosen):
    at, made = chosen
    at.get_by_key("source").set_value("own")
    settle(at)
    texts = {r["model"]: (r["perturbed"], r["compared_text"]) for r in csv.DictReader(io.StringIO(made["CSV"]))}
    assert all(perturbed == compared for perturbed, compared in texts.values())
    assert json.loads(made["JSON"])["source"] == "own"
