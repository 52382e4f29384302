"""Experiments of the papers, by name: what to evaluate, and the table that shows ours beside theirs; one file each."""

import dataclasses
import math
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core.errors import BadInput, MissingResource, RobustError
from robust_core.registry import Registry
from robust_core.store import ResultStore
from robust_core.types import Event, Precision

EXPERIMENTS = Registry("experiment", ("robust_core.experiments.flat_table4",))

Claim = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Options:
    """What a person may change about an experiment.

    Args:
        seeds: Trainings of each model to use: seeds 0 to seeds - 1.
        models: Ids of the models to use; empty for all that are here.
        attacks: Names of the attacks to use; empty for all of the experiment.
        n: Most examples a cell; None for as many as the experiment plans.
        data_dir: Folder of data sets.
        precision: Precision of the attacks.
        device: Where models run.
    """

    seeds: int = 1
    models: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    n: int | None = None
    data_dir: str | None = None
    precision: Precision = "exact"
    device: str = "auto"


class Experiment:
    """An experiment of a paper; a member writes `run` and `table` and registers as `paper/table`."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Compute what is not stored yet.

        Yields:
            "progress" events with part, done and total; "note" events with a message where something had to be left
            out; "claim" events, whose data are the arguments of `store.export_claim` but the path. The claim's details
            hold experiment, the name.

        Raises:
            BadInput, UnknownName: The options ask for what the experiment does not have.
            MissingResource: The data are not here.
        """
        raise NotImplementedError

    def table(self, found: Sequence[Claim]) -> str:
        """Return a Markdown table of this experiment's claims beside the paper's figures; empty without claims."""
        raise NotImplementedError

    def file(self, claim: Claim) -> str:
        """Return the name of a claim's file."""
        parts = [self.name, *(str(claim["details"][key]) for key in ("model", "attack") if key in claim["details"])]
        return "-".join("".join(c if c.isalnum() or c in "@_" else "-" for c in part) for part in parts) + ".json"

    def mine(self, found: Sequence[Claim]) -> list[Claim]:
        """Pick this experiment's claims."""
        return [claim for claim in found if claim["details"].get("experiment") == self.name]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One figure to measure: an attack on a model.

    Args:
        model: Id of the model of seed 0.
        attack: Name of the attack.
        n: Examples, drawn with seed 0; None for the whole split.
        max_queries: Most queries an example; 0 sets no limit.
    """

    model: str
    attack: str
    n: int | None
    max_queries: int


def seeded(model: str, seeds: int) -> tuple[list[str], list[str]]:
    """Return the ids of a model's trainings that are here, and those that are not."""
    from robust_core.models.checkpoint import cards

    known = {card.id for card in cards()}
    wanted = [model if seed == 0 else f"{model}@{seed}" for seed in range(seeds)]
    return [name for name in wanted if name in known], [name for name in wanted if name not in known]


def measured(cells: Sequence[Cell], dataset: str, split: str, options: Options, store: ResultStore,
             stop: threading.Event) -> Iterator[Event]:
    """Evaluate cells; those that share attack, examples and limit run in step.

    Yields:
        "progress" and "note" events; as soon as a cell is measured a "cell" event whose data are cell (the `Cell`) and
        rows (those of `evaluate`, one a seed).
    """
    from robust_core.models import checkpoint

    groups: dict[tuple[str, int | None, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.attack, cell.n, cell.max_queries), []).append(cell)
    ids: dict[str, list[str]] = {}
    for model in dict.fromkeys(cell.model for cell in cells):
        ids[model], missing = seeded(model, options.seeds)
        for name in missing:
            yield _note(f"{name} is not here and is left out; train it with python -m robust_core train.")
    loaded = {name: checkpoint.load(name, options.device) for names in ids.values() for name in names}
    for same in groups.values():
        victims = [loaded[name] for cell in same for name in ids[cell.model]]
        rows: dict[str, dict[str, Any]] = {}
        if not victims or stop.is_set():
            continue
        try:
            for event in _evaluated(victims, same[0], dataset, split, options, store, stop):
                if event.kind == "row":
                    rows[event.victim] = dict(event.data)
                elif event.kind == "progress":
                    yield event
        except RobustError as error:
            yield _note(f"{same[0].attack} is left out. {error}")
        if stop.is_set():
            return
        for cell in same:
            found = [rows[name] for name in ids[cell.model] if name in rows]
            if found:
                yield Event("cell", "", cell.model, {"cell": cell, "rows": found})


def _evaluated(victims: Sequence[Any], cell: Cell, dataset: str, split: str, options: Options, store: ResultStore,
               stop: threading.Event) -> Iterator[Event]:
    from robust_core.attacks import ATTACKS
    from robust_core.evaluate import evaluate

    n = cell.n if options.n is None else options.n if cell.n is None else min(cell.n, options.n)
    yield from evaluate(victims, dataset, split, [ATTACKS[cell.attack](max_queries=cell.max_queries)], n=n,
                        data_dir=options.data_dir, store=store, stop=stop, precision=options.precision)


def _note(message: str) -> Event:
    return Event("note", "", "", {"message": message})


def pooled(rows: Sequence[Mapping[str, Any]], metric: str) -> tuple[float, float]:
    """Return the mean of a figure over seeds and its standard error: between seeds, or the row's own with one seed."""
    values = [row[metric] for row in rows]
    if len(values) == 1:
        return values[0], rows[0][f"{metric}_se"]
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def chosen(known: Sequence[str], asked: Sequence[str], what: str) -> list[str]:
    """Return what is asked for, or all that is known.

    Raises:
        BadInput: Something asked for is not among it, or there is nothing.
        MissingResource: Nothing is known.
    """
    if not known:
        raise MissingResource(f"Every {what} of this experiment", "Train it with python -m robust_core train.")
    for name in asked:
        if name not in known:
            raise BadInput(f"This experiment has no {what} {name!r}. Known: {', '.join(known)}.")
    return [name for name in known if not asked or name in asked]
