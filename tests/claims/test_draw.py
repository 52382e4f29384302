"""Claims are drawn by seed, measured again in an empty store, compared and recorded."""

import json
import math
import shlex
import sys

import pytest
from helpers.cli import invoke

from robust_core.claims.files import store_claim
from robust_core.cli import claims as claims_command
from robust_core.errors import BadInput
from robust_core.experiments import draw
from robust_core.experiments.again import describe_again, read_record
from robust_core.leaderboard.entries import read_board
from robust_core.paths import RESULTS

CLAIM = {"claim": "a share", "metric": "accuracy", "value": 0.5, "value_se": 0.1, "n": 4, "seeds": [0], "run": "",
         "command": "", "thresholds": {}, "details": {"model": "m", "rows": [{"accuracy": 0.5, "seconds": 3.0}]},
         "rests_on": {}}
# What stands in for a command of the project: it writes the claim that its arguments describe.
WRITER = """
import json, sys
from pathlib import Path
path = Path(sys.argv[sys.argv.index("--out") + 1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(sys.argv[1])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "writer.py").write_text(WRITER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def put(folder, name: str, again: dict | None, **changes) -> None:
    said = json.dumps(CLAIM | changes | (again or {}))
    command = shlex.join(["python", "-m", "writer", said]) if again is not None else "python -m nothing_of_that_name"
    store_claim(folder / name, CLAIM | changes | {"command": command})


@pytest.mark.parametrize(("again", "verdict"), [
    ({}, "equal"), ({"details": {"model": "m", "rows": [{"accuracy": 0.5, "seconds": 9.0}]}}, "equal"),
    ({"details": {"model": "m", "rows": [{"accuracy": 0.6, "seconds": 3.0}]}}, "within error"),
    ({"details": {"model": "m", "new": 1, "rows": [{"accuracy": 0.5, "warnings": ["w"]}]}}, "equal"),
    ({"details": {"model": "m", "rows": []}}, "within error"),
    ({"value": 0.55}, "within error"), ({"value": 0.7}, "differs"), ({"value": None}, "differs"), (None, "failed")])
def test_a_claim_is_measured_again(folder, again, verdict):
    put(folder, "a.json", again)
    outcome, = draw.measure_again(["a.json"], folder=folder)
    assert (outcome.name, outcome.verdict, outcome.stored) == ("a.json", verdict, 0.5)
    assert outcome.seconds > 0 and math.isnan(outcome.again) == (again is None or again.get("value", 0) is None)
    assert bool(outcome.note) == (verdict == "failed")


def test_times_are_said_not_judged(folder):
    put(folder, "a.json", {"value": 7.0}, metric="times_as_fast")
    assert next(draw.measure_again(["a.json"], folder=folder)).verdict == "time"


def test_the_folder_of_data_sets_takes_its_place(folder, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(draw.subprocess, "run", lambda words, **_: seen.append(words) or _Done())
    store_claim(folder / "a.json", CLAIM | {"command": "python -m robust_core reproduce x --data-dir DATA"})
    list(draw.measure_again(["a.json"], str(tmp_path), folder))
    words = seen[0]
    assert words[:5] == [sys.executable, "-m", "robust_core", "reproduce", "x"]
    assert words[5:7] == ["--data-dir", str(tmp_path)] and words[7] == "--out"


class _Done:
    stderr, stdout = "no", ""


def test_draws_follow_the_seed_and_what_is_shipped(folder):
    for i in range(12):
        put(folder, f"{i:02}.json", {})
    put(folder, "needs-training.json", {}, rests_on={"model sst2/cnn/base@1": "", "model sst2/cnn/base": ""})
    first = draw.draw_claims(5, "a", folder=folder)
    assert first == draw.draw_claims(5, "a", folder=folder) != draw.draw_claims(5, "b", folder=folder)
    assert len(set(first)) == 5 and "needs-training.json" not in draw.draw_claims(99, "a", folder=folder)
    assert "needs-training.json" in draw.draw_claims(99, "a", train=True, folder=folder)
    assert len(draw.draw_claims(99, "a", skip=first, folder=folder)) == 7
    assert set(draw.draw_claims(99, "a", among=first, folder=folder)) == set(first)


def test_dear_claims_can_be_left_out(folder):
    put(folder, "cheap.json", {})
    put(folder, "dear.json", {}, metric="kendall_tau")
    assert draw.draw_claims(9, "a", most_seconds=60, folder=folder) == ["cheap.json"]


def test_an_unknown_claim_is_one_line(folder):
    with pytest.raises(BadInput, match="There is no claim none.json"):
        list(draw.measure_again(["none.json"], folder=folder))


def test_outcomes_are_recorded_line_by_line(tmp_path):
    path = tmp_path / "again.tsv"
    for value in (0.5, 0.6):
        draw.record_outcome(draw.Outcome("a.json", "equal", 0.5, value, 12.3), path)
    lines = path.read_text().splitlines()
    assert len(lines) == 3 and lines[0].split("\t")[:3] == ["date", "claim", "verdict"]
    assert read_record(path)["a.json"]["again"] == "0.6" and read_record(path)["a.json"]["seconds"] == "12"


def test_what_it_takes_again_is_said(folder):
    put(folder, "a.json", {})
    claim = json.loads((folder / "a.json").read_text())
    assert describe_again(["a.json"], [claim]) == "seconds"
    assert describe_again(["a.json"], [claim | {"metric": "kendall_tau"}]) == "minutes"
    needs = claim | {"rests_on": {"model sst2/cnn/base@1": ""}}
    said = describe_again(["a.json"], [needs])
    assert said == "after 2 min of training", "the training of seed 0 took 99 seconds"


def test_most_claims_of_the_repository_can_be_drawn():
    every = draw.draw_claims(1000, "0")
    assert len(every) > 150 and all((RESULTS / name).is_file() for name in every)


def test_a_draw_from_the_leaderboard_has_only_what_stands_there(monkeypatch):
    drawn = []
    monkeypatch.setattr(claims_command, "measure_again", lambda names, _: drawn.extend(names) or [])
    assert invoke("claims", "draw", "9999", "--leaderboard").exit_code == 0
    assert len(drawn) > 50
    assert set(drawn) <= {entry.sources[0].file for entry in read_board().entries}
