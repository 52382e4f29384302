"""Which small changes of the code no test notices: `python -m bench.mutation`, with `pip install cosmic-ray`.

Mutations are made in a copy of the tree, a few of each module drawn with a seed; each is judged by the tests that
belong to the module. A survivor is a hole in the tests, or a change that makes no difference (an equivalent mutation).
"""

import argparse
import json
import random
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.program import find_program, run_program

ROOT = Path(__file__).parents[1]
# Modules, and the tests that are to notice a change in them.
SUBJECTS = {
    "robust_core/metrics.py": ("tests/test_metrics.py",),
    "robust_core/perturb.py": ("tests/test_perturb.py",),
    "robust_core/certify/theorem.py": ("tests/certify/test_theorem.py",),
    "robust_core/certify/smoothers.py": ("tests/certify/test_theorem.py",),
    "robust_core/certify/quantised.py": ("tests/certify",),
    "robust_core/certify/flip_search.py": ("tests/certify/test_certified_accuracy.py",),
    "robust_core/certify/space.py": ("tests/certify/test_certified_accuracy.py",),
    "robust_core/defences/adversarial.py": ("tests/defences/test_defences.py",),
    "robust_core/defences/flat.py": ("tests/defences/test_defences.py",),
    "robust_core/defences/freelb.py": ("tests/defences/test_representation_defences.py",),
    "robust_core/defences/carl.py": ("tests/defences/test_representation_defences.py",),
    "robust_core/defences/rar.py": ("tests/defences/test_representation_defences.py",),
    "robust_core/encoder_evaluation/probes.py": ("tests/encoder_training/test_encoder_training.py",),
    "robust_core/encoder_evaluation/similarity.py": ("tests/encoder_training/test_encoder_training.py",),
    "robust_core/encoder_evaluation/tasks.py": ("tests/encoder_training/test_encoder_training.py",
                                                "tests/experiments/test_embedding_experiments.py"),
    "robust_core/attacks/constraints.py": ("tests/attacks/test_constraints.py", "tests/attacks/test_attacks.py", "-k",
                                           "textfooler or window or short or speech"),
    "robust_core/attacks/searches/greedy.py": ("tests/attacks/searches/test_greedy.py", "tests/attacks/test_attacks.py",
                                              "-k", "textfooler or success"),
    # Whole searches, which take a minute, are left out.
    "robust_core/attacks/engine/near_ties.py": ("tests/attacks/engine/test_near_ties.py", "-k",
                                                "not planted and not real and not processes"),
}
# What only annotates or documents: a change there is never noticed, and need not be.
SKIPPED = ("core/RemoveDecorator",)


def draw(session: Path, most: int, seed: int) -> int:
    """Keep at most so many mutations of a session, drawn with a seed; return how many there were."""
    with sqlite3.connect(session) as database:
        rows = database.execute(
            "SELECT job_id, operator_name FROM mutation_specs "
            "ORDER BY operator_name, start_pos_row, start_pos_col, occurrence, operator_args").fetchall()
        wanted = [row[0] for row in rows if row[1] not in SKIPPED]
        kept = set(random.Random(seed).sample(wanted, min(most, len(wanted))))
        gone = [(row[0],) for row in rows if row[0] not in kept]
        for table in ("mutation_specs", "work_items"):
            database.executemany(f"DELETE FROM {table} WHERE job_id = ?", gone)
    return len(rows)


def run(tree: Path, module: str, tests: Sequence[str], most: int, seed: int, program: str) -> dict[str, object]:
    """Mutate a module of a copied tree and run its tests; return counts and the survivors' differences."""
    folder = Path(tempfile.mkdtemp())
    config, session = folder / "config.toml", folder / "session.sqlite"
    command = shlex.join([sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests])
    config.write_text(f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = 300.0\nexcluded-modules = []\n'
                      f"test-command = {json.dumps(command)}\n"
                      f'[cosmic-ray.distributor]\nname = "local"\n')
    subprocess.run([program, "init", str(config), str(session)], cwd=tree, check=True)
    total = draw(session, most, seed)
    subprocess.run([program, "exec", str(config), str(session)], cwd=tree, check=True)
    dump = subprocess.run([program, "dump", str(session)], cwd=tree, check=True, capture_output=True, text=True).stdout
    results = [json.loads(line)[1] for line in dump.splitlines()]
    survived = [r["diff"] for r in results if r and r["test_outcome"] == "survived"]
    return {"module": module, "possible": total, "tried": len(results), "survived": len(survived), "diffs": survived}


def main() -> None:
    """Run all subjects, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("module", nargs="*", help="modules, such as robust_core/metrics.py; all by default")
    parser.add_argument("--most", type=int, default=40, help="mutations drawn of a module")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cosmic-ray", default="cosmic-ray", help="the program")
    args = parser.parse_args()
    program = find_program(args.cosmic_ray, "Install it: pip install cosmic-ray")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "runs", "__pycache__"))
        for module in args.module or SUBJECTS:
            found = run(tree, module, SUBJECTS[module], args.most, args.seed, program)
            counts = f"{found['survived']} of {found['tried']} survive, {found['possible']} possible"
            print(f"{module}: {counts}", flush=True)
            for diff in found["diffs"]:  # type: ignore[union-attr]
                print(diff, flush=True)


if __name__ == "__main__":
    run_program(main)
