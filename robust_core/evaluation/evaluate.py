"""Evaluation on whole data sets: the same examples for every model, every result stored as it comes, then rows."""

import dataclasses
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from robust_core import datasets, metrics
from robust_core.attacks.base import Attack
from robust_core.classifiers import find_device, predict_labels
from robust_core.datasets import choose
from robust_core.errors import BadInput, Incompatible, list_names
from robust_core.evaluation import checks, fluency, meaning_changes, provenance
from robust_core.evaluation.explanation_consistency import compare_explanations
from robust_core.evaluation.transfer import evaluate_transfer
from robust_core.events import EvaluationRow, Event
from robust_core.explainers.base import Explainer
from robust_core.protocols import Classifier
from robust_core.reading import check_reads_pairs
from robust_core.registry import to_record
from robust_core.resources import fingerprints
from robust_core.store import ResultStore
from robust_core.types import AttackResult, Example, Precision

_CHUNK = 64


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all rows of an evaluation share.

    Args:
        dataset: Name of the data set.
        split: train, dev or test.
        examples: The examples chosen.
        sha256: Fingerprint of the whole split.
        seed: Seed of the choice and of the attacks.
        precision: Precision of the attacks.
        rests_on: By id of each model, what all of its rows rest on (`provenance`).
    """

    dataset: str
    split: str
    examples: tuple[Example, ...]
    sha256: str
    seed: int
    precision: Precision
    rests_on: Mapping[str, Mapping[str, str]]


def evaluate(models: Sequence[Classifier], dataset: str | datasets.LabelledTexts, split: str = "test",
             attacks: Sequence[Attack] = (), *, n: int | None = None, seed: int = 0, data_dir: str | Path | None = None,
             store: ResultStore | None = None, max_queries: int | None = None, time_limit: float | None = None,
             explain: Sequence[Explainer] = (), transfer: bool = False, stop: threading.Event | None = None,
             precision: Precision = "exact", reader: fluency.Reader | None = None) -> Iterator[Event]:
    """Measure accuracy, attacks, their transfer and the stability of explanations, on the same examples for all models.

    Args:
        models: Classifiers, with different ids.
        dataset: Name of the data set, or the texts themselves.
        split: train, dev or test; texts have their own.
        attacks: Attacks; none for clean accuracy.
        n: Examples to draw; all by default.
        seed: Seed of the draw and of the attacks.
        data_dir: Folder of data sets.
        store: Where results go as they come, and are taken from when they are there already; None keeps nothing.
        max_queries: Replaces the attacks' own limit on queries.
        time_limit: Replaces the attacks' own limit, in seconds.
        explain: Explainers, whose attributions of original and perturbed texts are compared.
        transfer: Whether every other model judges the texts made against each one.
        stop: Set by another thread to end early; rows are then made of what there is.
        precision: As in `Attack.run`.
        reader: Masked language model that says how fluent the texts are; None leaves that out, since it takes time.

    Yields:
        The events of the attacks; without attacks "judged" with data right, whether the model is right about each
        example, by uid; "progress" with data part (what is being done), done and total, also at the start of
        a part, when results of an earlier run count as done; at the end of each part "row" events with the row as
        data: `metrics.summary` and `meaning_changes.summarise` with model, dataset, split, attack, seed, run, device,
        parameters (record of the attack), errors (examples that failed), warnings (`checks`) and rests_on (fingerprint
        of everything that its figures rest on, by name: `provenance`), with a reader also the columns of
        `fluency.measure_results`.
        A transfer row has the columns of `transfer.evaluate_transfer` instead; run is that of the attacked model.
        An explanation row adds explain, pairs ("all", or "changed" texts only), kendall_tau, top_k and top_k_random
        (means over examples of means over classes), each with its standard error, compared (examples behind them)
        and gap.

    Raises:
        BadInput: n is below 1, two models share an id, explanations or transfer are asked for without an attack,
            transfer with a single model, or every attack failed.
        Incompatible: A model has other labels than the data set, or reads no pairs of texts.
        UnknownName: There is no such data set.
        MissingResource: It, or something that an attack looks into, is not here.
    """
    check_question(models, attacks, explain, transfer, reader)
    if isinstance(dataset, datasets.LabelledTexts):
        about, split, everything = dataset
    else:
        about, everything = datasets.describe(dataset), datasets.load(dataset, split, data_dir)
    for model in models:
        check_labels(model, about)
        if any(example.parts for example in everything):
            check_reads_pairs(model)
    sha256 = datasets.hash_examples(everything)
    data = provenance.describe_engine() | provenance.describe_data(about.name, split, sha256)
    setting = Setting(about.name, split, choose(everything, n, seed), sha256, seed, precision,
                      {model.id: data | provenance.describe_model(model) for model in models})
    stop = stop or threading.Event()
    if not attacks:
        for model in models:
            yield from _evaluate_clean(model, setting, stop)
    limits: dict[str, Any] = {"max_queries": max_queries, "time_limit": time_limit}
    limits = {name: value for name, value in limits.items() if value is not None}
    for attack in attacks:
        attack = dataclasses.replace(attack, **limits)
        outcomes = yield from _evaluate_attacked(models, attack, setting, store, stop)
        for outcome in outcomes:
            yield from _summarise(outcome, attack, setting, explain, reader, store, stop)
        for source in outcomes if transfer else ():
            yield from _add_transfer(source, outcomes, attack, setting, stop)


def check_question(models: Sequence[Classifier], attacks: Sequence[Attack], explain: Sequence[Explainer],
                   transfer: bool, reader: fluency.Reader | None) -> None:
    """Raise BadInput, or Incompatible, where `evaluate` cannot do what it is asked for."""
    for explainer in explain:
        for model in models:
            explainer.check_model(model)
    if explain and not attacks:
        raise BadInput("Explanations of original and perturbed texts are compared: choose an attack too.")
    if transfer and not attacks:
        raise BadInput("Transfer is about the texts that an attack makes: choose an attack too.")
    if reader is not None and not attacks:
        raise BadInput("Fluency is about the texts that an attack makes: choose an attack too.")
    if len({model.id for model in models}) < len(models):
        raise BadInput("A model is named twice.")
    if transfer and len(models) < 2:
        raise BadInput("Transfer is from one model to another: name at least two models.")


class Labelled(Protocol):
    """What has labels: a classifier, or what is known of one that is not loaded."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def labels(self) -> Sequence[str]:
        """Names of its classes."""
        ...


