"""What all experiments share: options, the door `run`, claims and notes."""

import dataclasses
import functools
import inspect
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core import trainings
from robust_core.claims.command import make_command
from robust_core.claims.derivation import Figure, pool_rows
from robust_core.claims.files import Claim
from robust_core.errors import BadInput, MissingResource, list_names, quote
from robust_core.events import Event
from robust_core.experiments.budgets import Entry
from robust_core.experiments.presence import describe_models, read_seed, shipped
from robust_core.store import ResultStore
from robust_core.types import Precision

# Stands below tables of shares.
ERRORS = ("Percent ± standard error, which counts the choice of texts and, with several seeds, of trainings as well; "
          "at 0 and 100 % 1.96 errors reach Wilson's 95 % bound.")


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
        workers: Processes that attack side by side.
    """

    seeds: int = 1
    models: tuple[str, ...] = ()
    attacks: tuple[str, ...] = ()
    n: int | None = None
    data_dir: str | None = None
    precision: Precision = "exact"
    device: str = "auto"
    train: bool = False
    workers: int = 1


class Experiment:
    """An experiment of a paper; a member writes `run` and `table` and registers as `paper/table`."""

    name: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[str]

    def subjects(self) -> "Sequence[Subject]":
        """Return the models that the experiment knows; none where it takes what is here."""
        return ()

    def plan(self, options: Options) -> list[Entry]:
        """Return the trainings it needs, as `train --plan` reads them; empty where it takes what is here."""
        return plan_trainings(pick_subjects(self.subjects(), options), options.seeds) if self.subjects() else []

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Compute what is not stored yet.

        Yields:
            "progress" events with part, done and total; "note" events with a message where something had to be left
            out; "missing" events with a message that names the trainings or the data that are not here, so that
            nothing is claimed that rests on them; "training" events with the data of `trainings.run`;
            "claim" events, whose data are a `Claim`, the arguments of `write_claim` but the path. Its details
            hold experiment, the name of the experiment whose table shows the claim, in most cases this one.

        Raises:
            BadInput, UnknownName: The options ask for what the experiment does not have.
            MissingResource: The data are not here.
        """
        raise NotImplementedError

    def table(self, found: Sequence[Claim]) -> str:
        """Return a Markdown table of this experiment's claims beside the paper's figures; empty without claims."""
        raise NotImplementedError

    def show(self, made: Sequence[Claim]) -> str:
        """Return the table of claims that were just made."""
        return self.table(made)

    def write_plan(self, options: Options, as_json: bool) -> str:
        """Return what it needs, for a person or for `train --plan`: the trainings, as JSON either way."""
        return json.dumps(self.plan(options), indent=1)

    def command(self, options: Options, *words: str, models: Sequence[str] = ()) -> str:
        """Return the command line that repeats a part of it.

        Args:
            options: What a person changed.
            words: What names the part, such as --model and an id.
            models: Ids of the trainings it rests on; those that are not shipped have to be trained.
        """
        return make_command("reproduce", self.name, *words, seeds=options.seeds, n=options.n,
                            precision=options.precision, train=not shipped() >= set(models), data=True)

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return what the details of a claim give: the mean over trainings, whose error counts texts and trainings.

        Args:
            metric: The claim's metric.
            details: Its details.
        """
        return pool_rows(details["rows"], metric)

    def make_claim(self, options: Options, words: Sequence[str], *, statement: str, metric: str,
                   details: Mapping[str, Any], models: Sequence[str], thresholds: dict[str, Any], run: str = "",
                   also: Sequence[str] = (), rests_on: Mapping[str, str] | None = None) -> Claim:
        """Return a claim whose value, error and n are worked out from its details.

        Args:
            options: What a person changed.
            words: What names this part in a command, such as --model and an id.
            statement: What is claimed, in words, without the experiment's title.
            metric: Name of the figure.
            details: Rows, one a training, and what a table shows beside them; the rows' own `rests_on` is taken out
                of them and put together.
            models: Ids of the trainings behind the rows, in the order of their seeds.
            thresholds: Parameters that it depends on.
            run: Id of the first stored run.
            also: Ids of further models that it rests on, such as those that it is compared with.
            rests_on: What it rests on besides what its rows say.
        """
        rows, together = [], {**describe_models([*models, *also]), **(rests_on or {})}
        for row in details.get("rows", ()):
            together |= row.get("rests_on", {})
            rows.append({key: value for key, value in row.items() if key != "rests_on"})
        details = {"experiment": self.name, **details} | ({"rows": rows} if rows else {})
        figure, command = self.derive(metric, details), self.command(options, *words, models=[*models, *also])
        return {"claim": f"{statement}, for {self.title}", "command": command,
                "run": run, "n": figure.n, "seeds": [read_seed(model) for model in models], "metric": metric,
                "value": figure.value, "value_se": figure.error, "thresholds": thresholds, "details": details,
                "precision": options.precision, "rests_on": together}

    @property
    def described(self) -> str:
        """Its docstring, to stand below its table."""
        return inspect.cleandoc(self.__doc__ or "")

    def file(self, claim: Claim) -> str:
        """Return the name of a claim's file."""
        parts = [str(claim["details"][key]) for key in ("experiment", "model", "attack", "preset")
                 if key in claim["details"]]
        return "-".join("".join(c if c.isalnum() or c in "@_" else "-" for c in part) for part in parts) + ".json"

    def mine(self, found: Sequence[Claim]) -> list[Claim]:
        """Pick this experiment's claims."""
        return [claim for claim in found if claim["details"].get("experiment") == self.name]


