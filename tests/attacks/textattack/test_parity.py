"""TextFooler, PWWS, BAE and A2T as TextAttack's own search runs them and as the engine does: the same texts.

TextAttack runs in a process of its own, cut off from every network.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from robust_core.paths import ROOT

pytestmark = pytest.mark.textattack


def compared(own_runs: Path, *options: str) -> list[dict]:
    """Rows of the table that `bench.parity` makes on the packaged reviews."""
    return run(own_runs, "bench.parity", "--data", "reviews", "--long", "3", "--several", "3", "--json", *options)


def run(own_runs: Path, module: str, *options: str) -> list[dict]:
    """Rows that a program prints which may import TextAttack."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline"), "WITH_TEXTATTACK": "1",
                                "ROBUST_RUNS": str(own_runs), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", module, *options]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "blocked: tried" not in done.stderr
    return json.loads(done.stdout)["results"]


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> list[dict]:
    """The rows of PWWS, BAE and A2T, from one process: TextAttack takes long to import."""
    return compared(tmp_path_factory.mktemp("runs"), "--attack", "pwws", "--attack", "bae", "--attack", "a2t",
                    "--n", "5",
                    "--victim", "sst2/cnn/base", "--victim", "sst2/lstm/base")


@pytest.mark.thorough
@pytest.mark.parametrize("attack", ["pwws", "bae", "a2t"])
def test_other_greedy_searches_end_where_textattack_does(attack, others):
    rows = [row for row in others if row["attack"] == attack]
    assert [row["victim"] for row in rows] == ["sst2/cnn/base", "sst2/lstm/base"]
    assert all(row["sentences"] >= 5 and row["flipped"] == row["flipped_theirs"] for row in rows)
    assert all(row["same"] == row["sentences"] for row in rows), rows


@pytest.mark.thorough
def test_textfooler_ends_where_textattack_does(own_runs):
    rows = compared(own_runs, "--n", "6", "--few", "4")
    assert {row["victim"] for row in rows} == {"sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base",
                                               "bench/four-classes"}
    for row in rows:
        print(row["victim"], row["same"], "of", row["sentences"], *row["mismatches"], sep="\n  ")
    assert all(row["sentences"] >= 4 and row["several_successes"] >= 3 for row in rows)
    assert sum(row["same"] for row in rows) >= 0.99 * sum(row["sentences"] for row in rows), rows
    assert not [wrong for row in rows for wrong in row["mismatches"] if "unexplained" in wrong["cause"]]


def test_what_textattack_joins_pairs_with_is_text(own_runs):
    row, = run(own_runs, "robust_core", "attack", "a good <SPLIT> clever movie", "--model", "sst2/cnn/base", "--attack",
               "deepwordbug", "--json")
    assert row["status"] == "succeeded" and "<SPLIT>" in row["perturbed"]