def check_labels(model: Labelled, data: datasets.DataSet) -> None:
    """Raise Incompatible when a model's labels are not those of a data set."""
    if not datasets.same_labels(model.labels, data.labels):
        raise Incompatible(f"{model.id} predicts {list_names(model.labels)}; {data.title} has the labels "
                           f"{list_names(data.labels)}.")


def _evaluate_clean(model: Classifier, setting: Setting, stop: threading.Event) -> Iterator[Event]:
    hits = done = 0
    progress = {"part": f"accuracy of {model.id}", "total": len(setting.examples)}
    yield Event("progress", "", model.id, progress | {"done": 0})
    for start in range(0, len(setting.examples), _CHUNK):
        if stop.is_set():
            break
        chunk = setting.examples[start: start + _CHUNK]
        predicted = predict_labels(model, [example.text for example in chunk])
        right = {example.uid: int(p) == example.label for p, example in zip(predicted, chunk, strict=True)}
        hits, done = hits + sum(right.values()), done + len(chunk)
        yield Event("judged", "", model.id, {"right": right})
        yield Event("progress", chunk[-1].uid, model.id, progress | {"done": done})
    accuracy, error = metrics.estimate_proportion(hits, done)
    yield _make_row(model, setting, None, setting.rests_on[model.id], {
        "n": done, "accuracy": accuracy, "accuracy_se": error, "warnings": []})


@dataclasses.dataclass
class _Outcome:
    """What an attack did to one model.

    Args:
        model: The classifier.
        run: Id of the stored run, empty without a store.
        found: Results by example uid, without the course of each search.
        rests_on: What these results rest on.
        errors: Messages of the searches that broke.
    """

    model: Classifier
    run: str
    found: dict[str, AttackResult]
    rests_on: Mapping[str, str]
    errors: list[str] = dataclasses.field(default_factory=list)

    def results(self, setting: Setting) -> list[AttackResult]:
        """Return the results in the order of the data set."""
        return [self.found[e.uid] for e in setting.examples if e.uid in self.found]


def _evaluate_attacked(models: Sequence[Classifier], attack: Attack, setting: Setting, store: ResultStore | None,
                       stop: threading.Event) -> Generator[Event, None, list[_Outcome]]:
    """Attack what has no stored result yet, and return what there is then for each model."""
    under = provenance.describe_attack(attack)
    outcomes = {model.id: _read_stored(model, attack, under, setting, store) for model in models}
    for group, missing in _list_pending(list(outcomes.values()), setting.examples):
        total = len(group) * len(setting.examples)
        done = total - len(group) * len(missing)
        progress = {"part": f"{attack.name} on {', '.join(model.id for model in group)}", "total": total}
        yield Event("progress", "", "", progress | {"done": done})
        for event in attack.run(group, missing, seed=setting.seed, stop=stop, precision=setting.precision):
            outcome = outcomes[event.victim]
            if event.result is not None:
                outcome.found[event.uid] = _shorten(event.result)
                if store is not None:
                    store.append(outcome.run, event.result)
            elif event.kind == "error":
                outcome.errors.append(event.data["message"])
            yield event
            if event.kind in ("result", "error"):
                done += 1
                yield Event("progress", event.uid, event.victim, progress | {"done": done})
    errors = [message for outcome in outcomes.values() for message in outcome.errors]
    if errors and not any(outcome.found for outcome in outcomes.values()):
        # A table that is missing fails every example alike; a row of nothing would hide it.
        raise BadInput(errors[0])
    return list(outcomes.values())


