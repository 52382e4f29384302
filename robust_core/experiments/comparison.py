"""What experiments about defences share: trainings they need, accuracy clean and attacked, differences to base."""

import math
import statistics
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import metrics, trainings
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_percent, format_points, format_settings, format_table
from robust_core.events import Event
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.availability import find_available
from robust_core.experiments.base import ERRORS, Claim, Experiment, Options, Subject, choose_known, pick_subjects
from robust_core.experiments.cells import Cell, Further, measure_cells
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import list_seeds, read_seed
from robust_core.models.cards import cards
from robust_core.store import ResultStore

CLEAN = "clean"
TITLES = {CLEAN: "none", "textfooler": "TextFooler", "pwws": "PWWS"}
# Attacks on the whole test set, but on so many texts of AG News, and of SST-2 for a transformer.
TEXTS = {"ag_news": {"cnn": 1_000, "lstm": 1_000, "minilm": 500}, "sst2": {"minilm": 600}}


def compare_models(experiment: Experiment, subjects: Sequence[Subject], options: Options, store: ResultStore,
                   stop: threading.Event, also: Further | None = None
             ) -> Iterator[Event]:
    """Measure models on the test sets, clean and attacked, with the difference to their base on the same sentences.

    Args:
        experiment: Whose claims they are.
        subjects: The models; a base model stands before those that are compared with it.
        options: What a person changed.
        store: Where results go and come from.
        stop: Set to end early.
        also: Further figures of a model on the clean texts, added to its row.

    Yields:
        What `Experiment.run` yields.

    Raises:
        MissingResource: None of the data sets is here, or none of the models.
    """
    attacks = choose_known([CLEAN, *dict.fromkeys(a for s in subjects for a in s.attacks)], options.attacks, "attack")
    found = yield from find_available(experiment, pick_subjects(subjects, options), options, stop)
    for dataset, here in found.items():
        cells = [Cell(subject.id, "" if attack == CLEAN else attack, _count_texts(subject.id, attack), 0)
                 for attack in attacks for subject in here if attack in (CLEAN, *subject.attacks)]
        yield from _make_claims(
            experiment, {subject.id: subject for subject in here}, cells, dataset, options, store, stop, also
        )


def _count_texts(model: str, attack: str) -> int | None:
    dataset, architecture, _ = model.split("/")
    return None if attack == CLEAN else TEXTS.get(dataset, {}).get(architecture)


def _make_claims(experiment: Experiment, subjects: Mapping[str, Subject], cells: Sequence[Cell], dataset: str,
                 options: Options, store: ResultStore, stop: threading.Event, also: Further | None) -> Iterator[Event]:
    right: dict[tuple[str, str], dict[int, Mapping[str, bool]]] = {}
    for event in measure_cells(cells, dataset, "test", options, store, stop, also):
        if event.kind != "cell":
            yield event
            continue
        cell, rows = event.data["cell"], event.data["rows"]
        mine = right[cell.model, cell.attack] = {read_seed(row["model"]): judged for row, judged
                                                 in zip(rows, event.data["right"], strict=True)}
        subject = subjects[cell.model]
        theirs = right.get((subject.base, cell.attack), {}) if subject.base != cell.model else {}
        claim = _make_claim(experiment, subject, cell, rows, compare_seeds(mine, theirs), options)
        yield Event("claim", "", cell.model, claim)


