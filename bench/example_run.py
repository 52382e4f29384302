"""The run that the app shows before a person has stored any: python -m bench.example_run [--out FILE] [--n N].

The models that the app opens with are attacked on sample reviews by TextFooler under the preset `careful`, and both
texts of every pair are explained by integrated gradients. To be made again when models, tables or the engine change.
"""

import argparse
import tempfile
from pathlib import Path

from bench.program import check_models, run_program
from robust_core import ATTACKS
from robust_core.attacks.presets import CAREFUL, read_preset
from robust_core.evaluation.evaluate import evaluate
from robust_core.explainers import EXPLAINERS
from robust_core.files import write_file
from robust_core.models import loading
from robust_core.store import ResultStore
from ui.shared.example_run import DATASET, FILE, write_records

MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/additive/close")


def measure_run(store: ResultStore, n: int) -> None:
    """Attack and explain the first `n` texts of a draw by seed 0 into a store."""
    attack = ATTACKS["textfooler"](**read_preset(ATTACKS["textfooler"], CAREFUL))
    for _ in evaluate([loading.load(name, "cpu") for name in MODELS], DATASET, "test", [attack], n=n, seed=0,
                      store=store, explain=[EXPLAINERS["ig"]()]):
        pass


def main() -> int:
    """Make the file."""
    parser = argparse.ArgumentParser(prog="python -m bench.example_run", description=__doc__)
    parser.add_argument("--out", type=Path, default=FILE)
    parser.add_argument("--n", type=int, default=60)
    args = parser.parse_args()
    check_models(*MODELS)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultStore(folder)
        measure_run(store, args.n)
        lines = list(write_records(store))
        store.close()
    write_file(args.out, ("\n".join(lines) + "\n").encode())
    print(f"{len(lines)} records, {args.out.stat().st_size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    run_program(main)
