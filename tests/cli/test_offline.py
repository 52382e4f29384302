"""The command line in a process that is cut off from every network and has no textattack to import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robust_core.paths import ROOT

REVIEW = "An exceedingly clever piece of cinema."


def cli(*arguments: str, runs: Path) -> tuple[dict, str]:
    """Run a command; return its JSON and its stderr."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline"), "ROBUST_RUNS": str(runs)}
    done = subprocess.run([sys.executable, "-m", "robust_core", *arguments, "--json"], cwd=ROOT, env=environment,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_the_guard_itself_blocks():
    code = "import socket; socket.create_connection(('example.org', 80))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode != 0 and "blocked: tried to reach example.org" in done.stderr


@pytest.mark.parametrize("arguments", [
    ("doctor",),
    ("predict", REVIEW, "--model", "sst2/cnn/base", "--model", "sst2/minilm/base"),
    ("attack", REVIEW, "--model", "sst2/cnn/base"),
    ("explain", REVIEW, "--against", "An extremely clever piece of cinema.", "--model", "sst2/lstm/base"),
    ("evaluate", "--dataset", "reviews", "--n", "3", "--model", "sst2/cnn/base", "--attack", "textfooler"),
], ids=lambda a: a[0])
@pytest.mark.thorough
def test_commands_work_without_network(arguments, own_runs):
    document, errors = cli(*arguments, runs=own_runs)
    assert document["results"] and "blocked:" not in errors


def test_the_shipped_models_know_praise_from_blame(own_runs):
    document, _ = cli("predict", "A dull, lifeless and stupid film.", "--model", "sst2/cnn/base", "--model",
                      "sst2/lstm/base", "--model", "sst2/minilm/base", runs=own_runs)
    assert [row["label"] for row in document["results"]] == ["negative"] * 3
