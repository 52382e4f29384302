"""Seven attacks, both presets: what is left of our models and of each defence, paired on the same sentences."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import CAREFUL, NAMES, PAPER
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_points, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known, name_untrained
from robust_core.experiments.cells import Cell, measure_cells
from robust_core.experiments.comparison import compare_seeds
from robust_core.experiments.faults import write_faults
from robust_core.experiments.flat.table4 import ATTACKED, COSTLY, LIMIT, TITLES
from robust_core.experiments.presence import split_by_presence
from robust_core.store import ResultStore

DATASET = "sst2"
WORD_MODELS = tuple(f"sst2/{network}/{defence}" for network in ("cnn", "lstm")
                    for defence in ("base", "adversarial-textfooler", "flat-textfooler"))
ENCODERS = tuple(f"sst2/minilm/{defence}" for defence in (
    "base", "adversarial-textfooler", "flat-textfooler", "freelb", "carl", "rar"))
# By preset: each of our models, the networks without a certificate that it is compared with, and how many sentences.
# Against close swaps the models stand that are proved against close swaps, against any those that learnt against any.
COMPARED: Mapping[str, Mapping[str, tuple[tuple[str, ...], int]]] = {
    CAREFUL: {"sst2/additive/close": (WORD_MODELS, 300), "sst2/minilm/core": (ENCODERS, 300)},
    PAPER: {"sst2/lstm-retrofitted/core-balanced": (WORD_MODELS, 200), "sst2/minilm/core-wide": (ENCODERS, 100)},
}
# How many standard errors of the paired difference count as more.
ERRORS_APART = 2.0


@EXPERIMENTS.register("own/seven-attacks", title="Seven attacks", source="https://arxiv.org/abs/2203.12709")
class SevenAttacks(Experiment):
    """Models with a certificate in words beside the papers' defences, under seven attacks and both presets.

    Under `careful` ours are those that are proved against close swaps, under `paper` those that learnt against all.
    Gene, IGA, PSO and CLARE ask at most 5,000 times a text; where that ends a search the text counts as held, so such
    a figure is an upper bound. CLARE has no preset `careful`.
    """

    def cells(self, options: Options) -> list[Cell]:
        """Return what to measure: each attack under each of its presets; a model comes with the one of ours beside it.

        Args:
            options: What a person changed.
        """
        asked = choose_known(_list_models(), options.models, "model")
        return [Cell(model, attack, n, LIMIT if attack in COSTLY else 0, preset)
                for attack in choose_known(ATTACKED, options.attacks, "attack") for preset in NAMES
                if preset in ATTACKS[attack].PRESETS for ours, (rivals, n) in COMPARED[preset].items()
                for model in (ours, *rivals) if model in asked or model == ours and set(rivals) & set(asked)]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack the models, each with the same sentences, and compare them with ours."""
        cells = self.cells(options)
        datasets.find(DATASET, "test", options.data_dir)
        absent = {cell.model: split_by_presence(cell.model, 1)[1] for cell in cells}
        if names := [name for model in absent for name in absent[model]]:
            yield name_untrained(names, "python -m robust_core train")
        held: dict[tuple[str, str], Mapping[str, bool]] = {}
        for event in measure_cells([c for c in cells if not absent[c.model]], DATASET, "test", options, store, stop):
            if event.kind != "cell":
                yield event
                continue
            cell, rows, mine = event.data["cell"], event.data["rows"], event.data["right"][0]
            ours = find_ours(cell.model, cell.preset)
            if cell.model == ours:
                held[cell.attack, ours] = mine
            theirs = held.get((cell.attack, ours)) if cell.model != ours else None
            gap = None if theirs is None else compare_seeds({0: theirs}, {0: mine})
            yield Event("claim", "", cell.model, self._make(cell, rows, ours, gap, options))

    def table(self, found: Sequence[Claim]) -> str:
        """Return a table a preset: a line a model, a column an attack, with how much more the one of ours keeps."""
        claims = {(c["details"]["preset"], c["details"]["model"], c["details"]["attack"]): c for c in self.mine(found)}
        if not claims:
            return ""
        marks = Footnotes()
        parts = [self._write_preset(preset, {key[1:]: claim for key, claim in claims.items() if key[0] == preset},
                                    marks) for preset in NAMES]
        every = list(claims.values())
        notes = [self.described,
                 f"{ERRORS} Below a figure stands by how many points the model in bold above keeps more, paired on the "
                 "same sentences; ≥ 2 errors counts the attacks under which that is two of its errors or more. "
                 f"{AGAIN}",
                 *write_faults(every), write_commands(every), *marks.lines()]
        return "\n".join(part for part in parts if part) + "".join(f"\n{note}\n" for note in notes)

    def _make(self, cell: Cell, rows: Sequence[Mapping[str, Any]], ours: str, gap: Mapping[str, Any] | None,
              options: Options) -> Claim:
        return self.make_claim(
            options, ("--model", cell.model, "--attack", cell.attack), metric="accuracy_under_attack",
            statement=f"accuracy_under_attack of {cell.model} on {DATASET}/test with {cell.attack}, {cell.preset}",
            models=[row["model"] for row in rows], also=[] if gap is None else [ours], run=rows[0]["run"],
            thresholds=rows[0]["parameters"],
            details={"model": cell.model, "attack": cell.attack, "preset": cell.preset,
                     "max_queries": cell.max_queries, "ours": ours, "ours_above": gap, "rows": list(rows)})

    def _write_preset(self, preset: str, claims: Mapping[tuple[str, str], Claim], marks: Footnotes) -> str:
        attacks = [attack for attack in ATTACKED if any(attack == asked for _, asked in claims)]
        lines = []
        for model in (name for ours, (rivals, _) in COMPARED[preset].items() for name in (ours, *rivals)):
            mine = [claims[model, attack] for attack in attacks if (model, attack) in claims]
            if not mine:
                continue
            row = mine[0]["details"]["rows"][0]
            above = [claim for claim in mine if is_apart(claim)]
            name = f"**`{model}`**" if model in COMPARED[preset] else f"`{model}`"
            lines.append([
                name, format_percent(row["accuracy"], row["accuracy_se"]),
                *(_write_cell(claims.get((model, attack)), marks) for attack in attacks),
                "" if model in COMPARED[preset] else f"{len(above)} of {len(mine)}", _count_texts(mine),
                describe_again([self.file(claim) for claim in mine], mine)])
        head = [f"`{preset}`", "Clean %", *(f"{TITLES[attack]} %" for attack in attacks), "≥ 2 errors", "n", "Again"]
        return format_table(head, lines) if lines else ""


