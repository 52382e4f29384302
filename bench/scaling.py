"""What several workers are worth, and that they change nothing: python -m bench.scaling --data-dir DIR [--n N].

One sweep, each time into an empty store: by one process with the threads that it chooses, by one with one thread, by
two processes, in three parts that are merged, and, where Ray is installed, by a Ray cluster of two nodes with a
processor each, both on this machine. Each row says how long the whole command took, how many cores it kept busy, and
whether every outcome is that of the first row, bit by bit. Seconds of the clock and scores on the way are left out: the
last digits of those follow what stands in a batch.
"""

import argparse
import contextlib
import json
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.kill import Stored, outcomes
from bench.program import check_models, keep_busy, run_program
from robust_core import datasets
from robust_core.claims.files import write_claim
from robust_core.environment import has_package
from robust_core.paths import ROOT

MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/lstm/base")
PARTS = 3


class Way(NamedTuple):
    """How a sweep was done.

    Attributes:
        name: In a few words.
        seconds: Of the whole command, start and end of processes included.
        cores: Seconds of processors by seconds of the clock; NaN where others than its children worked.
        outcomes: What the store holds in the end.
    """

    name: str
    seconds: float
    cores: float
    outcomes: Stored


def main() -> int:
    """Sweep in each way and print a line for each; 1 if any outcome differs."""
    parser = argparse.ArgumentParser(prog="python -m bench.scaling", description=__doc__)
    parser.add_argument("--model", action="append", help="model; repeatable")
    parser.add_argument("--n", type=int, default=200, help="dev sentences of SST-2 for each model")
    parser.add_argument("--busy", type=int, default=0, help="other processes that are kept busy meanwhile")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    models = args.model or list(MODELS)
    datasets.find("sst2", "dev", args.data_dir)
    check_models(*models)
    with tempfile.TemporaryDirectory() as folder, keep_busy(args.busy):
        ways = list(_sweep_all(Path(folder), models, args.n, args.data_dir))
    _show(ways)
    equal = all(way.outcomes == ways[0].outcomes for way in ways)
    if args.out:
        write_claim(args.out, claim="What several workers are worth, with equal outcomes",
                    command=f"python -m bench.scaling --n {args.n}", run="", n=len(ways[0].outcomes), seeds=[0],
                    metric="seconds of one process with one thread by those of two",
                    value=ways[1].seconds / ways[2].seconds, value_se=float("nan"), thresholds={}, details={
                        "equal": equal, "models": models, "busy": args.busy, "cores": os.cpu_count(),
                        "rows": [{"way": way.name, "seconds": way.seconds, "cores": way.cores} for way in ways]})
    return 0 if equal and ways[0].outcomes else 1


def _sweep_all(folder: Path, models: Sequence[str], n: int, data_dir: str | None) -> Iterator[Way]:
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"models": list(models), "attacks": ["textfooler"], "presets": ["paper"],
                                "data": [{"dataset": "sst2", "split": "dev", "n": n}]}))
    words = [str(plan), *(["--data-dir", data_dir] if data_dir else [])]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    yield _measure("one process", folder / "chosen", [words])
    yield _measure("one process, one thread", folder / "one", [words], one)
    yield _measure("two processes, one thread each", folder / "two", [[*words, "--workers", "2"]])
    parts = [str(folder / f"part{i}") for i in range(PARTS)]
    yield _measure("three parts, merged", folder / "merged", [
        *([*words, "--shard", f"{i + 1}/{PARTS}", "--out", part] for i, part in enumerate(parts)), ["merge", *parts]])
    if has_package("ray"):
        with _start_nodes() as address:
            yield _measure("two Ray nodes", folder / "ray", [[*words, "--cluster", address, "--workers", "2"]],
                           counted=False)


@contextlib.contextmanager
def _start_nodes() -> Iterator[str]:
    """Give the address of a Ray cluster of two nodes with a processor each, which asks for a token."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, include_dashboard=False)
        cluster.wait_for_nodes()
        yield cluster.address
    finally:
        cluster.shutdown()


def _measure(name: str, runs: Path, commands: Sequence[Sequence[str]], environment: Mapping[str, str] | None = None,
             counted: bool = True) -> Way:
    """Run the commands one after the other.

    Args:
        name: What to call it.
        runs: Folder of the store.
        commands: Words of each command, behind `sweep`.
        environment: Changes of the environment.
        counted: Whether its children do all of the work.
    """
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    began, used = time.perf_counter(), _read_used()
    for words in commands:
        subprocess.run([sys.executable, "-m", "robust_core", "sweep", *words], cwd=ROOT, check=True,
                       env=kept | {"ROBUST_RUNS": str(runs)} | dict(environment or {}), stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return Way(name, seconds, (_read_used() - used) / seconds if counted else float("nan"), outcomes(runs))


def _read_used() -> float:
    """Return the seconds of processors that children which have ended have used, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _show(ways: Sequence[Way]) -> None:
    table = Table("How", "Seconds", "By one process", "By one thread", "Cores kept busy", "Results", "Outcomes equal")
    alone, thread = ways[0].seconds, ways[1].seconds
    for way in ways:
        table.add_row(way.name, f"{way.seconds:.1f}", f"{alone / way.seconds:.2f}", f"{thread / way.seconds:.2f}",
                      f"{way.cores:.2f}", f"{len(way.outcomes):,}", "yes" if way.outcomes == ways[0].outcomes else "no")
    Console(width=120).print(table)


if __name__ == "__main__":
    run_program(main)
