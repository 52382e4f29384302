"""Our Table 1: every shipped SST-2 model under every attack and preset: what is left, proved and transferred."""

import dataclasses
import functools
import json
import math
import threading
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES
from robust_core.claims.command import make_command
from robust_core.claims.derivation import Figure, pool_figures, read_share
from robust_core.claims.files import Claim, read_claims
from robust_core.evaluation.explanation_consistency import compare_explanations
from robust_core.evaluation.transfer import evaluate_transfer
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.availability import train_missing
from robust_core.experiments.base import (
    Experiment,
    Options,
    Subject,
    choose_known,
    name_untrained,
    pick_subjects,
    plan_trainings,
)
from robust_core.experiments.budgets import Entry
from robust_core.experiments.cells import Cell, count_examples, measure_cells
from robust_core.experiments.comparison import CLEAN, TEXTS
from robust_core.experiments.consistency import format_figure
from robust_core.experiments.flat.table2 import FlatTable2
from robust_core.experiments.flat.table4 import ATTACKED, COSTLY, LIMIT, count_sentences
from robust_core.experiments.own import hours, view
from robust_core.experiments.own.held import (
    ACCURACY,
    DATASET,
    EXPLAINER,
    SPLIT,
    TARGET,
    TAU,
    TRANSFER,
    count_explained,
    find_held,
    find_proved,
    list_figures,
    make_filter,
    make_place,
)
from robust_core.experiments.presence import describe_models, shipped, split_by_presence
from robust_core.experiments.words import CertifiedWords
from robust_core.explainers import EXPLAINERS
from robust_core.models import loading
from robust_core.models.cards import ARCHITECTURES, CORE, Card, cards
from robust_core.store import ResultStore
from robust_core.types import AttackResult


