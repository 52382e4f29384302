"""The History page: a first run on a click, search, opening again, two runs compared, reports, exports, deleting."""

import json

import pytest
import streamlit as st
from helpers.pages import MODELS, app, attacked, click, doubles, page, query, settle  # noqa: F401 (a fixture)
from helpers.runs import make_texts, store_run
from streamlit.testing.v1 import AppTest

from robust_core import datasets, owners, paths
from robust_core.history.entries import EVALUATION, TYPED, list_entries
from robust_core.paths import own_checkpoints
from robust_core.types import Example
from ui.history import page as history
from ui.history.actions import _make_export
from ui.saliency import page as saliency
from ui.saliency import stored_results
from ui.shared import loaded, people

PAGE = "pages/11_History.py"


@pytest.fixture(autouse=True)
def fresh():
    st.cache_resource.clear()
    yield
    owners.tell_people_apart(str)


def open_page(at: AppTest | None = None) -> AppTest:
    return settle((at or app()).switch_page(PAGE))


def pick(at: AppTest, *ids: str) -> AppTest:
    """Pick the lines of these entries."""
    shown = at.dataframe[0].value["Id"].tolist()
    entries = [entry for entry in list_entries(loaded.open_store(), loaded.open_links()) if entry.id in shown]
    rows = [shown.index(name) for name in ids]
    at.session_state[history.make_key(entries)] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return settle(at)


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click()
    return settle(at)


def open_picked(at: AppTest, title: str, file: str) -> AppTest:
    """Press Open; the page that it leads to is then the one that AppTest runs again."""
    at.button(key="history.open").click().run()
    assert not at.exception and at.title[0].value == title, page(at)
    return settle(at.switch_page(f"pages/{file}.py"))


def test_a_new_installation_is_offered_a_first_run(monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name, split, data_dir=None: [
        Example(text, i % 2, f"reviews/test/{i}") for i, text in enumerate(("a good movie", "a bad movie", "good"))])
    at = open_page()
    assert "Nothing was run here yet" in page(at) and not at.dataframe
    at = press(at, "history.first")
    loaded.get_jobs().wait(at.session_state["corpus.job"], 20)
    at = settle(at)
    assert "Kept here: 2 evaluations." in page(at)
    table = at.dataframe[0].value
    assert list(table["What"]) == ["Evaluation"] * 2 and list(table["Texts"]) == [3, 3]
    assert set(table["Attack"]) == {"Planted words (paper)"}


def test_a_line_has_the_figure_of_its_run_and_the_search_finds_it():
    store = loaded.open_store()
    one, two = store_run(store, MODELS[0]), store_run(store, MODELS[1], texts=make_texts("moods", ("a good movie",)))
    at = open_page()
    table = at.dataframe[0].value.set_index("Id")
    known = {entry.id: entry for entry in list_entries(store)}
    assert table.loc[one, "Value"] == pytest.approx(100 * known[one].value)
    assert table.loc[one, "±"] == pytest.approx(100 * known[one].error) and table.loc[one, "Texts"] == 8
    at.text_input(key="history.search").set_value("moods")
    assert list(settle(at).dataframe[0].value["Id"]) == [two]
    at.text_input(key="history.search").set_value("dull movie")
    assert list(settle(at).dataframe[0].value["Id"]) == [one], "a text of the run"
    at.text_input(key="history.search").set_value("*nothing* of [this](x)")
    assert "Nothing here fits" in page(settle(at))
    assert len(click(at, "Show all").dataframe[0].value) == 2


def test_an_explained_run_opens_on_the_saliency_page():
    run = store_run(loaded.open_store(), MODELS[1])
    other = store_run(loaded.open_store(), MODELS[0])
    at = pick(open_page(), run)
    assert "Planted words (paper) on LSTM · base" in [s.value for s in at.subheader]
    assert at.metric[0].value.endswith("%")
    at = open_picked(at, "Saliency", "2_Saliency")
    assert at.session_state["saliency.source"] == saliency.STORED and at.session_state["stored.group"][0] == run
    assert at.multiselect(key="models").value == [MODELS[1]] and at.multiselect(key="attacks").value == ["planted"]
    assert at.button_group(key="stored.which").value == stored_results.ALL
    at = press(at, "stored.report.make")
    assert run in at.session_state["stored.report.page"][1].decode() and other not in str(
        at.session_state["stored.report.page"][0])


def test_a_run_without_explanations_is_set_up_to_get_them():
    run = store_run(loaded.open_store(), MODELS[0], explain=False)
    gone = store_run(loaded.open_store(), "double/gone", explain=False)
    at = pick(open_page(), gone)
    assert at.button(key="history.open").disabled and "not among the models" in at.button(key="history.open").help
    at = open_picked(pick(open_page(), run), "Saliency", "2_Saliency")
    assert "not explained yet" in page(at) and at.number_input(key="stored.new.n").value == 8
    assert at.selectbox(key="stored.new.dataset").value == "reviews"


def test_a_typed_attack_opens_as_it_was():
    at = click(attacked(), "Link")
    shown = page(at)
    token = query(at)["view"]
    at = pick(open_page(app(text="another text")), token)
    assert "a good clever movie" in page(at) and "Typed attack" in at.dataframe[0].value["What"].tolist()
    at = open_picked(at, "Attack", "1_Attack")
    assert query(at) == {"view": token}
    assert "became bad" in page(at) and ("became bad" in shown)


