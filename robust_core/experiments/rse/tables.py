"""RobustSentEmbed beside SimCSE and plain MiniLM: similarity, transfer, and attacks on classifiers over the vectors."""

import dataclasses
import statistics
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core import encoders
from robust_core.claims.derivation import Figure, average_tasks
from robust_core.claims.markdown import format_percent, format_points, format_table
from robust_core.encoder_evaluation import probes, similarity
from robust_core.encoder_evaluation import tasks as evaluation
from robust_core.encoder_training import specs
from robust_core.errors import RobustError
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import Claim, Experiment, Options, choose_known, make_missing, name_untrained
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import describe_encoders, list_seeds
from robust_core.experiments.rse.differences import AGAINST, Measured, compare_encoders
from robust_core.models import encoder_cards
from robust_core.paths import own_checkpoints
from robust_core.store import ResultStore

SOURCE = "https://arxiv.org/abs/2403.11082"
ENCODERS = {"minilm": "MiniLM", "simcse": "SimCSE", "robustsentembed": "RobustSentEmbed"}
ATTACKS = {"textfooler": "TextFooler", "pwws": "PWWS", "deepwordbug": "DeepWordBug", "fgsm": "FGSM", "pgd": "k-PGD"}
# All that could be found of the paper's figures.
ABSTRACT = ("The paper's abstract (encoder, data set and baseline are not stated there): success of BERT-Attack "
            "75.51 % -> 38.81 %, STS average +1.59 points, transfer average +0.23 points.")


