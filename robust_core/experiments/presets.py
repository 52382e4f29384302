"""Both presets side by side: what is left of accuracy where swaps keep the meaning, and where they need not."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from robust_core import datasets
from robust_core.attacks.presets import CAREFUL, PAPER
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_settings, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known, name_untrained
from robust_core.experiments.cells import Cell, measure_cells
from robust_core.experiments.comparison import TEXTS, TITLES
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import split_by_presence
from robust_core.models.cards import Card, cards
from robust_core.store import ResultStore

ATTACKED = ("textfooler", "pwws")
ARCHITECTURES = ("cnn", "lstm", "cnn-retrofitted", "lstm-retrofitted", "minilm", "additive")
# Architectures that no table of a paper holds, and the defences whose other models stand in one.
_OWN = ("cnn-retrofitted", "lstm-retrofitted", "additive")
_PAPERS = ("base", "adversarial", "flat", "freelb", "carl", "rar")
# Experiments whose claims hold the same attacks with their papers' values.
_PAPER = ("flat/table2", "flat/table4")
TOPICS = 300


@EXPERIMENTS.register("presets/sst2", title="Presets of attacks", source="https://arxiv.org/abs/1907.11932")
class Presets(Experiment):
    """Accuracy of the SST-2 models under attacks with the presets `careful` and `paper`, on the same test sentences.

    `careful` takes swaps from the stored set of close ones alone and compares every text as a whole; `paper` has the
    values of the attack's paper. Figures of `paper` are those of FLAT's tables, where those hold the model.
    """

    dataset: ClassVar[str] = "sst2"

    def cells(self, options: Options) -> list[Cell]:
        """Return what to measure: each attack under `careful` on each model of the data set that is here.

        Under `paper` as well on those that no other table has.
        """
        known = {card.id: card for card in cards() if card.dataset == self.dataset and card.seed == 0
                 and card.architecture in ARCHITECTURES}
        return [Cell(model, attack, self.count_texts(model), 0, preset)
                for attack in choose_known(ATTACKED, options.attacks, "attack")
                for model in choose_known(list(known), options.models, "model")
                for preset in ((CAREFUL,) if self.stands_elsewhere(known[model]) else (CAREFUL, PAPER))]

    def count_texts(self, model: str) -> int | None:
        """Return how many test texts a model is attacked on; None for all."""
        return TEXTS[self.dataset].get(model.split("/")[1])

    def stands_elsewhere(self, card: Card) -> bool:
        """Return whether another table has a model's figures under `paper`."""
        return card.architecture not in _OWN and card.defence_name in _PAPERS

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack the models, each with the same sentences."""
        cells = self.cells(options)
        datasets.find(self.dataset, "test", options.data_dir)
        absent = {cell.model: split_by_presence(cell.model, options.seeds)[1] for cell in cells}
        if names := [name for model in absent for name in absent[model]]:
            yield name_untrained(names, "python -m robust_core train")
        whole = [cell for cell in cells if not absent[cell.model]]
        for event in measure_cells(whole, self.dataset, "test", options, store, stop):
            if event.kind != "cell":
                yield event
                continue
            cell, rows = event.data["cell"], event.data["rows"]
            yield Event("claim", "", event.victim, self.make_claim(
                options, ("--model", cell.model, "--attack", cell.attack), metric="accuracy_under_attack",
                statement=f"accuracy_under_attack of {cell.model} on {self.dataset}/test with {cell.attack}, "
                          f"{cell.preset}",
                models=[row["model"] for row in rows], run=rows[0]["run"], thresholds=rows[0]["parameters"],
                details={"model": cell.model, "attack": cell.attack, "preset": cell.preset, "rows": list(rows)}))

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and attack: accuracy, then what each preset leaves of it, swaps and similarity."""
        mine = {preset: {(c["details"]["model"], c["details"]["attack"]): c for c in self.mine(found)
                         if c["details"]["preset"] == preset} for preset in (CAREFUL, PAPER)}
        careful = mine[CAREFUL]
        paper = {
            (c["details"]["model"], c["details"]["attack"]): c for name in reversed(_PAPER) for c in found
            if c["details"].get("experiment") == name and c["details"].get("attack") in ATTACKED} | mine[PAPER]
        keys = {key for held in mine.values() for key in held}
        if not keys:
            return ""
        marks, lines = Footnotes(), []
        for model, attack in sorted(keys, key=_sort_key):
            shown = careful.get((model, attack)), paper.get((model, attack))
            own = [held[model, attack] for held in mine.values() if (model, attack) in held]
            rows = own[0]["details"]["rows"]
            clean = format_percent(_mean(rows, "accuracy"), _mean(rows, "accuracy_se"))
            lines.append([f"`{model}`", clean, TITLES[attack], *_write_columns(shown[0], marks),
                          *_write_columns(shown[1], marks), " / ".join(f"{c['n']:,}" for c in shown if c),
                          describe_again([self.file(c) for c in own], own)])
        head = ["Model", "Clean %", "Attack", "Left, careful %", "Swaps", "Similarity", "Left, paper %", "Swaps",
                "Similarity", "n", "Again"]
        measured = [c for held in mine.values() for c in held.values()]
        settings = {c["details"]["attack"]: c["thresholds"] for c in careful.values()}
        notes = [self.described, f"{ERRORS} Swaps and similarity are means over flips. n is careful / paper. {AGAIN}",
                 *(f"{TITLES[attack]}, careful: {format_settings(values)}." for attack, values in settings.items()),
                 *write_faults(measured), write_commands(measured), *marks.lines()]
        return format_table(head, lines) + "".join(f"\n{note}\n" for note in notes)


@EXPERIMENTS.register("presets/ag_news", title="Presets of attacks on topics",
                      source="https://arxiv.org/abs/1907.11932")
class TopicPresets(Presets):
    """Accuracy of the AG News models under attacks with the presets `careful` and `paper`, on the same 300 test texts.

    `careful` takes swaps from the stored set of close ones alone and compares every text as a whole; `paper` has the
    values of the attack's paper.
    """

    dataset: ClassVar[str] = "ag_news"

    def count_texts(self, model: str) -> int | None:
        """Return how many test texts a model is attacked on."""
        return TOPICS

    def stands_elsewhere(self, card: Card) -> bool:
        """Return that no other table has these texts."""
        return False


def _sort_key(key: tuple[str, str]) -> tuple[int, bool, str, int]:
    model, attack = key
    _, architecture, defence = model.split("/")[:3]
    return ARCHITECTURES.index(architecture), defence != "base", model, ATTACKED.index(attack)


def _write_columns(claim: Claim | None, marks: Footnotes) -> list[str]:
    if claim is None:
        return ["–"] * 3
    rows = claim["details"]["rows"]
    return [format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim),
            f"{_mean(rows, 'swaps'):.1f}", f"{_mean(rows, 'similarity'):.2f}"]


def _mean(rows: Sequence[Mapping[str, float]], name: str) -> float:
    return sum(row[name] for row in rows) / len(rows)
