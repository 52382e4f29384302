"""Models with 2, 6 and 4 classes side by side, in any order: each is named by its own classes, everywhere."""

import csv
import io
import json
import re

import pytest
import streamlit as st
from helpers.doubles import BagOfWords
from helpers.pages import app, card, click, doubles, find_label, page, query, settle  # noqa: F401 (a fixture)
from streamlit.testing.v1 import AppTest

from robust_core import datasets
from robust_core.models import loading
from robust_core.paths import ROOT
from ui.attack import comparison_table, live
from ui.saliency import page as saliency

SETS = {"sst2": ("negative", "positive"), "trec": datasets.describe("trec").labels,
        "ag_news": datasets.describe("ag_news").labels}
SHOWN = {name: tuple(x.capitalize() if x.islower() else x for x in labels) for name, labels in SETS.items()}
SST2, TREC, NEWS = "sst2/cnn/base", "trec/cnn/base", "ag_news/cnn/base"
ORDERS = [(SST2, TREC, NEWS), (TREC, NEWS, SST2)]
PAGES = ["1_Attack", "2_Saliency", "3_Word_importance", "4_Embeddings", "5_Certified", "6_Train", "7_Lessons",
         "9_Models"]


def build(model_id: str) -> BagOfWords:
    """A double whose last class likes good words and whose first likes bad ones."""
    labels = SETS[model_id.split("/")[0]]
    inner = (0.0,) * (len(labels) - 2)
    weights = {word: (-w, *inner, w) for word, w in (("good", 2.0), ("clever", 1.5), ("dull", -1.0), ("bad", -2.0))}
    return BagOfWords({**weights, "movie": (0.0, *inner, 0.0)}, id=model_id, labels=labels)


@pytest.fixture(params=ORDERS, ids=["few first", "many first"])
def models(request, tmp_path, monkeypatch):
    for model_id in ORDERS[0]:
        folder = tmp_path / "checkpoints" / model_id
        folder.mkdir(parents=True, exist_ok=True)
        name = model_id.split("/")[0]
        (folder / "card.json").write_text(json.dumps(card(model_id) | {"dataset": name, "labels": list(SETS[name])}))
    monkeypatch.setattr(loading, "load", lambda name, device="auto": build(name))
    return request.param


@pytest.fixture
def drawn(monkeypatch):
    """Keep what the download buttons make, by label."""
    kept = {}
    monkeypatch.setattr(comparison_table.st, "download_button",
                        lambda label, data, *args, **more: kept.update({label: data}))
    return kept


def opened(models, **more) -> AppTest:
    return app(models=",".join(models), **more)


def strip(shown: str) -> str:
    return re.sub(r"<[^>]+>", " ", shown)


def ready(at: AppTest) -> AppTest:
    """Run until the figures below the grid are there and measured."""
    for _ in range(100):
        if at.get("plotly_chart") and "measuring: " not in page(at):
            return at
        settle(at)
    raise AssertionError(page(at))


def check_own(model: str, line: str) -> None:
    """A line about a model names one of its classes, and none that only others have."""
    own = SHOWN[model.split("/")[0]]
    others = {name for names in SHOWN.values() for name in names} - set(own)
    assert any(name in line for name in own), line
    assert not any(re.search(rf"\b{name}\b", line) for name in others), line


def test_an_attack_names_each_models_own_classes(models, drawn):
    at = click(opened(models), "Attack")
    heads = [h.value for h in at.html if 'class="rx-head"' in h.value]
    assert len(heads) == 3
    for model, head in zip(models, heads, strict=True):
        check_own(model, strip(head))
    tables = next(h.value for h in at.html if "rx-wrap" in h.value)
    assert tables.count("<table") == 3 and [
        c for c in re.findall(r"<caption>Classes: (\w+)", tables)] == [SHOWN[m.split("/")[0]][0] for m in models]
    for model, table in zip(models, tables.split("<table")[1:], strict=True):
        check_own(model, strip(table))
    lines = list(csv.DictReader(io.StringIO(drawn["CSV"])))
    assert [r["model"] for r in lines] == list(models)
    for row in lines:
        own = SHOWN[row["model"].split("/")[0]]
        assert (row["reference_label"], row["perturbed_label"]) == (own[-1], own[0])
    view = json.loads(drawn["JSON"])
    assert view["classes"] == {m: list(SHOWN[m.split("/")[0]]) for m in models}
    made = drawn["HTML"]
    cards = made.split('class="cards">')[1].split('class="rx-head"')[1:]
    for model, shown in zip(models, cards, strict=True):
        check_own(model, strip(shown.partition("<h2>")[0]))
    assert made.count("<caption>") == 3