def find_ours(model: str, preset: str) -> str:
    """Return the model of ours that a model is compared with under a preset: itself, if it is one."""
    return next(ours for ours, (rivals, _) in COMPARED[preset].items() if model in (ours, *rivals))


def is_apart(claim: Claim) -> bool:
    """Return whether ours keeps more than a claim's model, by two paired standard errors."""
    gap = claim["details"]["ours_above"]
    return gap is not None and gap["value"] >= ERRORS_APART * gap["value_se"] and gap["value"] > 0


def _list_models() -> list[str]:
    """Return all models, each of ours before those that it is compared with."""
    return list(dict.fromkeys(model for compared in COMPARED.values() for ours, (rivals, _) in compared.items()
                              for model in (ours, *rivals)))


def _count_texts(claims: Sequence[Claim]) -> str:
    """Return how many texts a model's figures rest on: one number, or from the fewest to the most."""
    counts = [claim["n"] for claim in claims]
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,} to {max(counts):,}"


def _write_cell(claim: Claim | None, marks: Footnotes) -> str:
    if claim is None:
        return "–"
    figure = format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim)
    exhausted, gap = claim["details"]["rows"][0]["exhausted"], claim["details"]["ours_above"]
    over = f"<br>{exhausted} out of budget" if exhausted else ""
    return figure + ("" if gap is None else f"<br>{format_points(gap['value'], gap['value_se'])}") + over
