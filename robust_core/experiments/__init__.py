"""Experiments of the papers, by name: what to evaluate, and the table that shows ours beside theirs; one file each."""

import dataclasses
import inspect
import math
import statistics
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core import datasets, metrics
from robust_core.errors import BadInput, MissingResource, RobustError
from robust_core.registry import Registry
from robust_core.store import ResultStore
from robust_core.types import Event, Precision

EXPERIMENTS = Registry("experiment", tuple(f"robust_core.experiments.{name}" for name in (
    "flat.table2", "flat.table3", "flat.table4", "flat.table5", "flat.table8", "flat.table10", "flat.figure6",
    "carl_rar.table2", "carl_rar.tables4_5", "carl_rar.table6", "rse.tables", "rse.ablation",
    "dssn.certified_accuracy")))

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
        train: Whether to train the models that are not here.
    """

    seeds: int = 1
    models: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    n: int | None = None
    data_dir: str | None = None
    precision: Precision = "exact"
    device: str = "auto"
    train: bool = False


class Experiment:
    """An experiment of a paper; a member writes `run` and `table` and registers as `paper/table`."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def subjects(self) -> Sequence[Any]:
        """Return the models that the experiment knows, as `comparison.Subject`; none where it takes what is here."""
        return ()

    def plan(self, options: Options) -> list[dict[str, Any]]:
        """Return the trainings it needs, as `train --plan` reads them; empty where it takes what is here."""
        from robust_core.experiments.comparison import picked, plan_of

        return plan_of(picked(self.subjects(), options), options.seeds) if self.subjects() else []

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Compute what is not stored yet.

        Yields:
            "progress" events with part, done and total; "note" events with a message where something had to be left
            out; "training" events with the data of `trainings.run`;
            "claim" events, whose data are the arguments of `store.export_claim` but the path. The claim's details
            hold experiment, the name of the experiment whose table shows the claim, in most cases this one.

        Raises:
            BadInput, UnknownName: The options ask for what the experiment does not have.
            MissingResource: The data are not here.
        """
        raise NotImplementedError

    def table(self, found: Sequence[Claim]) -> str:
        """Return a Markdown table of this experiment's claims beside the paper's figures; empty without claims."""
        raise NotImplementedError

    @property
    def described(self) -> str:
        """Its docstring, to stand below its table."""
        return inspect.cleandoc(self.__doc__ or "")

    def file(self, claim: Claim) -> str:
        """Return the name of a claim's file."""
        parts = [str(claim["details"][key]) for key in ("experiment", "model", "attack") if key in claim["details"]]
        return "-".join("".join(c if c.isalnum() or c in "@_" else "-" for c in part) for part in parts) + ".json"

    def mine(self, found: Sequence[Claim]) -> list[Claim]:
        """Pick this experiment's claims."""
        return [claim for claim in found if claim["details"].get("experiment") == self.name]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One figure to measure: an attack on a model.

    Args:
        model: Id of the model of seed 0.
        attack: Name of the attack; empty for clean accuracy.
        n: Examples, drawn with seed 0; None for the whole split.
        max_queries: Most queries an example; 0 sets no limit.
    """

    model: str
    attack: str
    n: int | None
    max_queries: int


def seeded(model: str, seeds: int) -> tuple[list[str], list[str]]:
    """Return the ids of a model's trainings that are here, and those that are not."""
    from robust_core.models.loading import cards

    known = {card.id for card in cards()}
    wanted = [model if seed == 0 else f"{model}@{seed}" for seed in range(seeds)]
    return [name for name in wanted if name in known], [name for name in wanted if name not in known]


def seed_of(model: str) -> int:
    """Return the seed in the id of a model or an encoder."""
    return int(model.rpartition("@")[2]) if "@" in model else 0


def measured(cells: Sequence[Cell], dataset: str, split: str, options: Options, store: ResultStore,
             stop: threading.Event, also: Callable[[Any, Sequence[Any]], dict[str, float]] | None = None
             ) -> Iterator[Event]:
    """Evaluate cells; those that share attack, examples and limit run in step. Seeds that are not here are left out.

    Args:
        cells: What to measure.
        dataset: Name of the data set.
        split: Its split.
        options: What a person changed.
        store: Where results go and come from.
        stop: Set to end early.
        also: Further figures of a model on the examples, added to its clean row.

    Yields:
        "progress" and "note" events; as soon as a cell is measured a "cell" event whose data are cell (the `Cell`),
        rows (those of `evaluate`, one a seed) and right (for each row whether the model is right, by uid).
    """
    from robust_core.models import loading

    groups: dict[tuple[str, int | None, int], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.attack, cell.n, cell.max_queries), []).append(cell)
    ids = {cell.model: seeded(cell.model, options.seeds)[0] for cell in cells}
    loaded = {name: loading.load(name, options.device) for names in ids.values() for name in names}
    for same in groups.values():
        victims = [loaded[name] for cell in same for name in ids[cell.model]]
        rows: dict[str, dict[str, Any]] = {}
        right: dict[str, dict[str, bool]] = {victim.id: {} for victim in victims}
        if not victims or stop.is_set():
            continue
        examples = _examples(same[0], dataset, split, options)
        try:
            for event in _evaluated(victims, same[0], dataset, split, options, store, stop):
                if event.kind == "row":
                    rows[event.victim] = dict(event.data)
                elif event.kind == "judged":
                    right[event.victim] |= event.data["right"]
                elif event.kind == "progress":
                    yield event
        except RobustError as error:
            yield note(f"{same[0].attack or 'accuracy'} is left out. {error}")
        if stop.is_set():
            return
        if same[0].attack:
            right = {name: _held(store, row["run"], examples) for name, row in rows.items()}
        elif also is not None:
            rows = {name: row | also(loaded[name], examples) for name, row in rows.items()}
        for cell in same:
            found = [name for name in ids[cell.model] if name in rows]
            if found:
                yield Event("cell", "", cell.model, {"cell": cell, "rows": [rows[name] for name in found],
                                                     "right": [right[name] for name in found]})


def _examples(cell: Cell, dataset: str, split: str, options: Options) -> tuple[Any, ...]:
    return datasets.choose(datasets.load(dataset, split, options.data_dir), _count(cell, options), 0)


def _held(store: ResultStore, run: str, examples: Sequence[Any]) -> dict[str, bool]:
    wanted = {example.uid for example in examples}
    return metrics.held([result for result in store.each(run) if result.example.uid in wanted])


def _count(cell: Cell, options: Options) -> int | None:
    return cell.n if options.n is None else options.n if cell.n is None else min(cell.n, options.n)


def _evaluated(victims: Sequence[Any], cell: Cell, dataset: str, split: str, options: Options, store: ResultStore,
               stop: threading.Event) -> Iterator[Event]:
    from robust_core.attacks import ATTACKS
    from robust_core.evaluation.evaluate import evaluate

    attacks = [ATTACKS[cell.attack](max_queries=cell.max_queries)] if cell.attack else []
    yield from evaluate(victims, dataset, split, attacks, n=_count(cell, options), data_dir=options.data_dir,
                        store=store, stop=stop, precision=options.precision)


def note(message: str) -> Event:
    """Return a "note" event."""
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