def _shorten(result: AttackResult) -> AttackResult:
    # The course of a search is most of its size, and no figure needs it: thousands of results stay in memory.
    return dataclasses.replace(result, steps=(), curve=())


def _summarise(outcome: _Outcome, attack: Attack, setting: Setting, explain: Sequence[Explainer],
               reader: fluency.Reader | None, store: ResultStore | None, stop: threading.Event) -> Iterator[Event]:
    model, results = outcome.model, outcome.results(setting)
    rests_on = {**outcome.rests_on, **fingerprints.describe(meaning_changes.SUMMARY_USES)}
    values = (
        metrics.summary(results)
        | meaning_changes.summarise(results)
        | {"errors": len(outcome.errors), "run": outcome.run}
    )
    if reader is not None:
        rests_on |= provenance.describe_reader(reader.id)
        part = f"fluency of the texts of {attack.name} against {model.id}"
        for columns in fluency.measure_results(reader, results, model.id, part, stop, store,
                                               outcome.run):
            if isinstance(columns, Event):
                yield columns
            else:
                values |= columns
    warnings = checks.find_incomplete(results, len(setting.examples), outcome.errors) + checks.list_warnings(results)
    yield _make_row(model, setting, attack, rests_on, values | {"warnings": warnings})
    for explainer in [] if stop.is_set() else explain:
        part = f"{explainer.name} of {model.id} under {attack.name}"
        for columns in compare_explanations(model, explainer, results, part, stop, store, outcome.run):
            yield columns if isinstance(columns, Event) else _make_row(model, setting, attack, rests_on,
                                                                       values | columns)


def _add_transfer(source: _Outcome, outcomes: Sequence[_Outcome], attack: Attack, setting: Setting,
                  stop: threading.Event) -> Iterator[Event]:
    results = source.results(setting)
    warnings = checks.find_incomplete(results, len(setting.examples), source.errors)
    for victim in outcomes:
        if victim is source:
            continue
        part = f"texts of {attack.name} against {source.model.id} on {victim.model.id}"
        for columns in evaluate_transfer(source.model.id, victim.model, results, victim.found, part, stop):
            yield columns if isinstance(columns, Event) else _make_row(
                victim.model, setting, attack, {**source.rests_on, **setting.rests_on[victim.model.id]},
                columns | {"run": source.run, "warnings": warnings})


def _read_stored(model: Classifier, attack: Attack, under: Mapping[str, str], setting: Setting,
                 store: ResultStore | None) -> _Outcome:
    """Return what an earlier, perhaps killed, evaluation has left for the chosen examples."""
    rests_on = {**setting.rests_on[model.id], **under}
    if store is None:
        return _Outcome(model, "", {}, rests_on)
    run = store.open_run(provenance.describe_run(
        attack, under, (model.id, rests_on[f"model {model.id}"]), find_device(model),
        (setting.dataset, setting.split, setting.sha256), setting.seed, setting.precision))
    wanted = {example.uid for example in setting.examples}
    return _Outcome(model, run, {r.example.uid: _shorten(r) for r in store.each(run)
                                 if r.example.uid in wanted and r.status != "stopped"}, rests_on)


def _list_pending(outcomes: Sequence[_Outcome], examples: Sequence[Example]
                  ) -> list[tuple[list[Classifier], list[Example]]]:
    """Group the models that lack the same examples, so that each group is attacked in step."""
    groups: dict[tuple[Example, ...], list[Classifier]] = {}
    for outcome in outcomes:
        missing = tuple(example for example in examples if example.uid not in outcome.found)
        if missing:
            groups.setdefault(missing, []).append(outcome.model)
    return [(group, list(missing)) for missing, group in groups.items()]


def _make_row(model: Classifier, setting: Setting, attack: Attack | None, rests_on: Mapping[str, str],
              values: dict[str, Any]) -> Event:
    head = {"model": model.id, "dataset": setting.dataset, "split": setting.split,
            "attack": None if attack is None else attack.name, "seed": setting.seed,
            "precision": setting.precision, "run": "",
            "device": find_device(model), "parameters": {} if attack is None else to_record(attack),
            "rests_on": dict(rests_on)}
    return Event("row", "", model.id, EvaluationRow(head | values))