def test_a_link_brings_them_back(models):
    at = click(click(opened(models), "Attack"), "Link")
    before = [h.value for h in at.html]
    st.cache_resource.clear()
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = query(at)["view"]
    new.session_state[live.DETAILS] = True
    assert [h.value for h in settle(new).html] == before


@pytest.mark.parametrize("label", ["Positive", "ABBR"])
def test_a_true_label_is_a_name_and_a_model_without_it_is_attacked_without(models, label):
    at = opened(models)
    picker = find_label(at)
    assert set(picker.options) == {"not given", *(f"{name} ({title})" for names, title in (
        (SHOWN["sst2"], "SST-2"), (SHOWN["trec"], "TREC"), (SHOWN["ag_news"], "AG News")) for name in names)}
    picker.set_value(label)
    at = click(settle(at), "Attack")
    shown = page(at)
    assert shown.count(f"Attacked without a true label: this model has no class {label}.") == 2
    assert ("The model was wrong before the attack" in shown) == (label == "ABBR")
    assert "belongs to the attack above" not in shown
    again = click(at, "Link")
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = query(again)["view"]
    assert find_label(settle(new)).value == label


def test_the_true_label_goes_with_the_models_that_have_it(models):
    at = opened(models)
    find_label(at).set_value("ABBR")
    at = settle(at)
    at.multiselect(key="models").set_value(["sst2/cnn/base"])
    at = settle(at)
    assert find_label(at).options == ["not given", "Negative", "Positive"]
    assert find_label(at).value == ""


def test_saliency_names_each_models_own_classes(models):
    at = opened(models)
    at.switch_page("pages/2_Saliency.py")
    at = ready(settle(at))
    tables = next(h.value for h in at.html if "rx-wrap" in h.value)
    for model, table in zip(models, tables.split("<table")[1:], strict=True):
        check_own(model, strip(table))
    assert len(at.get("plotly_chart")) == 6, "two figures for each set of classes"
    at.selectbox(key="saliency.class").set_value("NUM")
    at = ready(settle(at))
    tables = next(h.value for h in at.html if "rx-wrap" in h.value).split("<table")[1:]
    for model, table in zip(models, tables, strict=True):
        check_own(model, strip(table))
        assert ("NUM" in table.partition("<tbody>")[2]) == model.startswith("trec")


def test_the_words_of_the_saliency_file_have_their_own_classes(models, monkeypatch):
    kept = {}
    monkeypatch.setattr(saliency.st, "download_button", lambda label, data, *args, **more: kept.update({label: data}))
    at = opened(models)
    at.switch_page("pages/2_Saliency.py")
    ready(settle(at))
    rows = list(csv.DictReader(io.StringIO(kept["CSV"])))
    assert {r["model"] for r in rows} == set(models)
    assert all(r["class"] in SHOWN[r["model"].split("/")[0]] for r in rows)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_with_all_of_them(models, name):
    at = click(opened(models), "Attack")
    at.switch_page(f"pages/{name}.py")
    at = settle(at)
    assert not at.exception and not [w for w in at.warning if "went wrong" in w.value]


def test_a_result_of_a_model_that_has_gone_is_shown_by_numbers(models, tmp_path):
    at = click(click(opened(models), "Attack"), "Link")
    view = query(at)["view"]
    (tmp_path / "checkpoints" / models[0] / "card.json").unlink()
    new = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
    new.query_params["view"] = view
    new.session_state[live.DETAILS] = True
    shown = strip(page(settle(new)))
    assert re.search(r"flips from class \d to class \d", shown)
