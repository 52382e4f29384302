"""Claims about models under attack, made for tests from counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core import metrics
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import read_preset
from robust_core.claims.derivation import pool_rows
from robust_core.claims.files import store_claim
from robust_core.registry import to_record


def make_row(model: str, attack: str, preset: str, counts: Mapping[str, int], **changes: object) -> dict[str, Any]:
    """A row of a claim from skipped, succeeded, failed and exhausted."""
    n = sum(counts.values())
    kept = counts["failed"] + counts["exhausted"]
    cls = ATTACKS[attack]
    figures = {"accuracy": metrics.estimate_proportion(n - counts["skipped"], n),
               "accuracy_under_attack": metrics.estimate_proportion(kept, n)}
    row = {"model": model, "dataset": model.split("/")[0], "split": "test", "attack": attack, "seed": 0,
           "precision": "exact", "run": "", "device": "cpu", "parameters": to_record(cls(**read_preset(cls, preset))),
           "n": n, "stopped": 0, **counts, "errors": 0, "warnings": []}
    for name, (value, error) in figures.items():
        row |= {name: value, f"{name}_se": error}
    return row | changes


def make_claim(model: str, attack: str = "textfooler", preset: str = "paper", *counts: Mapping[str, int],
               **changes: object) -> dict[str, Any]:
    """A claim about a model under an attack: one training for each of the counts."""
    seeds = range(max(len(counts), 1))
    given: Sequence[Mapping[str, int]] = counts or [dict(skipped=20, succeeded=50, failed=30, exhausted=0)]
    rows = [make_row(model + (f"@{seed}" if seed else ""), attack, preset, each)
            for seed, each in zip(seeds, given, strict=True)]
    figure = pool_rows(rows, "accuracy_under_attack")
    return {"claim": f"accuracy_under_attack of {model}", "metric": "accuracy_under_attack", "value": figure.value,
            "value_se": figure.error, "n": figure.n, "seeds": list(seeds), "precision": "exact", "run": "",
            "command": f"python -m robust_core reproduce flat/table2 --model {model} --attack {attack} --data-dir DATA",
            "freeze": "", "thresholds": rows[0]["parameters"],
            "details": {"experiment": "flat/table2", "model": model, "attack": attack, "rows": rows},
            "rests_on": {}, "versions": {}} | changes


def put_claim(folder: Path, name: str, claim: Mapping[str, Any]) -> None:
    """Write a claim with its digest."""
    store_claim(folder / f"{name}.json", claim)