def test_two_evaluations_side_by_side():
    store = loaded.open_store()
    one, two = store_run(store, MODELS[0]), store_run(store, MODELS[1], bias=(0.0, 3.0))
    at = pick(open_page(), one, two)
    assert "Side by side" in [s.value for s in at.subheader] and "texts changed sides" in page(at)
    figures = at.dataframe[1].value
    assert list(figures["Figure"])[:4] == ["Right before the attack", "Right under attack", "Attack success",
                                           "Queries a text"]
    assert figures["B − A"].str.contains("±").all() and (figures["Texts"] <= 8).all()
    changed = at.dataframe[2].value
    assert set(changed["Right only in"]) <= {"A", "B"} and len(changed)
    at = press(at, "history.report.make")
    assert "Side by side" in at.session_state["history.report.page"][1].decode()
    apart = store_run(store, MODELS[0], texts=make_texts("moods", ("good",)), explain=False)
    at = pick(open_page(at), one, apart)
    assert "no text in common" in page(at)


def test_deleting_asks_first_and_says_what_is_gone():
    store = loaded.open_store()
    one, two = store_run(store, MODELS[0]), store_run(store, MODELS[1])
    at = press(pick(open_page(), one), "history.delete")
    assert "Delete Planted words" in page(at) and "8 results" in page(at) and len(store.runs()) == 2
    at = press(at, "history.keep")
    assert "8 results" not in page(at) and len(store.runs()) == 2
    at.button(key="history.delete").click().run()
    at.button(key="history.sure").click().run()
    assert f"Run {one} is gone: 8 results." in page(at) and [*store.runs()] == [two]
    assert list(at.dataframe[0].value["Id"]) == [two]
    assert "is gone" not in page(at.run()), "said once"


def test_exports_hold_what_was_picked():
    store = loaded.open_store()
    run = store_run(store, MODELS[0])
    entry, = list_entries(store)
    rows = _make_export([entry], lambda rows: json.dumps(len(rows)).encode())()
    assert rows == b"8"
    at = pick(open_page(), run)
    assert [b.label for b in at.get("download_button")] == ["JSONL", "Parquet"]


def test_a_trained_model_opens_the_form_it_was_trained_with():
    name = "reviews/cnn/flat"
    folder = own_checkpoints() / name
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({
        "id": name, "dataset": "reviews", "architecture": "lstm", "defence": {"name": "freelb", "passes": 4}, "seed": 5,
        "labels": ["negative", "positive"], "config": {"network": {"length": 50}}, "recipe": {"batch_size": 24},
        "dev_accuracy": 0.75, "epochs": 2, "seconds": 9.0, "device": "cpu", "parameters": 12, "bytes": 25,
        "files": {"model.safetensors": "ab" * 32}, "parent": "", "version": "0.1.0", "data": {
            "train": {"n": 160, "sha256": "cd" * 32}, "dev": {"n": 80, "sha256": "cd" * 32}}}))
    at = open_picked(pick(open_page(), name), "Train", "6_Train")
    assert at.selectbox(key="train.architecture").value == "lstm"
    assert at.selectbox(key="train.defence").value == "freelb"
    assert at.number_input(key="train.defence.freelb.passes").value == 4 and at.number_input(key="seed").value == 5
    assert at.number_input(key="train.recipe.batch_size").value == 24


def test_people_see_what_is_theirs(monkeypatch):
    monkeypatch.setenv("ROBUST_SHARED", "1")
    for person, bias in (("ann", (0.0, 0.0)), ("bob", (0.0, 3.0))):
        with owners.act_for(person):
            store_run(loaded.open_store(), MODELS[0], bias=bias, explain=False)
    monkeypatch.setattr(people, "_identify", lambda: "ann")
    at = click(attacked(), "Link")
    token = query(at)["view"]
    at = open_page(at)
    assert set(at.dataframe[0].value["Id"]) == {token, *loaded.ResultStore(paths.runs_folder() / "people/ann").runs()}
    with owners.act_for("ann"):
        at = press(press(pick(at, token), "history.delete"), "history.sure")
    assert token not in loaded.open_links().views()
    monkeypatch.setattr(people, "_identify", lambda: "bob")
    table = open_page().dataframe[0].value
    assert list(table["What"]) == ["Evaluation"]


def test_a_damaged_store_is_one_line(own_runs):
    own_runs.mkdir()
    (own_runs / "results.sqlite").write_bytes(b"no database at all" * 100)
    at = open_page()
    assert any("is damaged" in w.value for w in at.warning) and not at.dataframe


def test_hostile_names_and_texts_stay_text():
    mark = "*bold* [x](https://evil.example) <b>b</b>"
    store = loaded.open_store()
    asked = {"text": mark, "models": [mark], "attacks": [{"name": mark}]}
    view = store.put({"outcome": {"asked": asked, "results": []}})
    at = pick(open_page(), view)
    assert "](https://evil.example)" not in page(at) and "<b>b</b>" not in page(at)
    assert any(entry.kind == TYPED and entry.text == mark for entry in list_entries(store))
    assert not [entry for entry in list_entries(store) if entry.kind == EVALUATION]
