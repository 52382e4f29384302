"""Plans: each with each other, one plain line where something does not fit, and what they lack."""

import json
from pathlib import Path

import pytest
from helpers.sweeps import make_tasks, write_plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from robust_core.attacks import ATTACKS
from robust_core.errors import BadInput, Incompatible, RobustError, UnknownName
from robust_core.explainers import EXPLAINERS
from robust_core.sweep.plan import Texts, read_plan

RIGHT = {"models": ["a/b/c"], "attacks": ["pwws"], "data": ["sst2"]}


def read(tmp_path: Path, *parts: object):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(parts[0] if len(parts) == 1 else parts))
    return read_plan(path)


def test_everything_is_combined_with_everything(tmp_path):
    plan = read(tmp_path, RIGHT | {"models": ["a", "b", "a"], "attacks": ["pwws", "clare"], "seeds": [0, 1],
                                   "presets": ["paper", "careful"], "max_queries": 50, "explainers": ["ig", "ig"],
                                   "data": ["sst2", {"dataset": "sst2", "split": "dev", "n": 3}]})
    # CLARE has no careful: its combinations with that preset are left out.
    assert len(plan) == len(set(plan)) == 2 * 3 * 2 * 2
    assert [one.model for one in plan] == ["a"] * 12 + ["b"] * 12
    assert {(one.attack.name, one.preset) for one in plan} == {
        ("pwws", "paper"), ("pwws", "careful"), ("clare", "paper")}
    assert {one.texts for one in plan} == {Texts("sst2", "test", None), Texts("sst2", "dev", 3)}
    assert all(one.attack.max_queries == 50 and one.explainers == (EXPLAINERS["ig"](),) for one in plan)


def test_what_two_parts_name_is_done_once_with_the_explainers_of_both(tmp_path):
    one, two = read(tmp_path, RIGHT | {"explainers": ["ig"]}, RIGHT | {"explainers": ["loo"], "seeds": [0, 1]})
    assert [explainer.name for explainer in one.explainers] == ["ig", "loo"]
    assert (one.seed, two.seed) == (0, 1)


def test_a_pattern_stands_for_the_checkpoints_that_it_fits(data, tmp_path):
    assert [one.model for one in read(tmp_path, RIGHT | {"models": ["sst2/*/ba?e"]})] == ["sst2/cnn/base"]
    with pytest.raises(UnknownName, match="sst2/cnn/base"):
        read(tmp_path, RIGHT | {"models": ["sst2/cnn/x*"]})


@pytest.mark.parametrize(("change", "message"), [
    ({"model": ["a"]}, "'?model'? is none of them"), ({"models": "a"}, "models of a sweep is a list"),
    ({"models": ["sst2/cnn/base+unicode"]}, "no model with guards"),
    ({"models": []}, "needs models"), ({"attacks": [["pwws"]]}, "are names"), ({"attacks": ["x"]}, "Unknown attack"),
    ({"presets": ["x"]}, "Unknown preset"), ({"presets": ["paper", "x"]}, "Unknown preset"),
    ({"attacks": ["clare"], "presets": ["careful"]}, "no preset careful"),
    ({"explainers": ["x"]}, "Unknown explainer"), ({"seeds": [True]}, "seed is a whole number"),
    ({"seeds": [-1]}, "seed is a whole number"), ({"data": [{"n": 3}]}, "dataset and split"),
    ({"data": [{"dataset": "sst2", "n": 0}]}, "n of a sweep"), ({"data": [3]}, "Data of a sweep"),
    ({"max_queries": "many"}, "max_queries"), ({"precision": ["exact"]}, "precision"),
    ({"seeds": list(range(100_001))}, "100,000 combinations")])
def test_what_does_not_fit_is_one_line(change, message, tmp_path):
    with pytest.raises(RobustError, match=message):
        read(tmp_path, RIGHT | change)


@pytest.mark.parametrize("text", ["[]", "3", "[3]", "{}", "{", "[" * 5000])
def test_what_is_no_plan_is_one_line(text, tmp_path):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(BadInput):
        read_plan(tmp_path / "plan.json")


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(st.sampled_from(["dataset", "n", "split", "x"]), inner, max_size=3))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(change=st.dictionaries(st.sampled_from(["models", "attacks", "presets", "data", "explainers", "seeds",
                                               "max_queries", "precision"]), VALUES))
def test_any_json_is_a_plan_or_one_line(change, tmp_path):
    try:
        assert read(tmp_path, RIGHT | change)
    except RobustError as error:
        assert len(str(error).splitlines()) == 1


def test_a_time_limit_and_other_labels_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setitem(ATTACKS["pwws"].PRESETS, "paper", {"time_limit": 3.0})
    with pytest.raises(BadInput, match="time limit makes results depend on the machine"):
        make_tasks(write_plan(tmp_path / "plan.json"), data)
    with pytest.raises(Incompatible, match="predicts negative, positive"):
        (data / "trec").mkdir()
        (data / "trec" / "test.tsv").write_text("text\tlabel\nWho?\tHUM\n")
        make_tasks(write_plan(tmp_path / "plan.json", data=["trec"]), data)
