"""Nothing is lost to kill -9: python -m bench.kill [--kills N] [--n N] [--seed S] [--out FILE.json].

`evaluate` runs once unbroken in a fresh store. In another one it is killed with SIGKILL at random moments and restarted
each time until it ends; when it ends before all kills are used, it begins again in yet another store. In the last one
two processes do the same work at once. Every result must be stored once and stay as it was, and all tables must be
equal but for seconds.
"""

import argparse
import dataclasses
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.program import check_models, run_program
from robust_core.claims.files import write_claim
from robust_core.records import to_result_record
from robust_core.store import ResultStore

ROOT = Path(__file__).parents[1]
MODEL = "sst2/cnn/base"
COMMAND = ["-m", "robust_core", "evaluate", "--dataset", "reviews", "--model", MODEL, "--attack", "textfooler",
           "--json"]
Rows = list[dict[str, Any]]
Stored = dict[tuple[str, str, str], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Unbroken:
    """A run that nobody disturbed.

    Args:
        rows: Its table, without seconds.
        stored: What it left in the store, without seconds.
        seconds: From the start to the end of the process.
    """

    rows: Rows
    stored: Stored
    seconds: float


def start(folder: Path, n: int | None) -> "subprocess.Popen[str]":
    """Start the evaluation with its store in `folder`."""
    words = [sys.executable, *COMMAND, *(["--n", str(n)] if n else [])]
    return subprocess.Popen(words, cwd=ROOT, env=os.environ | {"ROBUST_RUNS": str(folder)}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def table(process: "subprocess.Popen[str]") -> Rows:
    """Wait for the end of an evaluation and return its rows without seconds."""
    answer = process.communicate()[0]
    assert process.returncode == 0, f"the evaluation ended with code {process.returncode}"
    return [{name: value for name, value in row.items() if not name.startswith("seconds")}
            for row in json.loads(answer)["results"]]


def stored(folder: Path) -> Stored:
    """Return what a store holds, without seconds, by (run, example uid, victim id); each must be there once."""
    store, found = ResultStore(folder), {}
    for run in store.runs():
        for result in store.each(run):
            key = (run, result.example.uid, result.victim)
            assert key not in found, f"{key} is stored twice"
            found[key] = {name: value for name, value in to_result_record(result).items() if name != "seconds"}
    store.close()
    return found


def alike(one: Stored, other: Stored) -> bool:
    """Return whether two stores hold the same, but for the last digits of what searches scored on their way.

    Those scores (in `curve` and `steps`) come from batches, whose shape depends on who else is searching; the outcome
    is judged alone and must be equal to the last digit.
    """
    return one.keys() == other.keys() and all(
        _close(_course(record), _course(other[key])) and _outcome(record) == _outcome(other[key])
        for key, record in one.items())


def outcomes(folder: Path) -> Stored:
    """Return what `stored` does, less the scores on the way, which follow what stands in a batch."""
    return {key: _outcome(record) for key, record in stored(folder).items()}


def _outcome(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in ("curve", "steps")}


def _course(record: dict[str, Any]) -> tuple[Any, ...]:
    # A curve may end in two points that differ in the last digit, or in one: at equal queries the later one counts.
    return (tuple(dict(record["curve"]).items()), record["steps"])


def _close(one: Any, other: Any) -> bool:  # noqa: ANN401 (numbers and texts, in tuples)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_close, one, other))
    return math.isclose(one, other, abs_tol=1e-5) if isinstance(one, float) else one == other


def unbroken(folder: Path, n: int | None) -> Unbroken:
    """Run the evaluation once."""
    began = time.perf_counter()
    rows = table(start(folder, n))
    return Unbroken(rows, stored(folder), time.perf_counter() - began)


def killed(folder: Path, n: int | None, kills: int, rng: random.Random, seconds: float) -> tuple[Rows, list[int]]:
    """Restart the evaluation until it ends, and kill it up to `kills` times at moments drawn from 0 to `seconds`.

    After each kill no stored result may be gone or changed.

    Returns:
        Its rows, and how many results were stored after each kill.
    """
    before: Stored = {}
    counts = []
    while len(counts) < kills:
        process = start(folder, n)
        try:
            process.wait(rng.uniform(0.0, seconds))
            return table(process), counts
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        after = stored(folder)
        assert all(after.get(key) == record for key, record in before.items()), "a stored result was lost or changed"
        before = after
        counts.append(len(after))
    return table(start(folder, n)), counts


def together(folder: Path, n: int | None) -> tuple[Rows, Rows]:
    """Run two evaluations at once on one store and return the rows of both."""
    one, two = start(folder, n), start(folder, n)
    return table(one), table(two)


def compare(folder: Path, n: int | None, kills: int, seed: int) -> dict[str, Any]:
    """Do all three below `folder` and check that they agree."""
    whole, rng = unbroken(folder / "unbroken", n), random.Random(seed)
    rounds: list[list[int]] = []
    while (left := kills - sum(map(len, rounds))) > 0:
        # A round ends when the evaluation does; a fresh store takes the kills that are left.
        store = folder / f"killed-{len(rounds)}"
        rows, counts = killed(store, n, left, rng, whole.seconds)
        assert rows == whole.rows, "the table after the kills is another one"
        assert alike(stored(store), whole.stored), "the store after the kills is another one"
        rounds.append(counts)
    assert together(folder / "together", n) == (whole.rows, whole.rows), "two at once make another table"
    assert alike(stored(folder / "together"), whole.stored), "two at once leave another store"
    return {"examples": len(whole.stored), "seconds": whole.seconds, "stored_after_each_kill": rounds}


def main() -> None:
    """Run once and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--n", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    check_models(MODEL)
    with tempfile.TemporaryDirectory() as folder:
        found = compare(Path(folder), args.n, args.kills, args.seed)
    for name, value in found.items():
        print(f"{name}: {value}")
    print(f"{args.kills} kills, and two processes at once: the same store and the same table as an unbroken run")
    if args.out:
        write_claim(args.out, claim="An evaluation killed at random moments ends with the same store and table",
                    command=f"python -m bench.kill --kills {args.kills} --seed {args.seed}", run="",
                    n=found["examples"], seeds=[args.seed], metric="kills", value=args.kills, value_se=float("nan"),
                    thresholds={}, details=found)


if __name__ == "__main__":
    run_program(main)
