"""What experiments about explanations share: both versions of a text explained, models compared on the same texts."""

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.claims.derivation import Figure, pool_figures
from robust_core.claims.footnotes import Footnotes, write_mark
from robust_core.claims.markdown import format_decimal, format_settings, format_table
from robust_core.errors import RobustError
from robust_core.evaluation import explanation_consistency
from robust_core.evaluation.evaluate import evaluate
from robust_core.events import Event
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.availability import find_available
from robust_core.experiments.base import Claim, Experiment, Options, Subject, choose_known, make_missing, pick_subjects
from robust_core.experiments.comparison import TITLES, compare_seeds
from robust_core.experiments.faults import write_faults
from robust_core.experiments.presence import list_seeds, read_seed
from robust_core.explainers import EXPLAINERS
from robust_core.models import loading
from robust_core.registry import to_record
from robust_core.store import ResultStore

METRICS = ("kendall_tau", "top_5")
# From a model's id and an attack to the paper's (tau, intersection), if it has them.
PaperFigures = Callable[[str, str], tuple[float, float] | None]


class Consistency(Experiment):
    """An experiment about explanations: what it claims is the figure over all texts, unchanged ones among them."""

    def derive(self, metric: str, details: Mapping[str, Any]) -> Figure:
        """Return the figure over all texts, with the texts compared as n."""
        return format_figure(details["rows"], "all", metric)


@dataclasses.dataclass(frozen=True)
class Question:
    """What to explain.

    Args:
        explain: Name of the explainer.
        attacks: Names of the attacks.
        texts: Texts of a test set to attack and explain, by data set and architecture; None for all.
        headline: The figure that a claim states: "kendall_tau" or "top_5".
    """

    explain: str
    attacks: tuple[str, ...]
    texts: Mapping[tuple[str, str], int | None]
    headline: str = "kendall_tau"


def measure_consistency(
    experiment: Experiment,
    question: Question,
    options: Options,
    store: ResultStore,
    stop: threading.Event,
) -> Iterator[Event]:
    """Attack the models that are here, compare the explanations of both versions of each text, and state claims.

    Each model has adversarial texts of its own, as in the paper. Models are compared on the originals that both have,
    three ways (`explanation_consistency.read_by_uid`).

    Args:
        experiment: Whose subjects to measure.
        question: What to explain.
        options: What a person changed.
        store: Where results and comparisons go and come from.
        stop: Set to end early.

    Yields:
        What `Experiment.run` yields.

    """
    attacks = choose_known(question.attacks, options.attacks, "attack")
    subjects = [s for s in pick_subjects(experiment.subjects(), options) if set(s.attacks) & set(attacks)]
    found = yield from find_available(experiment, subjects, options, stop)
    for here in found.values():
        for attack in attacks:
            same = [s for s in here if attack in s.attacks]
            for n in dict.fromkeys(_count_examples(question, s, options) for s in same):
                if not stop.is_set():
                    yield from _measure_group(
                        experiment, question, [s for s in same if _count_examples(question, s, options) == n], attack,
                        n, options, store, stop)


def _count_examples(question: Question, subject: Subject, options: Options) -> int | None:
    planned = question.texts[str(subject.training["dataset"]), str(subject.training["architecture"])]
    return planned if options.n is None else options.n if planned is None else min(planned, options.n)