class EncoderTable(Experiment):
    """What the tables about encoders share; a member names its kind of tasks."""

    kind: ClassVar[str]
    metric: ClassVar[str]
    tasks: ClassVar[Mapping[str, str]]

    def wanted(self) -> dict[str, specs.EncoderSpec | None]:
        """Return the encoders of seed 0 by name, each with its training; None for the packaged one."""
        return {
            "minilm": None,
            "simcse": specs.parse_spec("simcse"),
            "robustsentembed": specs.parse_spec("robustsentembed"),
        }

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the encoders that are here."""
        names = choose_known(list(self.wanted()), options.models, "encoder")
        if self.kind == "attacks":
            choose_known(list(ATTACKS), options.attacks, "attack")
        # What an encoder is compared with is measured as well, before it.
        needed = [name for name in self.wanted() if name in names or name in (AGAINST.get(asked) for asked in names)]
        found = yield from list_present(self, needed, options, stop)
        measured: dict[str, Measured] = {}
        for name, ids in found.items():
            if stop.is_set():
                return
            measured[name] = yield from measure(ids, [self.kind], options.attacks, options, store, stop)
            if name in names and not stop.is_set():
                for claim in self.claims(name, measured, options):
                    yield Event("claim", "", name, claim)

    def claims(self, name: str, measured: Mapping[str, Measured], options: Options
               ) -> Iterator[Claim]:
        """Return the claims about one encoder: a mean over tasks, of each attack by itself."""
        ids, rows, other = measured[name].ids, measured[name].rows, measured.get(AGAINST.get(name, ""))
        for attack in dict.fromkeys(row.get("attack", "") for row in rows):
            mine = [row for row in rows if row.get("attack", "") == attack]
            gap = None if other is None else compare_encoders(measured[name], other, AGAINST[name], attack)
            details = {"model": name, "rows": mine, "difference": gap, "trained": describe_corpus(ids[0])}
            yield self.make_claim(
                options, ("--model", name, *(("--attack", attack) if attack else ())), metric=self.metric, models=ids,
                statement=f"mean {self.metric} of {name}" + f" under {attack}" * bool(attack),
                thresholds=mine[0].get("parameters", {}), rests_on=describe_encoders(ids),
                also=() if other is None else other.ids,
                details=details | ({"attack": attack} if attack else {}))

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return the mean over tasks, whose error counts texts and trainings."""
        return average_tasks([row for row in details["rows"] if row["metric"].partition(" ")[0] == metric])

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line an encoder."""
        mine = self.mine(found)
        if not mine:
            return ""
        lines = [
            [
                ENCODERS.get(c["details"]["model"], c["details"]["model"]),
                *(format_figure(c["details"]["rows"], task) for task in self.tasks),
                format_percent(c["value"], c["value_se"]),
                format_difference(c),
                describe_learning(c),
                ", ".join(map(str, c["seeds"])),
                describe_again([self.file(c)], [c]),
            ]
            for c in order_encoders(mine, list(self.wanted()))
        ]
        head = ["Encoder", *self.tasks.values(), "Mean", "Difference", "Sentences", "Seeds", "Again"]
        return format_table(head, lines) + "".join(f"\n{text}\n" for text in self.notes(mine))

    def notes(self, mine: Sequence[Claim]) -> Iterator[str]:
        """Return remarks below the table."""
        yield self.described
        yield f"{ABSTRACT} {AGAIN}"
        yield from write_faults(mine)
        yield write_commands(mine)


def list_present(experiment: EncoderTable, names: Sequence[str], options: Options, stop: threading.Event
            ) -> Generator[Event, None, dict[str, list[str]]]:
    """Return the trainings of each encoder whose seeds are all here; train the others if that is asked for.

    Yields:
        "progress" and "missing" events.
    """
    wanted = experiment.wanted()
    if options.train:
        yield from _train_missing([(order, seed) for name in names for seed in range(options.seeds)
                                   if (order := wanted[name]) is not None], options, stop)
    known = {*encoders.list_names()}
    every = {name: [name] if wanted[name] is None else list_seeds(name, options.seeds) for name in names}
    if missing := [i for ids in every.values() for i in ids if i not in known]:
        yield name_untrained(missing, f"python -m robust_core reproduce {experiment.name} --train")
    return {name: ids for name, ids in every.items() if known.issuperset(ids)}


def measure(ids: Sequence[str], kinds: Sequence[str], attacks: Sequence[str], options: Options, store: ResultStore,
            stop: threading.Event) -> Generator[Event, None, Measured]:
    """Evaluate the trainings of an encoder on kinds of tasks; hand on the events and return what was measured."""
    measured = Measured(ids)
    loaded = [encoders.load(i, options.device) for i in ids]
    for event in evaluation.evaluate_encoder(
        loaded,
        evaluation.list_tasks(kinds),
        attacks=attacks,
        n=options.n,
        data_dir=options.data_dir,
        store=store,
        stop=stop,
        precision=options.precision,
    ):
        if not measured.take(event):
            yield event
    return measured


def _train_missing(
    asked: Sequence[tuple[specs.EncoderSpec, int]], options: Options, stop: threading.Event
) -> Iterator[Event]:
    for order, seed in asked:
        order = dataclasses.replace(order, seed=seed)
        if order.id in encoders.list_names() or stop.is_set():
            continue
        try:
            for event in specs.run_training(order, own_checkpoints(), options.device, options.data_dir):
                if event["kind"] == "step":
                    yield Event("progress", "", order.id, {"part": order.id, "done": event["step"],
                                                           "total": event["steps"]})
                if stop.is_set():
                    return
        except RobustError as error:
            yield make_missing(f"{order.id} is left out. {error}")


def describe_corpus(name: str) -> dict[str, Any]:
    """Return what an encoder learnt from, and how; nothing for the packaged one."""
    card = next((card for card in encoder_cards.cards() if card.id == name), None)
    return {} if card is None else {"sentences": card.corpus["n"], "steps": card.steps, "kept_step": card.dev["step"],
                                    "dev_spearman": card.dev["after"], "device": card.device,
                                    "sha256": card.corpus["sha256"], "schedule": dict(card.schedule)}


def format_figure(rows: Sequence[Mapping[str, Any]], task: str) -> str:
    """Write the mean over seeds of a task's figure, in percent."""
    values = [row["value"] for row in rows if row["task"] == task and row["value"] is not None]
    return format_percent(statistics.fmean(values), None) if values else "–"


def format_difference(claim: Claim) -> str:
    """Write the paired difference to the encoder that one is compared with."""
    gap = claim["details"].get("difference")
    return "–" if not gap else f"{format_points(gap['value'], gap['value_se'])} to {ENCODERS.get(gap['to'], gap['to'])}"


