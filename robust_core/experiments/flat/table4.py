"""FLAT, Table 4: accuracy under seven attacks on SST-2, six of which no defence has seen."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_settings, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, choose_known, name_untrained
from robust_core.experiments.cells import Cell, measure_cells
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import split_by_presence
from robust_core.models.cards import cards
from robust_core.store import ResultStore

ATTACKED = ("textfooler", "pwws", "gene", "iga", "pso", "clare", "bae")
TITLES = {"textfooler": "TextFooler", "pwws": "PWWS", "gene": "Gene", "iga": "IGA", "pso": "PSO", "clare": "CLARE",
          "bae": "BAE"}
# These ask thousands of times: fewer sentences, and a limit on queries.
COSTLY = ("gene", "iga", "pso", "clare")
LIMIT = 5_000
SENTENCES, SENTENCES_OF_AN_ENCODER = 300, 100
WORD_MODELS = ("cnn", "lstm")

# The paper's figures, percent, after TITLES: TextFooler is from its Table 3, the others from Table 4. Its adversarial
# and FLAT models were trained with TextFooler.
PAPER: Mapping[tuple[str, str], tuple[float, ...]] = {
    ("LSTM", "base"): (5.05, 11.64, 20.26, 9.83, 5.88, 3.02, 36.52),
    ("LSTM", "adversarial"): (12.36, 15.38, 25.65, 17.02, 5.60, 3.90, 36.35),
    ("LSTM", "flat"): (17.76, 20.48, 33.44, 24.22, 6.53, 5.55, 39.87),
    ("CNN", "base"): (1.98, 8.29, 20.32, 7.85, 5.60, 1.48, 37.12),
    ("CNN", "adversarial"): (2.53, 8.68, 16.42, 6.26, 5.60, 1.04, 35.48),
    ("CNN", "flat"): (37.07, 42.56, 55.02, 46.35, 10.38, 17.57, 48.38),
    ("BERT", "base"): (4.72, 11.70, 32.24, 9.72, 6.26, 0.86, 35.31),
    ("BERT", "adversarial"): (5.60, 13.01, 34.49, 10.87, 6.64, 1.04, 36.74),
    ("BERT", "flat"): (12.41, 15.93, 35.31, 15.93, 9.50, 5.29, 37.56),
    ("DeBERTa", "base"): (5.22, 14.17, 37.12, 12.19, 6.75, 0.55, 38.61),
    ("DeBERTa", "adversarial"): (7.96, 17.52, 37.18, 12.85, 7.96, 1.07, 40.14),
    ("DeBERTa", "flat"): (11.59, 21.80, 48.16, 28.17, 13.01, 1.37, 44.54),
}
FRAGMENTS = (
    "BAE and CLARE are not like for like: the paper's repository carries a copy of TextAttack whose masked-model "
    "attacks keep a candidate only if it is a word piece (\"##…\"), a fault that TextAttack mended in February "
    "2021 (its pull request 417). Its figures for both are therefore, most likely, of attacks with fragments "
    "of words, which flip fewer texts; ours put whole words in."
)
THEIRS = {"cnn": "CNN", "lstm": "LSTM", "minilm": "BERT"}


@EXPERIMENTS.register("flat/table4", title="FLAT, Table 4", source="https://arxiv.org/abs/2203.12709")
class FlatTable4(Experiment):
    """Accuracy under seven attacks on SST-2's test set: does a defence help against attacks it was not made for?

    Differs: the defended models attacked half of the training texts in two rounds, the paper's all in three to five;
    attacks that ask thousands of times run on fewer sentences with a limit on queries, which the table states;
    MiniLM stands in for BERT; word vectors, encoder and masked language model are the packaged ones.
    """

    def cells(self, options: Options) -> list[Cell]:
        """Return what to measure: every attack on each model of SST-2 that is here."""
        known = [card.id for card in cards() if card.dataset == "sst2" and card.seed == 0]
        models = choose_known(known, options.models, "model")
        return [
            Cell(model, attack, count_sentences(model) if attack in COSTLY else None, LIMIT if attack in COSTLY else 0)
            for attack in choose_known(ATTACKED, options.attacks, "attack")
            for model in models
        ]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack the models, each with the same sentences."""
        cells = self.cells(options)
        datasets.find("sst2", "test", options.data_dir)
        absent = {cell.model: split_by_presence(cell.model, options.seeds)[1] for cell in cells}
        if names := [name for model in absent for name in absent[model]]:
            yield name_untrained(names, "python -m robust_core train")
        whole = [cell for cell in cells if not absent[cell.model]]
        for event in measure_cells(whole, "sst2", "test", options, store, stop):
            if event.kind == "cell":
                yield Event("claim", "", event.victim, self._claim(event.data["cell"], event.data["rows"], options))
            else:
                yield event

    def _claim(self, cell: Cell, rows: Sequence[Mapping[str, Any]], options: Options) -> Claim:
        return self.make_claim(
            options, ("--model", cell.model, "--attack", cell.attack), metric="accuracy_under_attack",
            statement=f"accuracy_under_attack of {cell.model} on sst2/test with {cell.attack}",
            models=[row["model"] for row in rows], run=rows[0]["run"], thresholds=rows[0]["parameters"],
            details={"model": cell.model, "attack": cell.attack, "max_queries": cell.max_queries, "rows": list(rows)})

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a model and, below it, the paper's; each cell with n, standard error and seconds."""
        cells = {(c["details"]["model"], c["details"]["attack"]): c for c in self.mine(found)}
        models = sorted({model for model, _ in cells}, key=_order_models)
        if not models:
            return ""
        limits = {a: c["details"]["max_queries"] for (_, a), c in cells.items()}
        titles = (TITLES[a] + (f" (≤ {limits[a]:,} queries)" if limits.get(a) else "") for a in ATTACKED)
        head = ["Model", *titles, "Again"]
        lines = []
        marks = Footnotes()
        for model in models:
            mine = [claim for (name, _), claim in cells.items() if name == model]
            lines.append([f"`{model}`", *(_write_cell(cells.get((model, attack)), marks) for attack in ATTACKED),
                          describe_again(map(self.file, mine), mine)])
            theirs = [_find_paper(model, attack) for attack in ATTACKED]
            if None not in theirs:
                name = "-".join(_sort_key(model))
                lines.append([f"*FLAT paper, {name}*", *(f"*{figure:.2f}*" for figure in theirs), ""])
        notes = [self.described, *_write_notes(list(cells.values())), *marks.lines()]
        return format_table(head, lines) + "".join(f"\n{note}\n" for note in notes)