def _measure_group(experiment: Experiment, question: Question, subjects: Sequence[Subject], attack: str, n: int | None,
                   options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
    """Measure models that read the same texts, in step, and state a claim of each."""
    dataset, explainer = str(subjects[0].training["dataset"]), EXPLAINERS[question.explain]()
    ids = {subject.id: list_seeds(subject.id, options.seeds) for subject in subjects}
    models = [loading.load(name, options.device) for names in ids.values() for name in names]
    rows: dict[str, list[dict[str, Any]]] = {model.id: [] for model in models}
    try:
        for event in evaluate(models, dataset, "test", [ATTACKS[attack](max_queries=0)], n=n, data_dir=options.data_dir,
                              store=store, stop=stop, precision=options.precision, explain=[explainer]):
            if event.kind == "row" and "pairs" in event.data:
                rows[event.victim].append(dict(event.data))
            elif event.kind == "progress":
                yield event
    except RobustError as error:
        yield make_missing(f"{attack} on {dataset} is left out. {error}")
        return
    if stop.is_set():
        return
    uids = {e.uid for e in datasets.choose(datasets.load(dataset, "test", options.data_dir), n, 0)}
    figures = {
        name: {
            read_seed(model): explanation_consistency.read_by_uid(
                store, rows[model][0]["run"], to_record(explainer), uids
            )
            for model in seeds
            if rows[model]
        }
        for name, seeds in ids.items()
    }
    for subject in subjects:
        mine = [row for model in ids[subject.id] for row in rows[model]]
        if mine:
            base = figures.get(subject.base, {}) if subject.base != subject.id else {}
            yield Event("claim", "", subject.id, _make_claim(
                experiment, question, subject, attack, mine, compare_to_base(figures[subject.id], base), options))


def compare_to_base(
    mine: Mapping[int, Mapping[str, Any]], base: Mapping[int, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Compare a model with its base, seed by seed, on the texts that both have.

    Args:
        mine: What `explanation_consistency.read_by_uid` returns, by seed.
        base: The same of the base model.

    Returns:
        {group: {metric: what `compare_seeds` returns}}; None where no seed has both.
    """
    found = {group: {metric: compare_seeds({seed: values[group][metric] for seed, values in mine.items()},
                                           {seed: values[group][metric] for seed, values in base.items()})
                     for metric in METRICS} for group in explanation_consistency.GROUPS}
    return None if found["all"]["kendall_tau"] is None else found


def _make_claim(
    experiment: Experiment,
    question: Question,
    subject: Subject,
    attack: str,
    rows: Sequence[dict[str, Any]],
    gaps: dict[str, Any] | None,
    options: Options,
) -> Claim:
    what = "Kendall's tau" if question.headline == "kendall_tau" else "Top-5 intersection"
    return experiment.make_claim(
        options, ("--model", subject.id, "--attack", attack), metric=question.headline,
        statement=f"{what} of {question.explain} on originals and texts of {attack}, {subject.id}, "
                  f"{rows[0]['dataset']}/test",
        models=[row["model"] for row in rows if row["pairs"] == "all"],
        also=[] if gaps is None else list_seeds(subject.base, options.seeds),
        run=rows[0]["run"], thresholds=rows[0]["parameters"],
        details={"model": subject.id, "attack": attack, "explain": question.explain, "difference": gaps,
                 "rows": list(rows)})


def format_figure(rows: Sequence[Mapping[str, Any]], pairs: str, metric: str, random: bool = False) -> Figure:
    """Return a figure of a claim's rows, its standard error and the texts compared, pooled over seeds.

    Args:
        rows: The rows of a claim.
        pairs: "all" or "changed".
        metric: "kendall_tau", or "top_K" for the intersection of the K first words.
        random: Whether to return what a random order of the words would give; of Kendall's tau that is 0.
    """
    chosen = [row for row in rows if row["pairs"] == pairs]
    if metric == "kendall_tau":
        return pool_figures([Figure(row[metric], row[f"{metric}_se"], row["compared"]) for row in chosen])
    name, k = "top_k_random" if random else "top_k", metric.rpartition("_")[2]
    return pool_figures([Figure(row[name][k], row[f"{name}_se"][k], row["compared"]) for row in chosen])


def write_consistency_table(experiment: Experiment, found: Sequence[Claim], stands: Mapping[str, str],
                            paper: PaperFigures) -> str:
    """Return a line a model and attack: tau and top-5 intersection beside the paper's, and differences to base.

    Args:
        experiment: Whose claims to show.
        found: Claims.
        stands: What the paper used where an architecture of ours stands, by architecture.
        paper: The paper's figures of a model under an attack.
    """
    cells = {(c["details"]["attack"], c["details"]["model"]): c for c in experiment.mine(found)}
    if not cells:
        return ""
    head = ["Model", "Attack", "KT", "*FLAT paper*", "TI@5 (by chance)", "*FLAT paper*", "KT to base", "KT, changed",
            "TI@5, changed (by chance)", "KT to base, both fooled", "n: all / changed / both fooled", "Seeds", "Again"]
    lines, marks = [], Footnotes()
    for subject in experiment.subjects():
        for attack in subject.attacks:
            claim = cells.get((attack, subject.id))
            if claim is not None:
                lines.append([*_write_line(claim, stands.get(subject.id.split("/")[1], ""), paper(subject.id, attack),
                                           write_mark(marks, claim)),
                              describe_again([experiment.file(claim)], [claim])])
    notes = [*_write_notes(experiment, list(cells.values())), *marks.lines()]
    return format_table(head, lines) + "".join(f"\n{text}\n" for text in notes)


def _write_line(claim: Claim, stands: str, paper: tuple[float, float] | None, mark: str) -> list[str]:
    rows, details = claim["details"]["rows"], claim["details"]
    theirs = [f"*{value:.2f}* {stands}".rstrip() for value in paper or ()] or ["–", "–"]
    changed = next(row for row in rows if row["pairs"] == "changed")
    fooled = (details["difference"] or {}).get("fooled", {}).get("kendall_tau")
    gaps = [
        _format_signed((details["difference"] or {}).get(group, {}).get("kendall_tau")) for group in ("all", "fooled")
    ]
    return [
        f"`{details['model']}`",
        TITLES[details["attack"]],
        format_decimal(*format_figure(rows, "all", "kendall_tau")[:2]) + mark,
        theirs[0],
        _format_with_chance(rows, "all"),
        theirs[1],
        gaps[0],
        format_decimal(*format_figure(rows, "changed", "kendall_tau")[:2]),
        _format_with_chance(rows, "changed"),
        gaps[1],
        " / ".join(
            f"{count:,}" if count is not None else "–"
            for count in (claim["n"], changed["compared"], None if fooled is None else fooled["n"])
        ),
        ", ".join(map(str, claim["seeds"])),
    ]


def _format_with_chance(rows: Sequence[Mapping[str, Any]], pairs: str) -> str:
    by_chance = format_decimal(format_figure(rows, pairs, "top_5", random=True).value)
    return f"{format_decimal(*format_figure(rows, pairs, 'top_5')[:2])} ({by_chance})"


def _format_signed(gap: Mapping[str, Any] | None) -> str:
    if gap is None or gap["value"] is None:
        return "–"
    error = "" if gap["value_se"] is None else f" ± {gap['value_se']:.3f}"
    return f"{gap['value']:+.3f}{error}"


def _write_notes(experiment: Experiment, cells: Sequence[Claim]) -> Iterator[str]:
    rows = [row for claim in cells for row in claim["details"]["rows"]]
    settings = [", ".join(sorted({row[key] for row in rows})) for key in ("precision", "device")]
    yield experiment.described
    yield ("KT is Kendall's τ-b of the attributions of a text's two versions, TI@5 the share of the five first words "
           "that both have, each towards every class, averaged over classes, then over texts, ± standard error. Over "
           "all texts, as in the paper, one that the attack left unchanged counts as 1; *changed* leaves these out. In "
           f"brackets: what a random order of the words gives; for KT that is 0. Precision {settings[0]}, device "
           f"{settings[1]}. {AGAIN}")
    yield ("An attack writes other texts for each model, so models are compared on the same originals with a perturbed "
           "text each: paired differences, positive is better. Over all texts a model that resists the attack, or errs "
           "from the start, gains without steadier explanations; *both fooled* takes only the originals on which the "
           "attack succeeded against both, so that neither gains by resisting; it may still have had to change more "
           "words of one of them, and KT falls with every word.")
    yield "The paper's figures, in italics, rest on other word vectors, encoders and training sets."
    for attack in dict.fromkeys(c["details"]["attack"] for c in cells):
        values = next(c["thresholds"] for c in cells if c["details"]["attack"] == attack)
        yield f"{TITLES[attack]}: {format_settings(values)}."
    yield from write_faults(cells)
    yield write_commands(cells)
