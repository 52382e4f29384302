"""Cells of a table: one attack on one model, evaluated for each seed that is here."""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets, metrics
from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.presets import PAPER, read_preset
from robust_core.errors import RobustError
from robust_core.evaluation.evaluate import evaluate
from robust_core.events import Event
from robust_core.experiments.base import Options, make_missing
from robust_core.experiments.presence import list_seeds
from robust_core.models import loading
from robust_core.protocols import Classifier
from robust_core.store import ResultStore
from robust_core.sweep.fill import fill_store
from robust_core.sweep.tasks import Task, plan_evaluation
from robust_core.types import Example

# Further figures of a model on clean texts.
Further = Callable[[Classifier, Sequence[Example]], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One figure to measure: an attack on a model.

    Args:
        model: Id of the model of seed 0.
        attack: Name of the attack; empty for clean accuracy.
        n: Examples, drawn with seed 0; None for the whole split.
        max_queries: Most queries an example; 0 sets no limit.
        preset: Whose values the attack has.
    """

    model: str
    attack: str
    n: int | None
    max_queries: int
    preset: str = PAPER


def measure_cells(cells: Sequence[Cell], dataset: str, split: str, options: Options, store: ResultStore,
                  stop: threading.Event, also: Further | None = None
             ) -> Iterator[Event]:
    """Evaluate cells; those that share attack, examples and limit run in step. All seeds of their models must be here.

    Args:
        cells: What to measure.
        dataset: Name of the data set.
        split: Its split.
        options: What a person changed.
        store: Where results go and come from.
        stop: Set to end early.
        also: Further figures of a model on the examples, added to its clean row.

    Yields:
        "progress" and "missing" events; as soon as a cell is measured a "cell" event whose data are cell (the `Cell`),
        rows (those of `evaluate`, one a seed) and right (for each row whether the model is right, by uid).
    """
    groups: dict[tuple[str, str, int | None, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.attack, cell.preset, cell.n, cell.max_queries), []).append(cell)
    ids = {cell.model: list_seeds(cell.model, options.seeds) for cell in cells}
    loaded = {name: loading.load(name, options.device) for names in ids.values() for name in names}
    yield from _fill([(same[0], {name: loaded[name] for cell in same for name in ids[cell.model]})
                      for same in groups.values()], dataset, split, options, store, stop)
    for same in groups.values():
        victims = [loaded[name] for cell in same for name in ids[cell.model]]
        rows: dict[str, dict[str, Any]] = {}
        right: dict[str, dict[str, bool]] = {victim.id: {} for victim in victims}
        if not victims or stop.is_set():
            continue
        examples = _load_examples(same[0], dataset, split, options)
        try:
            for event in _evaluate(victims, same[0], dataset, split, options, store, stop):
                if event.kind == "row":
                    rows[event.victim] = dict(event.data)
                elif event.kind == "judged":
                    right[event.victim] |= event.data["right"]
                elif event.kind == "progress":
                    yield event
        except RobustError as error:
            yield make_missing(f"{same[0].attack or 'accuracy'} is left out. {error}")
        if stop.is_set():
            return
        if same[0].attack:
            right = {name: _read_held(store, row["run"], examples) for name, row in rows.items()}
        elif also is not None:
            rows = {name: row | also(loaded[name], examples) for name, row in rows.items()}
        for cell in same:
            if all(name in rows for name in ids[cell.model]):
                yield Event("cell", "", cell.model, {"cell": cell, "rows": [rows[name] for name in ids[cell.model]],
                                                     "right": [right[name] for name in ids[cell.model]]})


def _load_examples(cell: Cell, dataset: str, split: str, options: Options) -> tuple[Example, ...]:
    return datasets.choose(datasets.load(dataset, split, options.data_dir), count_examples(cell, options), 0)


def _read_held(store: ResultStore, run: str, examples: Sequence[Example]) -> dict[str, bool]:
    wanted = {example.uid for example in examples}
    return metrics.list_held([result for result in store.each(run) if result.example.uid in wanted])


def count_examples(cell: Cell, options: Options) -> int | None:
    """Return how many examples a cell gets: those planned, at most those that a person asks for; None for all."""
    return cell.n if options.n is None else options.n if cell.n is None else min(cell.n, options.n)


def _fill(groups: Sequence[tuple[Cell, Mapping[str, Classifier]]], dataset: str, split: str, options: Options,
          store: ResultStore, stop: threading.Event) -> Iterator[Event]:
    """Let several processes attack first, where they are asked for: the store then has what cells need."""
    if options.workers > 1:
        tasks = [task for cell, victims in groups for task in _plan(cell, victims, dataset, split, options)]
        yield from fill_store(tasks, store, stop, workers=options.workers, device=options.device)


def _plan(cell: Cell, victims: Mapping[str, Classifier], dataset: str, split: str, options: Options) -> list[Task]:
    """Return the tasks of cells that share an attack; none where something is missing, which `evaluate` says later."""
    try:
        return plan_evaluation(victims, dataset, split, _make_attacks(cell), n=count_examples(cell, options),
                               data_dir=options.data_dir, precision=options.precision)
    except RobustError:
        return []


def _make_attacks(cell: Cell) -> list[Attack]:
    return [make_attack(cell)] if cell.attack else []


def make_attack(cell: Cell) -> Attack:
    """Return the attack of a cell that has one."""
    cls = ATTACKS[cell.attack]
    settings: dict[str, Any] = {**read_preset(cls, cell.preset), "max_queries": cell.max_queries}
    return cls(**settings)


def _evaluate(victims: Sequence[Classifier], cell: Cell, dataset: str, split: str, options: Options, store: ResultStore,
              stop: threading.Event) -> Iterator[Event]:
    yield from evaluate(victims, dataset, split, _make_attacks(cell), n=count_examples(cell, options),
                        data_dir=options.data_dir, store=store, stop=stop, precision=options.precision)
