"""What defences cost: python -m bench.training_cost [--architecture cnn ...] [--rows N] [--repeats N] [--out FOLDER].

Seconds of an epoch of each defence over those of a base epoch on the same SST-2 texts, medians over epochs and repeats
that take turns, and the attack's share of a round of FLAT: as large a part of the texts is attacked, and as many epochs
come after it, as for the shipped models. On a CPU these are CPU seconds, which other programs on the machine do not
change; on a GPU seconds of the clock.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.program import run_program
from robust_core import datasets, trainings
from robust_core.claims.files import write_claim
from robust_core.errors import Incompatible
from robust_core.experiments.budgets import ATTACKED, EPOCHS
from robust_core.models.device import pick_device
from robust_core.train import training
from robust_core.train.recipe import make_recipe

_TRAIN = 6_920
# What each is trained with; CARL's second term comes in after its first epoch, as its bank must be full.
DEFENCES: dict[str, dict[str, Any]] = {
    "base": {}, "adversarial": {"rounds": 0}, "flat": {"rounds": 0}, "freelb": {},
    "carl": {"after": 1.0}, "rar": {}}


def epochs(order: trainings.TrainingSpec, device: str, clock: Callable[[], float]) -> Iterator[tuple[float, float]]:
    """Yield (seconds of training, seconds of attacks) of each epoch."""
    recipe = make_recipe(order.architecture, order.dataset, **order.recipe)
    began, attacked = clock(), 0.0
    for event in training.train(order.defence, order.dataset, order.architecture, recipe, device=device):
        if event["kind"] == "attack":
            attacked = clock() - began
        elif event["kind"] == "epoch":
            yield clock() - began - attacked, attacked
            began, attacked = clock(), 0.0


def order(architecture: str, defence: str, rows: int, **settings: Any) -> trainings.TrainingSpec:  # noqa: ANN401
    """Return a short training of a defence."""
    length = "clean_epochs" if "rounds" in settings else "epochs"
    return trainings.parse_spec({"dataset": "sst2", "architecture": architecture, "defence": defence,
                                 "set": {"rows": rows, length: 3} | settings})


def costs(architecture: str, rows: int, repeats: int, device: str, clock: Callable[[], float]
          ) -> dict[str, list[float]]:
    """Return the seconds of each epoch of each defence; the first epoch of a training, which warms up, is left out."""
    found: dict[str, list[float]] = {}
    for _ in range(repeats):
        for name, settings in DEFENCES.items():
            try:
                found.setdefault(name, []).extend(
                    seconds for seconds, _ in [*epochs(order(architecture, name, rows, **settings), device, clock)][1:])
            except Incompatible:
                found.pop(name)
    return found


def share(architecture: str, rows: int, device: str, clock: Callable[[], float]) -> dict[str, float]:
    """Return the seconds of FLAT's attack and of the epochs after it, and the attack's share, in one round."""
    later = EPOCHS[architecture]["round_epochs"]
    attacked = max(1, round(rows * ATTACKED[architecture] / _TRAIN))
    settings = {"rounds": 1, "clean_epochs": 3, "round_epochs": later, "attacked": attacked}
    found = [*epochs(order(architecture, "flat", rows, **settings), device, clock)][3:]
    attack, learning = sum(a for _, a in found), sum(t for t, _ in found)
    return {"attacked": attacked, "attack_seconds": attack, "epochs": later, "epoch_seconds": learning,
            "attack_share": attack / (attack + learning)}


def main() -> None:
    """Measure and print, and write claims where asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--architecture", action="append", choices=sorted(EPOCHS))
    parser.add_argument("--rows", type=int, default=640, help="training texts of SST-2")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", help="folder for claims")
    args = parser.parse_args()
    for split in ("train", "dev"):
        datasets.find("sst2", split)
    device = str(pick_device(args.device))
    clock = time.process_time if device == "cpu" else time.perf_counter
    for architecture in args.architecture or list(EPOCHS):
        found = costs(architecture, args.rows, args.repeats, device, clock)
        seconds = {name: statistics.median(values) for name, values in found.items()}
        over = {name: value / seconds["base"] for name, value in seconds.items()}
        attack = share(architecture, args.rows, device, clock)
        print(architecture, {name: round(value, 2) for name, value in over.items()},
              f"base epoch {seconds['base']:.1f} s; attack {attack['attack_share']:.0%} of a round", flush=True)
        if args.out:
            write_claim(
                Path(args.out) / f"training-cost-{architecture}.json",
                claim=f"seconds of an epoch of each defence over a base epoch, {architecture}, SST-2",
                command=f"python -m bench.training_cost --architecture {architecture} --rows {args.rows} "
                        f"--repeats {args.repeats}", run="",
                n=args.rows, seeds=[0], metric="flat_over_base", value=over["flat"],
                value_se=statistics.stdev(found["flat"]) / len(found["flat"]) ** 0.5 / seconds["base"],
                thresholds={},
                details={"seconds": seconds, "over_base": over, "round_of_flat": attack, "device": device})


if __name__ == "__main__":
    run_program(main)