@EXPERIMENTS.register("own/table1", title="Table 1", source="https://arxiv.org/abs/2203.12709")
class Table1(Experiment):
    """SST-2's models under seven attacks with the presets `careful` and `paper`: what is left, proved, and transferred.

    A figure that another experiment has measured with the same model and parameters is shown from its claim and not
    measured again. Attacks that ask thousands of times run on 300 sentences (MiniLM: 100), with at most 5,000 queries.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the models of which several trainings are planned: the word models of FLAT's tables."""
        return [s for s in FlatTable2().subjects() if s.training["dataset"] == DATASET
                and s.training["architecture"] != "minilm"]

    def plan(self, options: Options) -> list[Entry]:
        """Return the trainings of those of the models asked for that have several, and of their base models."""
        mine = [s.id for s in self.subjects() if not options.models or s.id in options.models]
        chosen = pick_subjects(self.subjects(), dataclasses.replace(options, models=tuple(mine))) if mine else []
        return plan_trainings(chosen, options.seeds)

    def cells(self, options: Options) -> list[Cell]:
        """Return the cells: each attack under each of its presets on each shipped model of SST-2, or those named."""
        known = [name for name in self._cards() if options.models or name in shipped()]
        models = choose_known(known, options.models, "model")
        return [Cell(model, attack, count_sentences(model) if attack in COSTLY else
                     TEXTS[DATASET].get(model.split("/")[1]), LIMIT if attack in COSTLY else 0, preset)
                for attack in choose_known(ATTACKED, options.attacks, "attack") for preset in NAMES
                if preset in ATTACKS[attack].PRESETS for model in models]

    def list_wanted(self, options: Options) -> dict[Cell, list[str]]:
        """Return the figures that are this experiment's to measure, by cell.

        Args:
            options: What a person changed.
        """
        cells, claims, cores = self.cells(options), read_claims(skip_damaged=True), self.find_cores()
        is_mine = make_filter(self.name)
        mine = find_held((claim for claim in claims if is_mine(claim)), cells)
        theirs = find_held((claim for claim in claims if not is_mine(claim)), cells)
        wanted = {}
        for cell in cells:
            seeds = set(range(self.count_seeds(cell.model, options)))
            places = {figure: make_place(cell, figure) for figure in list_figures(cell, cores)}
            wanted[cell] = [figure for figure, place in places.items() if place in mine or place not in theirs
                            or not seeds <= set(theirs[place]["seeds"])]
        return {cell: figures for cell, figures in wanted.items() if figures}

    def find_cores(self) -> set[str]:
        """Return the models with a certified core."""
        return {name for name, card in self._cards().items() if card.defence_name == CORE}

    def count_seeds(self, model: str, options: Options) -> int:
        """Return how many trainings of a model are asked for: of most there is one."""
        return options.seeds if model in self._trained_often else 1

    @functools.cached_property
    def _trained_often(self) -> frozenset[str]:
        return frozenset(subject.id for subject in self.subjects())

    def list_unproved(self, options: Options) -> list[str]:
        """Return the models that have a proof which no claim holds; none where attacks are picked."""
        proved, known = find_proved(read_claims(skip_damaged=True)), self._cards()
        return [] if options.attacks else [name for name in dict.fromkeys(cell.model for cell in self.cells(options))
                                           if known[name].is_certified and name not in proved]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack the models, each with the same sentences, show their flips to another, and explain both texts."""
        wanted = self.list_wanted(options)
        datasets.find(DATASET, SPLIT, options.data_dir)
        if options.train:
            yield from train_missing(self, options, stop)
        seeds_of = {cell.model: self.count_seeds(cell.model, options) for cell in wanted}
        if absent := [name for model, seeds in seeds_of.items() for name in split_by_presence(model, seeds)[1]]:
            words = [word for name in options.models for word in ("--model", name)]
            yield name_untrained(absent, make_command(
                "reproduce", self.name, *words, seeds=options.seeds, train=True, data=True))
        if unproved := self.list_unproved(options):
            yield from CertifiedWords().run(dataclasses.replace(options, models=tuple(unproved), seeds=1), store, stop)
        for seeds in dict.fromkeys(seeds_of.values()):
            mine = dataclasses.replace(options, seeds=seeds)
            cells = [cell for cell in wanted if seeds_of[cell.model] == seeds
                     and not split_by_presence(cell.model, seeds)[1]]
            for event in measure_cells(cells, DATASET, SPLIT, mine, store, stop):
                if event.kind == "cell":
                    cell = event.data["cell"]
                    yield from self._claim(cell, event.data["rows"], wanted[cell], mine, store, stop)
                else:
                    yield event

    def table(self, found: Sequence[Claim]) -> str:
        """Return the models with what is proved of them, then a line a model and attack with both presets."""
        return view.write_table(self, found)

    def show(self, made: Sequence[Claim]) -> str:
        """Return the table of claims just made, completed by what others hold of the same models and attacks."""
        lines = {(claim["details"]["model"], claim["details"].get("attack")) for claim in made}
        models = {model for model, _ in lines}
        known = [c for c in read_claims(skip_damaged=True) if not make_filter(self.name)(c) and (
            (c["details"].get("model"), c["details"].get("attack")) in lines
            or c["details"].get("model") in models and c["details"].get("attack", CLEAN) == CLEAN)]
        return self.table([*made, *known])

    def write_plan(self, options: Options, as_json: bool) -> str:
        """Return the cells that no claim holds yet, with an estimate of the hours they take."""
        rows = hours.list_missing(self, options)
        return json.dumps({"results": rows}) if as_json else hours.write_rows(rows)

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return accuracy over texts, transfer over the flips that another model could follow, tau over texts."""
        rows = details["rows"]
        if metric == TRANSFER:
            return pool_figures([read_share({"n": row["transferable"], metric: row[metric]}, metric)
                                 if row["transferable"] else Figure(math.nan, math.nan, 0) for row in rows])
        return format_figure(rows, "all", metric) if metric == TAU else super().derive(metric, details)

    def file(self, claim: Claim) -> str:
        """Return the name of a claim's file."""
        if not make_filter(self.name)(claim):
            return EXPERIMENTS[claim["details"]["experiment"]]().file(claim)
        ending = {TRANSFER: "-transfer", TAU: "-words"}.get(claim["metric"], "")
        return super().file(claim).removesuffix(".json") + f"{ending}.json"

    @staticmethod
    def _cards() -> dict[str, Card]:
        return {card.id: card for card in cards() if card.dataset == DATASET and card.seed == 0
                and card.architecture in ARCHITECTURES}

    def _claim(self, cell: Cell, rows: Sequence[dict[str, Any]], figures: Collection[str], options: Options,
               store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """State the figures of a cell that is measured: what the store holds of it is judged and explained here."""
        made = {ACCURACY: list(rows)} if ACCURACY in figures else {}
        if TRANSFER in figures:
            made[TRANSFER] = yield from _show_to_target(cell, rows, options, store, stop)
        if TAU in figures:
            made[TAU] = yield from _explain(cell, rows, options, store, stop)
        models = [row["model"] for row in rows]
        for metric, lines in made.items():
            if not stop.is_set():
                yield Event("claim", "", cell.model, self._make(cell, metric, lines, models, options))

    def _make(self, cell: Cell, metric: str, rows: Sequence[dict[str, Any]], models: Sequence[str], options: Options
              ) -> Claim:
        what = {ACCURACY: f"accuracy_under_attack of {cell.model}",
                TAU: f"Kendall's tau of {EXPLAINER} of {cell.model}",
                TRANSFER: f"share of the flips of {cell.model} that flip {TARGET} too"}[metric]
        more = {TRANSFER: {"target": TARGET}, TAU: {"explain": EXPLAINER}}.get(metric, {})
        return self.make_claim(
            options, ("--model", cell.model, "--attack", cell.attack), metric=metric, models=models,
            statement=f"{what} on {DATASET}/{SPLIT} with {cell.attack}, {cell.preset}", run=rows[0]["run"],
            thresholds=rows[0]["parameters"], also=[TARGET] if metric == TRANSFER else [],
            details={"model": cell.model, "attack": cell.attack, "preset": cell.preset, **more, "rows": list(rows)})


def _read_results(store: ResultStore, run: str, n: int | None, options: Options) -> list[AttackResult]:
    examples = datasets.choose(datasets.load(DATASET, SPLIT, options.data_dir), n, 0)
    wanted = {example.uid for example in examples}
    found = {r.example.uid: dataclasses.replace(r, steps=(), curve=()) for r in store.each(run)
             if r.example.uid in wanted and r.status != "stopped"}
    return [found[example.uid] for example in examples if example.uid in found]


def _show_to_target(cell: Cell, rows: Sequence[dict[str, Any]], options: Options, store: ResultStore,
                    stop: threading.Event) -> Generator[Event, None, list[dict[str, Any]]]:
    target, made = loading.load(TARGET, options.device), []
    for row in rows:
        results = _read_results(store, row["run"], count_examples(cell, options), options)
        part = f"texts of {cell.attack} against {row['model']} on {TARGET}"
        for columns in evaluate_transfer(row["model"], target, results, {}, part, stop):
            if isinstance(columns, Event):
                yield columns
            else:
                made.append({**_read_identity(row), **columns,
                             "rests_on": row["rests_on"] | describe_models([TARGET])})
    return made


def _explain(cell: Cell, rows: Sequence[dict[str, Any]], options: Options, store: ResultStore, stop: threading.Event
             ) -> Generator[Event, None, list[dict[str, Any]]]:
    made = []
    for row in rows:
        results = _read_results(store, row["run"], count_explained(cell, options), options)
        model, part = loading.load(row["model"], options.device), f"{EXPLAINER} of {row['model']} under {cell.attack}"
        for columns in compare_explanations(model, EXPLAINERS[EXPLAINER](), results, part, stop, store, row["run"]):
            if isinstance(columns, Event):
                yield columns
            else:
                made.append({**_read_identity(row), "n": len(results), **columns, "rests_on": row["rests_on"]})
    return made


def _read_identity(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what says of which attack and model a row is, without what was counted over all of its texts."""
    return {name: row[name] for name in ("model", "dataset", "split", "attack", "seed", "precision", "run", "device",
                                         "parameters")}