def compare_seeds(mine: Mapping[int, Mapping[str, float]], theirs: Mapping[int, Mapping[str, float]]
               ) -> dict[str, Any] | None:
    """Compare two models, seed by seed, on the same sentences.

    Args:
        mine: A figure of each sentence, such as whether a model was right about it, by seed and uid.
        theirs: The same of the other model.

    Returns:
        value (mean over seeds and sentences), value_se (its standard error, which counts sentences, paired, and
        seeds), texts_se (sentences alone), seeds_se (seeds alone; None with one), n and seeds; None where no seed has
        both.
    """
    seeds = [seed for seed in mine if seed in theirs]
    if not seeds:
        return None

    def mean(side: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
        every = set.intersection(*(set(side[seed]) for seed in seeds))
        return {uid: statistics.fmean(side[seed][uid] for seed in seeds) for uid in side[seeds[0]] if uid in every}

    value, texts, n = metrics.estimate_paired_difference(mean(mine), mean(theirs))
    each = [metrics.estimate_paired_difference(mine[seed], theirs[seed])[0] for seed in seeds]
    between = metrics.estimate_mean(each)[1] if len(seeds) > 1 else None
    return {"value": value, "value_se": math.hypot(texts, between or 0.0), "texts_se": texts, "seeds_se": between,
            "n": n, "seeds": seeds}


def _make_claim(experiment: Experiment, subject: Subject, cell: Cell, rows: Sequence[Mapping[str, Any]],
                gap: dict[str, Any] | None, options: Options) -> Claim:
    attack, metric = cell.attack or CLEAN, "accuracy_under_attack" if cell.attack else "accuracy"
    return experiment.make_claim(
        options, ("--model", cell.model, "--attack", attack), metric=metric, models=[row["model"] for row in rows],
        statement=f"{metric} of {cell.model} on {rows[0]['dataset']}/test" + f" with {attack}" * bool(cell.attack),
        run=rows[0]["run"], thresholds=rows[0]["parameters"],
        also=[] if gap is None else list_seeds(subject.base, options.seeds),
        details={"model": cell.model, "attack": attack, "difference": gap, "rows": list(rows)}
        | _describe_training(subject))


def _describe_training(subject: Subject) -> dict[str, Any]:
    """Return what a model of seed 0 learnt from, and where its training differs from the one planned."""
    card = next((card for card in cards() if card.id == subject.id), None)
    if card is None:
        return {"trained_on": {}, "differs": {}}
    differs = trainings.compare_settings(trainings.parse_spec(subject.training), card.defence, card.recipe)
    return {"trained_on": dict(card.data.get("train", {})),
            "differs": {name: list(pair) for name, pair in differs.items()}}


def write_comparison_table(experiment: Experiment, found: Sequence[Claim], paper: str, stands: Mapping[str, str],
                           more: Mapping[str, str] | None = None) -> str:
    """Return a line a model and attack: ours, the paper's and the difference to base.

    Args:
        experiment: Whose claims to show.
        found: Claims.
        paper: What the paper's columns are called.
        stands: What the paper used where an architecture of ours stands, by architecture.
        more: Further columns: name in a clean row, and title.
    """
    cells = {(c["details"]["model"], c["details"]["attack"]): c for c in experiment.mine(found)}
    if not cells:
        return ""
    head = ["Model", "Clean %", f"{paper} %", "To base", *(more or {}).values(), "Attack", "Under attack %",
            f"{paper} %", "To base", "n", "Seeds", "Again"]
    lines, marks = [], Footnotes()
    for subject in experiment.subjects():
        clean = cells.get((subject.id, CLEAN))
        attacked = [c for (name, attack), c in cells.items() if name == subject.id and attack != CLEAN]
        for claim in attacked or ([None] if clean else []):
            both = [c for c in (clean, claim) if c]
            lines.append([f"`{subject.id}`", *_write_columns(clean, subject, stands, marks),
                          *_write_further(clean, more),
                          "–" if claim is None else TITLES.get(claim["details"]["attack"], "?"),
                          *_write_columns(claim, subject, stands, marks), " / ".join(f"{c['n']:,}" for c in both),
                          ", ".join(map(str, both[0]["seeds"])), describe_again(map(experiment.file, both), both)])
    notes = [*_write_notes(experiment, list(cells.values())), *marks.lines()]
    return format_table(head, lines) + "".join(f"\n{text}\n" for text in notes)


def _write_columns(claim: Claim | None, subject: Subject, stands: Mapping[str, str], marks: Footnotes) -> list[str]:
    if claim is None:
        return ["–"] * 3
    theirs, gap = subject.paper.get(claim["details"]["attack"]), claim["details"]["difference"]
    other = stands.get(subject.id.split("/")[1], "")
    return [
        format_percent(claim["value"], claim["value_se"]) + write_mark(marks, claim),
        "–" if theirs is None else f"*{theirs:.2f}* {other}".rstrip(),
        "–" if gap is None or gap["value"] is None else format_points(gap["value"], gap["value_se"]),
    ]


def _write_further(clean: Claim | None, more: Mapping[str, str] | None) -> list[str]:
    rows = [] if clean is None else clean["details"]["rows"]
    return [f"{statistics.fmean(row[name] for row in rows):.3f}" if rows and name in rows[0] else "–"
            for name in more or {}]


def _write_notes(experiment: Experiment, cells: Sequence[Claim]) -> Iterator[str]:
    rows = [row for claim in cells for row in claim["details"]["rows"]]
    settings = [", ".join(sorted({row[key] for row in rows})) for key in ("precision", "device")]
    yield experiment.described
    yield (f"{ERRORS} n is clean / attacked. To base: points above the base model, paired over the same sentences, "
           f"positive is better. Precision {settings[0]}, device {settings[1]}. {AGAIN}")
    yield ("The figures in italics are the paper's, which rests on other word vectors, encoders and training sets.")
    drawn = {c["details"]["model"]: c["details"]["trained_on"] for c in cells if "drawn_from" in
             c["details"]["trained_on"]}
    yield from sorted({f"{name.split('/')[0]}: trained on a fixed draw of {data['n']:,} of "
                       f"{data['drawn_from']:,} texts." for name, data in drawn.items()})
    for model, differs in {c["details"]["model"]: c["details"]["differs"] for c in cells}.items():
        if differs:
            yield f"`{model}` was trained with " + ", ".join(
                f"{name} {theirs} (planned: {ours})" for name, (theirs, ours) in differs.items()) + (
                    "; it is no fair rival of models that were trained as planned.")
    for attack in dict.fromkeys(c["details"]["attack"] for c in cells if c["thresholds"]):
        values = next(c["thresholds"] for c in cells if c["details"]["attack"] == attack)
        yield f"{TITLES.get(attack, attack)}: {format_settings(values)}."
    yield from write_faults(cells)
    yield write_commands(cells)
