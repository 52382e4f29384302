"""The run that comes with the app: it is what the attack gives today, and pages open on it."""

import dataclasses

import pytest
import streamlit as st
from helpers.pages import page, settle
from streamlit.testing.v1 import AppTest

from bench.example_run import MODELS, measure_run
from robust_core.evaluation import provenance
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.paths import ROOT
from robust_core.store import ResultStore
from ui.saliency import page as saliency
from ui.shared import example_run
from ui.word_importance import measurement


def read_example(folder):
    store = ResultStore(folder)
    with example_run.FILE.open(encoding="utf-8") as file:
        example_run.read_records(file, store)
    return store


def test_a_store_comes_again_from_its_lines(tmp_path):
    first = read_example(tmp_path / "first")
    lines = list(example_run.write_records(first))
    second = ResultStore(tmp_path / "second")
    example_run.read_records(lines, second)
    assert first.runs() == second.runs() and len(lines) > 200
    for run in first.runs():
        assert first.results(run) == second.results(run)
    assert first.explained() == second.explained()


def test_the_run_is_of_the_models_tables_and_engine_that_are_here(tmp_path):
    runs = read_example(tmp_path).runs().values()
    assert {model for run in runs for model in run.models} == set(MODELS)
    assert all(example_run.is_here(run) and provenance.is_current(run) for run in runs), (
        "make it again: python -m bench.example_run")


def test_the_same_attack_gives_the_same_results_today(tmp_path):
    stored, today = read_example(tmp_path / "stored"), ResultStore(tmp_path / "today")
    measure_run(today, 3)
    known = {(r.victim, r.example.uid): r for run in stored.runs() for r in stored.each(run)}
    found = [r for run in today.runs() for r in today.each(run)]
    assert len(found) == 3 * len(MODELS)
    for result in found:
        before = known[result.victim, result.example.uid]
        assert (result.perturbed, result.status, result.queries) == (before.perturbed, before.status, before.queries)
        assert result.after == pytest.approx(before.after, abs=1e-5)
    assert sum(of.compared for of in list_stored(stored)) > 50


@pytest.fixture
def example_page(tmp_path, monkeypatch):
    """Open a page of the app with the shipped models and an empty store."""
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    return lambda path: settle(AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run().switch_page(path))


def test_stored_results_open_on_it(example_page):
    at = example_page("pages/2_Saliency.py")
    at.button_group(key="saliency.source").set_value(saliency.STORED).run()
    assert not at.exception and example_run.ABOUT in page(at)
    assert set(at.dataframe[0].value["Model"]) == {"CNN · base", "CNN · FLAT-TextFooler", "Additive · close"}


def test_word_importance_opens_on_it(example_page):
    at = example_page("pages/3_Word_importance.py")
    assert not at.exception and example_run.ABOUT in page(at)
    assert "Importance is the model's own word mask" in page(at)
    words, n = measurement.find_example(MODELS[0])
    assert n == 60 and words.attacked == 60 and sum(words.substituted.values()) > 60 and len(words.values) > 300


def test_a_model_that_it_does_not_know_has_no_example(tmp_path, monkeypatch):
    run = next(iter(read_example(tmp_path / "store").runs().values()))
    assert not example_run.is_here(dataclasses.replace(run, models={MODELS[0]: "another"}))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path))
    st.cache_data.clear()
    assert not example_run.is_here(run)
