"""One number a model: what five attacks together leave of each shipped SST-2 model, the worst case text by text."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from robust_core import datasets
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_settings, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known
from robust_core.experiments.cells import Cell, measure_cells
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import shipped
from robust_core.models.cards import ARCHITECTURES, cards
from robust_core.store import ResultStore

DATASET, ATTACK, SENTENCES = "sst2", "ensemble", 100


@EXPERIMENTS.register("own/ensemble", title="Ensemble of attacks", source="https://arxiv.org/abs/2003.01690")
class EnsembleTable(Experiment):
    """Every shipped SST-2 model against A2T, PWWS, TextFooler, Bad Characters and BAE: a text holds if none flips it.

    Each has its paper's values and at most 1,000 queries a text. A model that shows no gradients is spared A2T, so its
    figure is a little too high beside the others.
    """

    def cells(self, options: Options) -> list[Cell]:
        """Return what to measure: the ensemble on each shipped model of SST-2, or on those named."""
        known = [card.id for card in cards() if card.dataset == DATASET and card.seed == 0
                 and card.architecture in ARCHITECTURES and (options.models or card.id in shipped())]
        choose_known([ATTACK], options.attacks, "attack")
        return [Cell(model, ATTACK, SENTENCES, 0) for model in choose_known(known, options.models, "model")]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack the models, each with the same sentences."""
        cells = self.cells(options)
        datasets.find(DATASET, "test", options.data_dir)
        for event in measure_cells(cells, DATASET, "test", options, store, stop):
            if event.kind != "cell":
                yield event
                continue
            cell, rows = event.data["cell"], event.data["rows"]
            yield Event("claim", "", event.victim, self.make_claim(
                options, ("--model", cell.model, "--attack", ATTACK), metric="accuracy_under_attack",
                statement=f"accuracy_under_attack of {cell.model} on {DATASET}/test with {ATTACK}",
                models=[row["model"] for row in rows], run=rows[0]["run"], thresholds=rows[0]["parameters"],
                details={"model": cell.model, "attack": ATTACK, "rows": list(rows)}))

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model, the one that keeps most first."""
        mine = sorted(self.mine(found), key=lambda claim: (-(claim["value"] or 0.0), claim["details"]["model"]))
        if not mine:
            return ""
        marks = Footnotes()
        lines = [[f"`{claim['details']['model']}`", *_write_columns(claim, marks), f"{claim['n']:,}",
                  describe_again([self.file(claim)], [claim])] for claim in mine]
        head = ["Model", "Clean %", "Left %", "Words swapped %", "Queries", "n", "Again"]
        notes = [self.described,
                 f"{ERRORS} Words swapped are a mean over flips, queries over attacked texts. {AGAIN}",
                 f"{format_settings(mine[0]['thresholds'])}.", *write_faults(mine), write_commands(mine),
                 *marks.lines()]
        return format_table(head, lines) + "".join(f"\n{note}\n" for note in notes)


def _write_columns(claim: Claim, marks: Footnotes) -> list[str]:
    row: Mapping[str, float] = claim["details"]["rows"][0]
    return [format_percent(row["accuracy"], row["accuracy_se"]),
            format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim),
            f"{100 * row['swap_rate']:.1f}", f"{row['queries']:,.0f}"]