def make_note(message: str) -> Event:
    """Return a "note" event."""
    return Event("note", "", "", {"message": message})


def make_missing(message: str) -> Event:
    """Return a "missing" event."""
    return Event("missing", "", "", {"message": message})


def name_untrained(names: Sequence[str], command: str) -> Event:
    """Return a "missing" event that names trainings.

    Args:
        names: Their ids.
        command: Command that trains them.
    """
    return make_missing(f"Not here, so nothing is claimed that rests on it: {list_names(names)}. Train with {command}")


def choose_known(known: Sequence[str], asked: Sequence[str], what: str) -> list[str]:
    """Return what is asked for, or all that is known.

    Raises:
        BadInput: Something asked for is not among it, or there is nothing.
        MissingResource: Nothing is known.
    """
    if not known:
        raise MissingResource(f"Every {what} of this experiment", "Train it with python -m robust_core train.")
    for name in asked:
        if name not in known:
            raise BadInput(f"This experiment has no {what} {quote(name)}. Known: {list_names(known)}.")
    return [name for name in known if not asked or name in asked]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A model to measure.

    Args:
        training: Its training with seed 0, as a plan names it.
        attacks: Attacks to measure it under.
        paper: The paper's figures, percent, by attack; "clean" is its clean accuracy.
    """

    training: Mapping[str, Any]
    attacks: tuple[str, ...]
    paper: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def id(self) -> str:
        """Id of the model of seed 0."""
        return _name_training(json.dumps(self.training, sort_keys=True))

    @property
    def base(self) -> str:
        """Id of the model that it is compared with."""
        return "/".join([*self.id.split("/")[:2], "base"])


@functools.cache
def _name_training(training: str) -> str:
    return trainings.parse_spec(json.loads(training)).id


def plan_trainings(subjects: Sequence[Subject], seeds: int) -> list[Entry]:
    """Return the trainings of some models, those of seed 0 first; every base model stands before its defences."""
    return [{**subject.training} | ({"seed": seed} if seed else {}) for seed in range(seeds) for subject in subjects]


def pick_subjects(subjects: Sequence[Subject], options: Options) -> list[Subject]:
    """Return the models asked for, and the base models they are compared with."""
    wanted = choose_known([subject.id for subject in subjects], options.models, "model")
    bases = {subject.base for subject in subjects if subject.id in wanted}
    return [subject for subject in subjects if subject.id in wanted or subject.id in bases]