def order_encoders(mine: Sequence[Claim], names: Sequence[str]) -> list[Claim]:
    """Return claims in the order of the encoders."""
    return sorted(mine, key=lambda c: names.index(c["details"]["model"]) if c["details"]["model"] in names else 99)


def describe_learning(claim: Claim) -> str:
    """Write how many sentences an encoder learnt from, and the step that was kept."""
    trained = claim["details"]["trained"]
    return "–" if not trained else f"{trained['sentences']:,} (step {trained['kept_step']} of {trained['steps']})"


@EXPERIMENTS.register("rse/sts", title="RobustSentEmbed, STS", source=SOURCE)
class STS(EncoderTable):
    """Spearman's correlation of cosines with people's scores, times 100, all subsets of a task together."""

    kind, metric, tasks = "sts", "spearman", similarity.TITLES


@EXPERIMENTS.register("rse/transfer", title="RobustSentEmbed, transfer", source=SOURCE)
class Transfer(EncoderTable):
    """Accuracy, in percent, of logistic regression on frozen unit vectors; ten folds, or the task's own test set."""

    kind, metric, tasks = "transfer", "accuracy", probes.TITLES


@EXPERIMENTS.register("rse/attacks", title="RobustSentEmbed, attacks", source=SOURCE)
class Attacks(EncoderTable):
    """Attack success rate, in percent, on classifiers over frozen vectors: lower is better.

    Two hundred fixed test sentences each of SST-2 and MR; a logistic regression on unit vectors is the victim.
    """

    kind, metric, tasks = "attacks", "attack_success_rate", {name: probes.TITLES[name] for name in evaluation.ATTACKED}

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line an encoder, a column an attack."""
        mine = self.mine(found)
        if not mine:
            return ""
        cells = {(c["details"]["model"], c["details"]["attack"]): c for c in mine}
        names = [attack for attack in ATTACKS if any(attack == a for _, a in cells)]
        lines = []
        for model in self.wanted():
            own = {a: cells[model, a] for a in names if (model, a) in cells}
            if own:
                values = [c["value"] for c in own.values() if c["value"] is not None]
                whole = len(values) == len(names)
                mean = format_percent(statistics.fmean(values), None) if whole else "–"
                first = next(iter(own.values()))
                seeds = sorted({seed for c in own.values() for seed in c["seeds"]})
                lines.append(
                    [
                        ENCODERS[model],
                        *(_write_attack_cell(own.get(a)) for a in names),
                        mean,
                        describe_learning(first),
                        ", ".join(map(str, seeds)),
                        describe_again(map(self.file, own.values()), list(own.values())),
                    ]
                )
        head = ["Encoder", *(ATTACKS[a] for a in names), "Mean", "Sentences", "Seeds", "Again"]
        return format_table(head, lines) + "".join(f"\n{text}\n" for text in self.notes(mine))

    def notes(self, mine: Sequence[Claim]) -> Iterator[str]:
        """Return remarks below the table."""
        yield ("Attack success %, the mean of SST-2 and MR ± standard error (each in brackets): lower is better. Up to "
               f"{evaluation.SENTENCES} fixed test sentences a set; the victim is a logistic regression on frozen unit "
               "vectors. Radii in mean token-embedding norms, chosen on plain MiniLM: "
               + ", ".join(f"{ATTACKS[a]} {values['radius']}" for a, values in evaluation.ON_EMBEDDINGS.items()) + ".")
        yield f"{ABSTRACT} {AGAIN}"
        yield from write_faults(mine)
        yield write_commands(mine)


def _write_attack_cell(claim: Claim | None) -> str:
    if claim is None:
        return "–"
    rows = claim["details"]["rows"]
    each = " / ".join(format_figure(rows, task) for task in evaluation.ATTACKED if any(r["task"] == task for r in rows))
    gap = "" if not claim["details"].get("difference") else f"<br>{format_difference(claim)}"
    return f"{format_percent(claim['value'], claim['value_se'])} ({each}){gap}"

