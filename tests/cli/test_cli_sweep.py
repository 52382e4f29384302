"""`sweep`, and --workers of `evaluate` and `reproduce`: rows, plans, parts, and what is refused."""

import json
from pathlib import Path

import pytest
from helpers.cli import invoke, refused, rows
from helpers.sweeps import make_checkpoint, make_texts, write_plan


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """A small model and a plan for it, as words of a command."""
    make_checkpoint(tmp_path / "checkpoints", make_texts(tmp_path / "data", 12))
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(tmp_path / "checkpoints"))
    write_plan(tmp_path / "plan.json", explainers=["loo"], presets=["paper", "careful"])
    return "sweep", str(tmp_path / "plan.json"), "--data-dir", str(tmp_path / "data"), "--device", "cpu"


def test_a_plan_says_what_is_missing_and_is_done_once(words):
    paper, careful = rows(invoke(*words, "--plan", "--json"))
    assert list(paper) == ["model", "attack", "parameters", "dataset", "split", "seed", "n", "stored", "preset",
                           "explain", "missing", "unexplained", "hours"]
    assert (paper["preset"], careful["preset"]) == ("paper", "careful")
    assert (paper["n"], paper["missing"], paper["unexplained"]) == (12, 12, 12) and paper["hours"] > 0
    assert "24 of 24 results are missing: about" in invoke(*words, "--plan").stdout
    first = rows(invoke(*words, "--json"))
    assert [(row["attack"], row.get("pairs"), row["n"]) for row in first] == [
        ("pwws", pairs, 12) for _ in range(2) for pairs in (None, "all", "changed")]
    assert all(row["run"] and not row["errors"] for row in first)
    assert rows(invoke(*words, "--plan", "--json")) == []
    assert rows(invoke(*words, "--json")) == first
    # A change of the plan: only what is new is missing.
    path = Path(words[1])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"seeds": [0, 1]}))
    assert [(row["seed"], row["missing"]) for row in rows(invoke(*words, "--plan", "--json"))] == [(1, 12), (1, 12)]
    evaluated = rows(invoke("evaluate", "--model", "sst2/cnn/base", "--dataset", "sst2", "--attack", "pwws",
                            "--explain", "loo", *words[2:], "--json"))
    assert evaluated == first[:3]


def test_parts_are_merged(words, tmp_path):
    whole = rows(invoke(*words, "--json"))
    folders = [str(tmp_path / f"part{number}") for number in (1, 2)]
    for number, folder in enumerate(folders, 1):
        done = rows(invoke(*words, "--shard", f"{number}/2", "--out", folder, "--json"))
        assert all(0 < row["stored"] <= row["n"] for row in done)
    assert "of the plan's 24 results are in" in invoke(*words, "--shard", "1/2", "--out", folders[0]).stdout
    again = invoke("sweep", "merge", *folders, "--json")
    assert [(row["runs"], row["new"]) for row in rows(again)] == [(2, 0), (2, 0)]
    assert sum(row["results"] for row in rows(again)) == 24 and rows(invoke(*words, "--json")) == whole


def test_evaluate_with_workers_has_the_rows_of_one_process(words, tmp_path, monkeypatch):
    command = ("evaluate", "--model", "sst2/cnn/base", "--dataset", "sst2", "--attack", "pwws", *words[2:], "--json")
    one, = rows(invoke(*command))
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "others"))
    two, = rows(invoke(*command, "--workers", "2"))
    aside = {"seconds", "seconds_se"}
    assert {k: v for k, v in one.items() if k not in aside} == {k: v for k, v in two.items() if k not in aside}


@pytest.mark.parametrize(("more", "message"), [
    (("--shard", "1/2"), "belong together"), (("--out", "x"), "belong together"),
    (("--shard", "3/2", "--out", "x"), "--shard is i/n"), (("--shard", "0/2", "--out", "x"), "--shard is i/n"),
    (("--shard", "a", "--out", "x"), "--shard is i/n"), (("x",), "folders belong to sweep merge"),
    (("--cluster", "10.0.0.1:6379"), "RAY_AUTH_MODE=token")])
def test_what_does_not_fit_is_one_line(words, more, message):
    refused(invoke(*words, *more), message)


def test_merge_needs_folders(tmp_path):
    refused(invoke("sweep", "merge"), "Name the folders")
    refused(invoke("sweep", "merge", str(tmp_path / "nothing")), "holds no results.sqlite")


@pytest.mark.parametrize(("more", "message"), [
    (("--time-limit", "3"), "time limit"), (("--transfer",), "at least two models"),
    (("--swaps", "close"), "swap set")])
def test_workers_refuse_what_depends_on_this_process(words, more, message):
    refused(invoke("evaluate", "--model", "sst2/cnn/base", "--dataset", "sst2", "--attack", "pwws", *words[2:],
                   "--workers", "2", *more), message)
