"""What guards in front of a model are worth: attacks that know of them and not, what is caught, false alarms."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core import datasets
from robust_core.attacks.base import Attack
from robust_core.classifiers import predict_labels
from robust_core.errors import BadInput
from robust_core.evaluation.evaluate import evaluate
from robust_core.evaluation.guarded_names import read_clean_texts
from robust_core.events import EvaluationRow, Event
from robust_core.guards.base import Guard
from robust_core.guards.guarded_model import GuardedModel, guard_model
from robust_core.metrics import estimate_paired_difference, estimate_proportion
from robust_core.protocols import Classifier
from robust_core.store import ResultStore
from robust_core.types import AttackResult, Example, Precision

PUT_RIGHT, FLAGGED, BYPASSED = "put right", "flagged", "bypassed"


def evaluate_guards(model: Classifier, guards: Sequence[Guard | str], dataset: str, split: str = "dev",
                    attacks: Sequence[Attack] = (), *, n: int | None = None, seed: int = 0,
                    data_dir: str | Path | None = None, store: ResultStore | None = None,
                    max_queries: int | None = None, time_limit: float | None = None,
                    stop: threading.Event | None = None, precision: Precision = "exact") -> Iterator[Event]:
    """Measure guards in front of a model: on clean texts, and under each attack, told of the guards and not.

    Thresholds are chosen on the dev texts that are not measured.

    Args:
        model: The classifier.
        guards: Guards in their order, or names of those with default parameters.
        dataset: Name of the data set.
        split: Where the measured texts are from.
        attacks: Attacks; none for clean texts alone.
        n: Texts to draw; all by default.
        seed: Seed of the draw and of the attacks.
        data_dir: Folder of data sets.
        store: Where results of the attacks go, and are taken from.
        max_queries: Replaces the attacks' own limit on queries.
        time_limit: Replaces the attacks' own limit, in seconds.
        stop: Ends early; rows are made of what there is.
        precision: As in `Attack.run`.

    Yields:
        The events of `evaluate` but its rows; then "row" events, of which the data are the columns of `judge_clean`
        for the first, and those of `judge_attack` for one an attack.

    Raises:
        BadInput, Incompatible, UnknownName, MissingResource: As `evaluate`, `guard_model` and `read_clean_texts`.
    """
    stop = stop or threading.Event()
    chosen = datasets.choose(datasets.load(dataset, split, data_dir), n, seed)
    if split == "train" and n is None:
        raise BadInput("Guards learn words from the train texts that are not measured: name --n.")
    guarded = guard_model(model, guards, read_clean_texts(dataset, chosen, data_dir))
    head = {"model": model.id, "guarded": guarded.id, "guards": guarded.describe_guards(), "dataset": dataset,
            "split": split, "seed": seed}
    right: dict[str, dict[str, bool]] = {}
    for event in evaluate([model, guarded], dataset, split, n=n, seed=seed, data_dir=data_dir, stop=stop):
        if event.kind == "judged":
            right.setdefault(event.victim, {}).update(event.data["right"])
        elif event.kind != "row":
            yield event
    seen = [e for e in chosen if all(e.uid in right.get(each.id, {}) for each in (model, guarded))]
    yield _make_row(model.id, head, judge_clean(guarded, seen, right[model.id], right[guarded.id]) if seen else {})
    found: dict[tuple[str, str], dict[str, AttackResult]] = {}
    for event in evaluate([model, guarded], dataset, split, attacks, n=n, seed=seed, data_dir=data_dir, store=store,
                          max_queries=max_queries, time_limit=time_limit, stop=stop,
                          precision=precision) if attacks and not stop.is_set() else ():
        if event.result is not None:
            key = event.victim, event.result.attack["name"]
            found.setdefault(key, {})[event.uid] = event.result
        if event.kind != "row":
            yield event
        elif store is not None:
            key = event.victim, event.data["attack"]
            found[key] = {r.example.uid: r for r in store.each(event.data["run"])} | found.get(key, {})
        if event.kind == "row" and event.victim == guarded.id:
            name = event.data["attack"]
            ordered = [[found[each, name][e.uid] for e in chosen if e.uid in found.get((each, name), {})]
                       for each in (model.id, guarded.id)]
            more = {"attack": name, "parameters": event.data["parameters"], "warnings": event.data["warnings"],
                    "rests_on": event.data["rests_on"]}
            yield _make_row(guarded.id, head, more | judge_attack(guarded, *ordered))


def _make_row(victim: str, head: Mapping[str, Any], columns: Mapping[str, Any]) -> Event:
    return Event("row", "", victim, EvaluationRow({"attack": None, **head, **columns}))


def judge_clean(guarded: GuardedModel, examples: Sequence[Example], plain: Mapping[str, bool],
                behind: Mapping[str, bool]) -> dict[str, Any]:
    """Return what guards do to texts that nobody attacked.

    Args:
        guarded: The model with its guards.
        examples: The texts.
        plain: Whether the model alone is right, by uid.
        behind: Whether the guarded model is right and flags nothing, by uid.

    Returns:
        n; flagged (share: false alarms), changed (share that the guards clean to another text), accuracy,
        guarded_accuracy (a flagged text is not read right), accuracy_lost (their paired difference), each with its
        standard error `*_se`.
    """
    texts = [example.text for example in examples]
    lost, lost_se, _ = estimate_paired_difference({e.uid: float(plain[e.uid]) for e in examples},
                                                  {e.uid: float(behind[e.uid]) for e in examples})
    return _with_errors({"n": len(texts)}, {
        "flagged": (int(guarded.flag(texts).sum()), len(texts)),
        "changed": (sum(guarded.clean(text) != text for text in texts), len(texts)),
        "accuracy": (sum(plain[e.uid] for e in examples), len(texts)),
        "guarded_accuracy": (sum(behind[e.uid] for e in examples), len(texts)),
    }) | {"accuracy_lost": lost, "accuracy_lost_se": lost_se}


def judge_replay(guarded: GuardedModel, result: AttackResult) -> str:
    """Return what guards do to a text that fooled the model without them: flagged, put right or bypassed."""
    return name_fate(int(predict_labels(guarded, [result.perturbed])[0]), result.reference_label)


def name_fate(predicted: int, reference: int) -> str:
    """Name what became of it, by the class that is predicted behind guards (-1 if they flag it) and the right one."""
    return FLAGGED if predicted < 0 else PUT_RIGHT if predicted == reference else BYPASSED


def judge_attack(guarded: GuardedModel, plain: Sequence[AttackResult], through: Sequence[AttackResult]
                 ) -> dict[str, Any]:
    """Return what guards are worth against one attack.

    Args:
        guarded: The model with its guards.
        plain: Results of the attack on the model alone.
        through: Results of the attack on the guarded model.

    Returns:
        n (texts that the attack was tried on, without guards: those the model has right) and n_through (with guards:
        those that the guarded model has right and does not flag); success (attack success rate without guards),
        replayed (share of the same n whose adversarial text still fools the guarded model), through (attack success
        rate through the guards, whose answers and flags the attack sees); of the `adversarial` texts of the attack on
        the model alone the shares flagged, put_right and bypassed, and caught, the sum of the first two; each share
        with its standard error `*_se`; queries and queries_through, means over the texts tried.
    """
    tried, behind = ([r for r in results if r.status not in ("skipped", "stopped")] for results in (plain, through))
    fooled = [r for r in tried if r.status == "succeeded"]
    fates = [judge_replay(guarded, r) for r in fooled]
    counts = {fate: fates.count(fate) for fate in (FLAGGED, PUT_RIGHT, BYPASSED)}
    return _with_errors({"n": len(tried), "n_through": len(behind), "adversarial": len(fooled)}, {
        "success": (len(fooled), len(tried)),
        "replayed": (counts[BYPASSED], len(tried)),
        "through": (sum(r.status == "succeeded" for r in behind), len(behind)),
        "flagged": (counts[FLAGGED], len(fooled)),
        "put_right": (counts[PUT_RIGHT], len(fooled)),
        "caught": (counts[FLAGGED] + counts[PUT_RIGHT], len(fooled)),
        "bypassed": (counts[BYPASSED], len(fooled)),
    }) | {"queries": _average([r.queries for r in tried]), "queries_through": _average([r.queries for r in behind])}


def _average(values: Sequence[int]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _with_errors(row: dict[str, Any], shares: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    for name, (hits, trials) in shares.items():
        row[name], row[f"{name}_se"] = estimate_proportion(hits, trials)
    return row
