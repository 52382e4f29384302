"""Rows of a sweep: the figures of each combination, from what the store holds."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from robust_core.evaluation.evaluate import evaluate
from robust_core.events import Event
from robust_core.models import loading
from robust_core.store import ResultStore
from robust_core.sweep.plan import Combination


def measure_rows(plan: Sequence[Combination], store: ResultStore, stop: threading.Event, device: str,
                 data_dir: str | Path | None) -> Iterator[Event]:
    """Yield the events of `evaluate` for all combinations, with one model in memory at a time.

    Args:
        plan: What was swept.
        store: Holds the results; a search that broke in a worker is tried once more here.
        stop: Set to end early.
        device: Where models run.
        data_dir: Folder of data sets.
    """
    for name in dict.fromkeys(one.model for one in plan):
        model = loading.load(name, device)
        groups: dict[tuple, list[Combination]] = {}
        for one in plan:
            if one.model == name:
                groups.setdefault((one.texts, one.seed, one.precision, one.explainers), []).append(one)
        for (texts, seed, precision, explainers), same in groups.items():
            if stop.is_set():
                return
            yield from evaluate([model], texts.dataset, texts.split, [one.attack for one in same], n=texts.n, seed=seed,
                                data_dir=data_dir, store=store, explain=explainers, stop=stop, precision=precision)
