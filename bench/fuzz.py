"""Whether any input ends in more than one line: python -m bench.fuzz [--minutes 20] [--seed 0] [--only NAME …].

What somebody may bring is made at random and read: cards of checkpoints, headers of weights, a model's settings, its
tokenizer, data files, and texts. Half of the time hypothesis makes the bytes, the other half atheris, which keeps what
reaches new lines of code (`pip install -r requirements-fuzz.txt`; without it hypothesis has all the time). Bytes choose
changes of something that is right, or stand for a whole file.

A failure is anything but an answer or a RobustError of one short line; a call that takes over 2 s of processor time,
its child processes included; or more than 1.5 GB in memory. Each target runs in a process of its own, so that one that
hangs or dies is a failure as well. Printed are the inputs of each target and every failure once; exit code 1 with any.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.fuzz_targets import TARGETS
from bench.program import check_package, run_program
from robust_core.environment import child_environment
from robust_core.errors import LONGEST_MESSAGE, RobustError

ENGINES = ("hypothesis", "atheris")
LONGEST, MOST_BYTES, LARGEST = 2.0, 1_500_000_000, 4_096
# Seconds that starting takes, and after which a process that has not come back is ended.
_START, _GRACE = 20, 60


def used_seconds() -> float:
    """Return the processor time of this process and of its children that have ended."""
    return sum(os.times()[:4])


class Record:
    """Runs a target and notes what fails, in a file that outlives this process.

    Args:
        target: Takes bytes; may answer or raise a RobustError.
        path: Where the count and the failures go, a JSON object a line.
    """

    def __init__(self, target: Callable[[bytes], object], path: Path) -> None:
        self.target, self.path, self.count, self.told = target, path, 0, time.monotonic()
        self.seen: set[str] = set()

    def __call__(self, data: bytes) -> None:
        """Run the target once."""
        self.count += 1
        began = used_seconds()
        try:
            self.target(data)
        except RobustError as error:
            line = str(error)
            if not line or len(line) > LONGEST_MESSAGE or not line.isprintable() or "Traceback" in line:
                self.note("line", line, data)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            places = [f"{Path(part.filename).name}:{part.lineno}" for part in traceback.extract_tb(error.__traceback__)]
            self.note(f"{type(error).__name__} at {' '.join(places[-3:])}", str(error)[:200], data)
        if (seconds := used_seconds() - began) > LONGEST:
            self.note("slow", f"{seconds:.1f} s", data)
        if (held := resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) > MOST_BYTES:
            self.note("memory", f"{held / 1e9:.1f} GB", data)
        if time.monotonic() > self.told + 1:
            self.tell()

    def note(self, kind: str, what: str, data: bytes) -> None:
        """Write a failure down, the first of its kind."""
        if kind not in self.seen:
            self.seen.add(kind)
            self._write({"kind": kind, "what": what, "input": data.hex()})

    def tell(self) -> None:
        """Write down how many inputs there were."""
        self.told = time.monotonic()
        self._write({"count": self.count})

    def _write(self, values: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(values) + "\n")


def run_hypothesis(record: Record, seconds: float, seed: int) -> None:
    """Run a target on what hypothesis makes until the time is up."""
    from hypothesis import HealthCheck, Phase, given, settings, strategies
    from hypothesis import seed as seeded

    until, turn = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        def body(data: bytes) -> None:
            if time.monotonic() < until:
                record(data)

        # Fresh examples only: failures are noted, never raised, so there is nothing to make smaller.
        quick = settings(max_examples=200, deadline=None, database=None, phases=[Phase.generate],
                         suppress_health_check=list(HealthCheck))
        seeded(1_000_003 * seed + turn)(quick(given(strategies.binary(max_size=LARGEST))(body)))()
        turn += 1
    record.tell()


def run_atheris(name: str, record: Record, seconds: float, seed: int, corpus: Path) -> None:
    """Run a target on what atheris makes until the time is up; does not come back."""
    import atheris

    corpus.mkdir()
    for number in range(16):
        (corpus / str(number)).write_bytes(bytes((number * place * 37) % 256 for place in range(64)))

    def body(data: bytes) -> None:
        record(data)

    options = [name, str(corpus), f"-seed={seed + 1}", f"-max_total_time={int(seconds)}", f"-max_len={LARGEST}",
               "-timeout=30", f"-rss_limit_mb={MOST_BYTES // 1_000_000}", "-verbosity=0", "-print_final_stats=0",
               f"-artifact_prefix={corpus}-"]
    atheris.Setup(options, body)
    atheris.Fuzz()


def run_child(name: str, engine: str, seconds: float, seed: int, folder: Path) -> None:
    """Run one target with one engine, in this process."""
    path = folder / f"{name}-{engine}.jsonl"
    work = folder / f"{name}-{engine}"
    work.mkdir()
    if engine == "atheris":
        import atheris

        with atheris.instrument_imports(include=["robust_core"]):
            target = TARGETS[name](work)
        run_atheris(name, Record(target, path), seconds, seed, folder / f"{name}-corpus")
    else:
        run_hypothesis(Record(TARGETS[name](work), path), seconds, seed)


def run_one(name: str, engine: str, seconds: float, seed: int, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    """Run one target with one engine in a process of its own; return the number of inputs and the failures."""
    path = folder / f"{name}-{engine}.jsonl"
    command = [sys.executable, "-m", "bench.fuzz", "--child", name, engine, str(seconds), str(seed), str(folder)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _START + _GRACE, check=False,
                               env=child_environment(TMPDIR=str(folder)))
        problem = f"exit code {child.returncode}: {child.stderr.strip()[-300:]}" if child.returncode else ""
    except subprocess.TimeoutExpired:
        problem = "it never came back"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    failures = [line for line in lines if "kind" in line]
    if problem:
        failures.append({"kind": "process", "what": problem, "input": ""})
    return max((line["count"] for line in lines if "count" in line), default=0), failures


def main() -> int:
    """Read the options, run all targets, print what was found."""
    if sys.argv[1:2] == ["--child"]:
        name, engine, seconds, seed, folder = sys.argv[2:]
        run_child(name, engine, float(seconds), int(seed), Path(folder))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="for all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    options = parser.parse_args()
    check_package("hypothesis")
    engines = [engine for engine in ENGINES if importlib.util.find_spec(engine)]
    if "atheris" not in engines:
        print("atheris is not here (pip install -r requirements-fuzz.txt): hypothesis alone.")
    seconds = options.minutes * 60 / len(options.only) / len(engines)
    total, failed = 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only:
            for engine in engines:
                count, failures = run_one(name, engine, seconds, options.seed, Path(folder))
                total, failed = total + count, failed + len(failures)
                print(f"{name:10} {engine:10} {count:9,} inputs, {len(failures)} failures", flush=True)
                for failure in failures:
                    print(f"  {failure['kind']}: {failure['what']}\n    {failure['input'][:2_000]}", flush=True)
    print(f"{total:,} inputs with seed {options.seed} in {options.minutes:g} minutes: {failed} failures.")
    return 1 if failed else 0


if __name__ == "__main__":
    run_program(main)
