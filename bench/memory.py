"""Whether memory stays flat on a whole data set: python -m bench.memory [--attack NAME] [--n N] [--every K] [--out F].

The attack (TextFooler by default) goes through the test sentences of SST-2 on the CNN twice in one process, into one
fresh store, the second time with another seed. Each time another K sentences have ended, memory is read from /proc
(Linux): resident as it is, and again after the C library gave free pages back, which is what the program holds. The
first pass fills caches of limited size (vectors of the sentence encoder, tables of words); what the second pass holds
beyond the first, at the same sentence, is a leak.
"""

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from bench.program import run_program
from robust_core import datasets, metrics
from robust_core.attacks import ATTACKS
from robust_core.claims.files import write_claim
from robust_core.evaluation.evaluate import evaluate
from robust_core.jobs import memory
from robust_core.models import loading
from robust_core.store import ResultStore

# Threads that come and go leave pages behind in the first readings of a pass.
_SETTLED = 0.5


class Reading(NamedTuple):
    """Memory at one moment.

    Attributes:
        ended: Sentences attacked so far in this pass.
        resident: MB (10^6 bytes) in memory.
        held: MB still in memory after free pages went back to the system.
    """

    ended: int
    resident: float
    held: float


def resident() -> float:
    """Return the resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def read(ended: int) -> Reading:
    """Read both figures; without glibc they are equal."""
    before = resident()
    memory.give_back()
    return Reading(ended, before, resident())


def attack(model: Any, store: ResultStore, seed: int, args: argparse.Namespace) -> list[Reading]:  # noqa: ANN401
    """Attack the sentences once and return a reading after every `args.every` of them."""
    readings, ended, attacks = [], 0, [ATTACKS[args.attack](max_queries=args.max_queries)]
    for event in evaluate([model], "sst2", "test", attacks, n=args.n, seed=seed, data_dir=args.data_dir, store=store):
        ended += event.result is not None
        if event.result is not None and ended % args.every == 0:
            readings.append(read(ended))
            print(f"pass {seed + 1} {ended:6} sentences: resident {readings[-1].resident:7.1f} MB, "
                  f"held {readings[-1].held:7.1f} MB", flush=True)
    return readings


def main() -> None:
    """Measure once and state the growth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="sst2/cnn/base")
    parser.add_argument("--attack", default="textfooler", choices=[*ATTACKS])
    parser.add_argument("--max-queries", type=int, default=0, help="most queries a sentence; 0 sets no limit")
    parser.add_argument("--n", type=int)
    parser.add_argument("--every", type=int, default=100)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    datasets.find("sst2", "test", args.data_dir)
    model = loading.load(args.model, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        first, second = (attack(model, ResultStore(folder), seed, args) for seed in range(2))
    settled = [(a, b) for a, b in zip(first, second, strict=True) if a.ended >= _SETTLED * first[-1].ended]
    growth, error = metrics.estimate_mean(b.held - a.held for a, b in settled)
    peaks = max(r.resident for r in first), max(r.resident for r in second)
    print(f"first pass: held {settled[0][0].held:.1f} MB at {settled[0][0].ended}, {first[-1].held:.1f} MB at the end")
    print(f"second pass beyond the first at the same sentence: {growth:+.1f} ± {error:.1f} MB "
          f"(median {statistics.median(b.held - a.held for a, b in settled):+.1f}); "
          f"peaks {peaks[0]:.1f} and {peaks[1]:.1f} MB resident")
    if args.out:
        words = f"python -m bench.memory --model {args.model} --attack {args.attack} --every {args.every}"
        words += f" --max-queries {args.max_queries}" if args.max_queries else ""
        words += f" --n {args.n}" if args.n else ""
        write_claim(args.out, claim=f"Memory held in a second pass of {args.attack} over SST-2 test, beyond the first",
                    command=words, run="", n=2 * first[-1].ended, seeds=[0, 1], metric="megabytes", value=growth,
                    value_se=error, thresholds={}, details={"attack": args.attack, "first": first, "second": second})


if __name__ == "__main__":
    run_program(main)
