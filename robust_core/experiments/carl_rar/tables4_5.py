"""CARL and RAR, Tables 4 and 5: how far k-PGD moves representations, and accuracy under it."""

import math
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from robust_core import datasets, metrics
from robust_core.attacks.embeddings import PGD, attack_at_radii
from robust_core.claims.derivation import Figure, pool_rows
from robust_core.claims.markdown import format_percent, format_table
from robust_core.errors import MissingResource
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.availability import train_missing
from robust_core.experiments.base import Claim, Experiment, Options, Subject, choose_known, make_missing
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import describe_data, describe_tables, list_seeds, split_by_presence
from robust_core.models import loading
from robust_core.protocols import WhiteBox
from robust_core.registry import to_record
from robust_core.store import ResultStore
from robust_core.types import Example, Precision

SOURCE = "https://aclanthology.org/2021.findings-acl.142"
DEFENCES = ("base", "freelb", "carl", "rar")
TEXTS = 1_000
# The paper names neither k nor the step; as methods.md proposes: ten steps of 2.5 radius / k, whole-text L2 norm.
# Calibrated on base models alone, then the same for every row.
STEPS, STRIDE = 10, 2.5
# The paper's three radii, and larger ones.
RADII = (0.02, 0.075, 0.1, 0.3, 1.0)
_SHARED = ("carl-rar/table4", "carl-rar/table5")


class UnderPGD(Experiment):
    """What both tables share: the attack costs far more than what is read off it, so one run states both claims."""

    metric: ClassVar[str]
    shown: ClassVar[float]

    def subjects(self) -> Sequence[Subject]:
        """Return the four models of each data set."""
        return [Subject(plan_training(dataset, "minilm", defence), ())
                for dataset in ("sst2", "trec", "ag_news") for defence in DEFENCES]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Measure the models that are here, each at all radii."""
        choose_known(["pgd"], options.attacks, "attack")
        # No figure here is a difference to base, so a base model that is not asked for is not attacked.
        names = choose_known([subject.id for subject in self.subjects()], options.models, "model")
        yield from train_missing(self, options, stop)
        for name in names:
            if split_by_presence(name, options.seeds)[1]:
                continue
            dataset = name.split("/")[0]
            try:
                everything = datasets.load(dataset, "test", options.data_dir)
            except MissingResource as error:
                yield make_missing(f"{name} is left out. {error}")
                continue
            examples, curves = datasets.choose(everything, min(TEXTS, options.n or TEXTS), 0), []
            for model in list_seeds(name, options.seeds):
                curve = yield from measure_curve(loading.load(model, options.device), examples, options.precision, stop)
                curves.append({"model": model, "curve": curve, "rests_on": {
                    **describe_data(dataset, "test", everything), **describe_tables()}})
            if stop.is_set():
                return
            for experiment in _SHARED:
                yield Event("claim", "", name, EXPERIMENTS[experiment]().claim(name, curves, options))

    def claim(self, name: str, curves: Sequence[Mapping[str, Any]], options: Options) -> Claim:
        """State this table's figure of a model, from its rows at all radii, one list a seed."""
        return self.make_claim(
            options, ("--model", name), metric=self.metric,
            statement=f"{self.metric} of {name} under k-PGD of radius {self.shown}",
            models=[c["model"] for c in curves],
            thresholds={k: v for k, v in to_record(make_pgd(self.shown)).items() if k != "radius"},
            details={"model": name, "dataset": name.split("/")[0], "split": "test", "attack": "pgd",
                     "precision": options.precision, "radius": self.shown, "radii": list(RADII), "rows": list(curves)})

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return the figure at the radius that the claim names."""
        return pool_at(details, details["radius"], metric)

    def lines(self, found: Sequence[Claim], metric: str, digits: int) -> dict[str, list[str]]:
        """Return for each model its figures at all radii, written."""
        lines = {}
        for claim in sorted(self.mine(found), key=lambda c: [s.id for s in self.subjects()].index(
                c["details"]["model"])):
            cells = []
            for radius in claim["details"]["radii"]:
                value, error, _ = pool_at(claim["details"], radius, metric)
                cells.append(format_percent(value, error) if digits == 0 else
                             f"{value:.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}"))
            lines[claim["details"]["model"]] = cells
        return lines

    def texts(self, mine: Sequence[Claim]) -> dict[str, list[str]]:
        """Return for each model how many texts its figures rest on, and what they take again, written."""
        return {claim["details"]["model"]: [f"{claim['n']:,}", describe_again([self.file(claim)], [claim])]
                for claim in mine}

    def _notes(self, mine: Sequence[Claim]) -> str:
        unit = "Radii are L2 norms over a whole text, in mean token-embedding norms of the model"
        precisions = {claim["details"].get("precision", "exact") for claim in mine}
        rough = " Gradients in bf16 (`--precision screened`), what they found judged in fp32."
        return (f"\n{unit}; {STEPS} steps of {STRIDE} radius / {STEPS}, on the first n drawn test texts. Mean ± "
                f"standard error.{rough if 'screened' in precisions else ''} In italics the paper's, of "
                "ALBERT on AG News (2,000 test texts, trained on 60,000), whose radii are in ALBERT's own unit."
                f" {AGAIN}\n\n" + "".join(f"{fault}\n\n" for fault in write_faults(mine)) + f"{write_commands(mine)}\n")


def make_pgd(radius: float) -> PGD:
    """Return the attack that all rows share."""
    return PGD(radius=radius, steps=STEPS, stride=STRIDE)


def measure_curve(model: WhiteBox, examples: Sequence[Example], precision: Precision, stop: threading.Event
                  ) -> Generator[Event, None, list[dict[str, Any]]]:
    """Attack a model at all radii; returns rows of `metrics.robustness_curve`, and yields "progress" events."""
    results = []
    for result in attack_at_radii(model, examples, make_pgd(0.0), RADII, precision=precision):
        if stop.is_set():
            return []
        results.append(result)
        yield Event("progress", "", model.id, {"part": f"k-PGD on {model.id}", "done": len(results),
                                               "total": len(examples) * len(RADII)})
    return metrics.robustness_curve(results)


def pool_at(details: Mapping[str, Any], radius: float, metric: str) -> Figure:
    """Return a figure of a claim at one of its radii, pooled over seeds."""
    return pool_rows([row for c in details["rows"] for row in c["curve"] if row["radius"] == radius], metric)


@EXPERIMENTS.register("carl-rar/table4", title="CARL and RAR, Table 4", source=SOURCE)
class Table4(UnderPGD):
    """How far k-PGD moves the vector that the classifier reads: cosine and Euclidean distance, raw vectors."""

    metric, shown = "cosine", 0.1
    # AG News: cosine and distance at .075 and .1.
    PAPER: ClassVar[dict[str, tuple[float, float, float, float]]] = {
        "base": (0.871, 0.851, 7.746, 8.409), "freelb": (0.918, 0.899, 5.776, 6.477),
        "carl": (0.934, 0.917, 4.668, 5.340), "rar": (0.941, 0.926, 4.453, 5.121)}

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model."""
        mine = self.mine(found)
        if not mine:
            return ""
        cosines, distances, texts = self.lines(found, "cosine", 3), self.lines(found, "distance", 3), self.texts(mine)
        lines = []
        for model, cells in cosines.items():
            theirs = self.PAPER[model.split("/")[2]] if model.startswith("ag_news") else None
            paper = ["–", "–"] if theirs is None else [f"*{theirs[at]:.3f}*<br>*{theirs[at + 2]:.3f}*" for at in (0, 1)]
            both = ("<br>".join(two) for two in zip(cells, distances[model], strict=True))
            lines.append([f"`{model}`", *both, *paper, *texts[model]])
        head = ["Model", *(f"At {r:g}" for r in RADII), "Paper at .075", "Paper at .1", "n", "Again"]
        return (format_table(head, lines) + "\nCosine of the clean and the attacked representation; below it their "
                                            "distance.\n" + self._notes(mine))