def count_sentences(model: str) -> int:
    """Return how many sentences costly attacks get on a model."""
    return SENTENCES if model.split("/")[1] in WORD_MODELS else SENTENCES_OF_AN_ENCODER


def _sort_key(model: str) -> tuple[str, str]:
    """Return the paper's names of a model's architecture and defence."""
    _, architecture, defence = model.split("/")[:3]
    return THEIRS.get(architecture, architecture), defence.partition("-")[0]


def _find_paper(model: str, attack: str) -> float | None:
    # The paper's defences here were trained with TextFooler's texts; those trained with another attack have no figure.
    defence = model.split("/")[2].partition("@")[0]
    figures = PAPER.get(_sort_key(model)) if defence in ("base", "adversarial-textfooler", "flat-textfooler") else None
    return None if figures is None else figures[ATTACKED.index(attack)]


def _order_models(model: str) -> tuple[int, int, str]:
    _, architecture, defence = model.split("/")[:3]
    place = list(THEIRS).index(architecture) if architecture in THEIRS else len(THEIRS)
    return place, 0 if defence == "base" else 1, model


def _write_cell(claim: Claim | None, marks: Footnotes) -> str:
    if claim is None:
        return "–"
    rows = claim["details"]["rows"]
    seconds = sum(row["seconds"] or 0.0 for row in rows) / len(rows)
    exhausted = sum(row["exhausted"] for row in rows)
    seeds = f", {len(rows)} seeds" if len(rows) > 1 else ""
    over = f", {exhausted} out of budget" if exhausted else ""
    figure = format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim)
    return f"{figure}<br>n {claim['n']:,}{seeds}, {seconds:.1f} s{over}"


def _write_notes(cells: Sequence[Claim]) -> Iterator[str]:
    precisions = {row["precision"] for claim in cells for row in claim["details"]["rows"]}
    devices = {row["device"] for claim in cells for row in claim["details"]["rows"]}
    yield (f"Accuracy under attack on SST-2's test set. {ERRORS} Precision {', '.join(sorted(precisions))}, device "
           f"{', '.join(sorted(devices))}. An attack that ran out of budget counts as failed, so that such a figure is "
           f"an upper bound; s is the mean time of an attack with up to 32 at a time. {AGAIN}")
    yield ("The paper's figures rest on other word vectors, encoders and masked language models and on BERT where "
           "MiniLM stands here; its TextFooler column is from its Table 3.")
    yield FRAGMENTS
    for attack in ATTACKED:
        claim = next((c for c in cells if c["details"]["attack"] == attack), None)
        if claim is not None:
            yield f"{TITLES[attack]}: {format_settings(claim['thresholds'])}."
    yield from write_faults(cells)
    yield write_commands(cells)
