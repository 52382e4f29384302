"""Encoders compared with another one on the same texts: paired differences, task by task and over all tasks."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from robust_core import metrics
from robust_core.encoder_evaluation.similarity import compare_correlations
from robust_core.events import Event
from robust_core.experiments.presence import read_seed

# What each encoder is compared with: the paper compares RobustSentEmbed with SimCSE.
AGAINST = {"simcse": "minilm", "robustsentembed": "simcse"}


@dataclasses.dataclass
class Measured:
    """What was measured of an encoder.

    Attributes:
        ids: Its trainings, in the order of their seeds.
        rows: Rows of `tasks.evaluate_encoder`.
        each: What every figure was made of, by (training, task, attack); the attack is empty without one.
    """

    ids: Sequence[str]
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    each: dict[tuple[str, str, str], Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def take(self, event: Event) -> bool:
        """Keep a row, or what one was made of; return whether the event was one of them."""
        if event.kind == "judged":
            self.each[event.victim, event.data["task"], event.data["attack"]] = event.data["each"]
        elif event.kind == "row":
            self.rows.append(dict(event.data))
        return event.kind in ("judged", "row")


def compare_encoders(mine: Measured, theirs: Measured, to: str, attack: str = "") -> dict[str, Any] | None:
    """Compare an encoder with another, seed by seed, on the texts of all tasks.

    Args:
        mine: What was measured of one.
        theirs: The same of the other; an encoder without a training stands beside every seed.
        to: Its name.
        attack: The attack, empty without one.

    Returns:
        to, value (mean over tasks and seeds), value_se (its standard error, which counts texts, paired, and seeds),
        texts_se, seeds_se (None with one seed), seeds and tasks (the difference of each); None where no task is shared.
    """
    other = {read_seed(name): name for name in theirs.ids}
    pairs = [(name, other.get(read_seed(name), theirs.ids[0] if len(other) == 1 else "")) for name in mine.ids]
    tasks = [task for name, task, under in mine.each if name == mine.ids[0] and under == attack]
    found: dict[str, list[tuple[float, float]]] = {}
    for task in tasks:
        both = [(mine.each.get((a, task, attack)), theirs.each.get((b, task, attack))) for a, b in pairs]
        if all(a is not None and b is not None for a, b in both):
            found[task] = [_compare_task(a, b) for a, b in both if a is not None and b is not None]
    if not found:
        return None
    means = [statistics.fmean(values[at][0] for values in found.values()) for at in range(len(pairs))]
    errors = [math.sqrt(math.fsum(values[at][1] ** 2 for values in found.values())) / len(found)
              for at in range(len(pairs))]
    value, error = metrics.pool_seeds(means, errors)
    between = metrics.estimate_mean(means)[1] if len(means) > 1 else None
    return {"to": to, "value": value, "value_se": error,
            "texts_se": math.sqrt(statistics.fmean(e * e for e in errors)), "seeds_se": between,
            "seeds": [read_seed(name) for name in mine.ids],
            "tasks": {task: statistics.fmean(v for v, _ in values) for task, values in found.items()}}


def _compare_task(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float, float]:
    if "cosines" in mine:
        return compare_correlations(mine["cosines"], theirs["cosines"], mine["scores"])
    value, error, _ = metrics.estimate_paired_difference(mine, theirs)
    return value, error