@EXPERIMENTS.register("carl-rar/table5", title="CARL and RAR, Table 5", source=SOURCE)
class Table5(UnderPGD):
    """Accuracy under k-PGD against its radius."""

    metric, shown = "accuracy_under_attack", 0.1
    PAPER: ClassVar[dict[str, tuple[float, float, float]]] = {
        "base": (86.6, 72.60, 70.2), "freelb": (88.8, 80.25, 78.0), "carl": (90.0, 81.4, 80.1),
        "rar": (89.8, 80.5, 78.6)}

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model."""
        mine = self.mine(found)
        if not mine:
            return ""
        texts = self.texts(mine)
        clean = {c["details"]["model"]: pool_at(c["details"], c["details"]["radii"][0], "accuracy") for c in mine}
        lines = []
        for model, cells in self.lines(found, "accuracy_under_attack", 0).items():
            theirs = self.PAPER[model.split("/")[2]] if model.startswith("ag_news") else None
            paper = "–" if theirs is None else "*" + " / ".join(f"{v:.2f}" for v in theirs) + "*"
            lines.append([f"`{model}`", format_percent(*clean[model][:2]), *cells, paper, *texts[model]])
        head = ["Model", "Clean %", *(f"At {r:g}, %" for r in RADII), "Paper, .02 / .075 / .1", "n", "Again"]
        return format_table(head, lines) + self._notes(mine)
