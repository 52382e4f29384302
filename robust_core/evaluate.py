"""Evaluation on whole data sets: the same examples for every model, every result stored as it comes, then rows."""

import dataclasses
import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from robust_core import checks, datasets, metrics
from robust_core.errors import BadInput, Incompatible
from robust_core.registry import to_record
from robust_core.store import ResultStore, Run, model_fingerprint, versions
from robust_core.text import Draft, align
from robust_core.types import AttackResult, Attribution, Event, Example

_CHUNK = 64
_KS = tuple(range(1, 11))


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all rows of an evaluation share.

    Args:
        dataset: Name of the data set.
        split: train, dev or test.
        examples: The examples chosen.
        sha256: Fingerprint of the whole split.
        seed: Seed of the choice and of the attacks.
    """

    dataset: str
    split: str
    examples: tuple[Example, ...]
    sha256: str
    seed: int


def choose(examples: Sequence[Example], n: int | None, seed: int) -> tuple[Example, ...]:
    """Draw n examples without replacement, in the order of the data set; all of them when n is None or too large.

    A larger n with the same seed adds examples to those of a smaller one, so that stored results are used again.

    Raises:
        BadInput: n is below 1.
    """
    if n is None:
        return tuple(examples)
    if n < 1:
        raise BadInput(f"The number of examples must be at least 1, not {n}.")
    drawn = np.random.default_rng(seed).permutation(len(examples))[:n]
    return tuple(examples[i] for i in sorted(drawn))


def evaluate(models: Sequence[Any], dataset: str, split: str = "test", attacks: Sequence[Any] = (), *,
             n: int | None = None, seed: int = 0, data_dir: str | Path | None = None,
             store: ResultStore | None = None, max_queries: int | None = None, time_limit: float | None = None,
             explain: Sequence[Any] = (), stop: threading.Event | None = None) -> Iterator[Event]:
    """Measure accuracy, attacks and the stability of explanations on the same examples for every model.

    Args:
        models: Classifiers, with different ids.
        dataset: Name of the data set.
        split: train, dev or test.
        attacks: Attacks; none for clean accuracy.
        n: Examples to draw; all by default.
        seed: Seed of the draw and of the attacks.
        data_dir: Folder of data sets.
        store: Where results go as they come, and are taken from when they are there already; None keeps nothing.
        max_queries: Replaces the attacks' own limit on queries.
        time_limit: Replaces the attacks' own limit, in seconds.
        explain: Explainers, whose attributions of original and perturbed texts are compared.
        stop: Set by another thread to end early; rows are then made of what there is.

    Yields:
        The events of the attacks; "progress" with data done and total for predictions and explanations; at the end of
        each part "row" events with the row as data: `metrics.summary` with model, dataset, split, attack, seed, run,
        device, parameters (record of the attack), errors (examples that failed) and warnings (`checks`).
        An explanation row adds explain, pairs ("all", or "changed" texts only), kendall_tau, top_k and top_k_random
        (means over examples of means over classes), each with its standard error, compared (examples behind them)
        and gap.

    Raises:
        BadInput: n is below 1, two models share an id, explanations are asked for without an attack, or every attack
            failed.
        Incompatible: A model has other labels than the data set.
        UnknownName, MissingResource: There is no such data set, or it is not here.
    """
    if explain and not attacks:
        raise BadInput("Explanations of original and perturbed texts are compared: choose an attack too.")
    if len({model.id for model in models}) < len(models):
        raise BadInput("A model is named twice.")
    everything = datasets.load(dataset, split, data_dir)
    for model in models:
        check_labels(model, datasets.describe(dataset))
    setting = Setting(dataset, split, choose(everything, n, seed), datasets.fingerprint(everything), seed)
    stop = stop or threading.Event()
    if not attacks:
        for model in models:
            yield from _clean(model, setting, stop)
    limits = {"max_queries": max_queries, "time_limit": time_limit}
    limits = {name: value for name, value in limits.items() if value is not None}
    for attack in attacks:
        yield from _attacked(models, dataclasses.replace(attack, **limits), setting, store, explain, stop)


def check_labels(model: Any, data: datasets.DataSet) -> None:  # noqa: ANN401 (any classifier)
    """Raise Incompatible when a model's labels are not those of a data set; names like LABEL_0 pass by number."""
    unnamed = all(label.lower().startswith("label_") for label in model.labels)
    same = tuple(label.lower() for label in model.labels) == tuple(label.lower() for label in data.labels)
    if not (same or (unnamed and len(model.labels) == len(data.labels))):
        raise Incompatible(f"{model.id} predicts {', '.join(model.labels)}; {data.title} has the labels "
                           f"{', '.join(data.labels)}.")


def _clean(model: Any, setting: Setting, stop: threading.Event) -> Iterator[Event]:  # noqa: ANN401
    hits = done = 0
    for start in range(0, len(setting.examples), _CHUNK):
        if stop.is_set():
            break
        chunk = setting.examples[start: start + _CHUNK]
        predicted = model.predict_proba([example.text for example in chunk]).argmax(1)
        hits += sum(int(p) == example.label for p, example in zip(predicted, chunk, strict=True))
        done += len(chunk)
        yield Event("progress", chunk[-1].uid, model.id, {"done": done, "total": len(setting.examples)})
    accuracy, error = metrics.proportion_and_error(hits, done)
    yield _row(model, setting, None, {"n": done, "accuracy": accuracy, "accuracy_se": error, "warnings": []})


def _attacked(models: Sequence[Any], attack: Any, setting: Setting, store: ResultStore | None,  # noqa: ANN401
              explain: Sequence[Any], stop: threading.Event) -> Iterator[Event]:
    runs = {model.id: _run(model, attack, setting) for model in models}
    found = {victim: _stored(store, run, setting) for victim, run in runs.items()}
    errors: dict[str, list[str]] = {victim: [] for victim in runs}
    for group, missing in _pending(models, setting.examples, found):
        for event in attack.run(group, missing, seed=setting.seed, stop=stop):
            if event.result is not None:
                found[event.victim][event.uid] = event.result
                if store is not None:
                    store.append(runs[event.victim].id, event.result)
            elif event.kind == "error":
                errors[event.victim].append(event.data["message"])
            yield event
    if any(errors.values()) and not any(found.values()):
        # A table that is missing fails every example alike; a row of nothing would hide it.
        raise BadInput(next(message for messages in errors.values() for message in messages))
    for model in models:
        results = [found[model.id][e.uid] for e in setting.examples if e.uid in found[model.id]]
        values = metrics.summary(results) | {"errors": len(errors[model.id])}
        values["run"] = runs[model.id].id if store is not None else ""
        ended = sum(r.status != "stopped" for r in results)
        warnings = _incomplete(ended, len(setting.examples), errors[model.id]) + _warnings(results)
        yield _row(model, setting, attack, values | {"warnings": warnings})
        for explainer in [] if stop.is_set() else explain:
            for pairs in _compared(model, explainer, results, stop):
                if isinstance(pairs, Event):
                    yield pairs
                else:
                    yield _row(model, setting, attack, values | pairs)


def _run(model: Any, attack: Any, setting: Setting) -> Run:  # noqa: ANN401
    # The number of examples is no part of it: what a smaller draw has computed serves a larger one.
    data = {"dataset": setting.dataset, "split": setting.split, "sha256": setting.sha256}
    return Run(to_record(attack), {model.id: model_fingerprint(model)}, data, setting.seed, versions(),
               str(getattr(model, "device", "cpu")))


def _stored(store: ResultStore | None, run: Run, setting: Setting) -> dict[str, AttackResult]:
    """Return what an earlier, perhaps killed, evaluation has left for the chosen examples, by uid."""
    if store is None:
        return {}
    wanted = {example.uid for example in setting.examples}
    results = store.results(store.open_run(run))
    return {r.example.uid: r for r in results if r.example.uid in wanted and r.status != "stopped"}


def _pending(models: Sequence[Any], examples: Sequence[Example],
             found: dict[str, dict[str, AttackResult]]) -> list[tuple[list[Any], list[Example]]]:
    """Group the models that lack the same examples, so that each group is attacked in step."""
    groups: dict[tuple[Example, ...], list[Any]] = {}
    for model in models:
        missing = tuple(example for example in examples if example.uid not in found[model.id])
        if missing:
            groups.setdefault(missing, []).append(model)
    return [(group, list(missing)) for missing, group in groups.items()]


def _row(model: Any, setting: Setting, attack: Any, values: dict[str, Any]) -> Event:  # noqa: ANN401
    head = {"model": model.id, "dataset": setting.dataset, "split": setting.split,
            "attack": None if attack is None else attack.name, "seed": setting.seed, "run": "",
            "device": str(getattr(model, "device", "cpu")), "parameters": {} if attack is None else to_record(attack)}
    return Event("row", "", model.id, head | values)


def _incomplete(ended: int, chosen: int, errors: Sequence[str]) -> list[str]:
    warnings = [f"{len(errors)} examples have no result. {errors[-1]}"] if errors else []
    if ended < chosen:
        warnings.append(f"Only {ended} of {chosen} examples came to an end. Those that end first are not like the "
                        "others: these figures estimate nothing yet.")
    return warnings


def _warnings(results: Sequence[AttackResult], attributions: Sequence[Attribution] = ()) -> list[str]:
    return [f"{flag.finding} {flag.advice}" for flag in checks.flags(results, attributions)]


def _compared(model: Any, explainer: Any, results: Sequence[AttackResult],  # noqa: ANN401
              stop: threading.Event) -> Iterator[Event | dict[str, Any]]:
    """Compare attributions of originals and perturbed texts; yield progress, then the columns of two rows."""
    ended = [r for r in results if r.status != "stopped"]
    changed = [r for r in ended if r.perturbed != r.example.text]
    compared: dict[str, dict[str, Any]] = {}
    attributions: list[Attribution] = []
    for start in range(0, len(changed), _CHUNK):
        chunk = changed[start: start + _CHUNK]
        for result, values, used in _consistencies(model, explainer, chunk):
            compared[result.example.uid] = values
            attributions += used
        yield Event("progress", chunk[-1].example.uid, model.id, {"done": len(compared), "total": len(changed)})
        if stop.is_set():
            return
    gap, gap_error = metrics.mean_and_error(a.gap for a in attributions)
    for pairs, chosen in (("all", ended), ("changed", changed)):
        values = [compared.get(r.example.uid) or _identical(model, r.example.text) for r in chosen]
        tau, tau_error = metrics.mean_and_error(v["kendall_tau"] for v in values)
        row = {"explain": explainer.name, "pairs": pairs, "compared": len(values),
               "kendall_tau": tau, "kendall_tau_se": tau_error, "gap": gap, "gap_se": gap_error}
        for name in ("top_k", "top_k_random"):
            columns = {str(k): metrics.mean_and_error(v[name][k] for v in values) for k in _KS}
            row[name] = {k: mean for k, (mean, _) in columns.items()}
            row[f"{name}_se"] = {k: error for k, (_, error) in columns.items()}
        yield row | {"warnings": _warnings((), attributions)}


def _consistencies(model: Any, explainer: Any, results: Sequence[AttackResult],  # noqa: ANN401
                   ) -> Iterator[tuple[AttackResult, dict[str, Any], list[Attribution]]]:
    """Compare both texts of each result, class by class, and average over the classes.

    Source: FLAT (Chen and Ji 2022): compared on corresponding labels, averaged over all classes.
    """
    texts = [r.example.text for r in results] + [r.perturbed for r in results]
    by_class = [explainer.explain(model, texts, [c] * len(texts)) for c in range(len(model.labels))]
    for i, result in enumerate(results):
        words = align(Draft.of(result.example.text).words, Draft.of(result.perturbed).words)
        both = [(found[i], found[i + len(results)]) for found in by_class]
        values = [metrics.consistency(a, b, words, _KS) for a, b in both]
        mean: dict[str, Any] = {"kendall_tau": metrics.mean_and_error(v["kendall_tau"] for v in values)[0]}
        for name in ("top_k", "top_k_random"):
            mean[name] = {k: metrics.mean_and_error(v[name][k] for v in values)[0] for k in _KS}
        yield result, mean, [a for pair in both for a in pair]


def _identical(model: Any, text: str) -> dict[str, Any]:  # noqa: ANN401
    """Return what comparing a text with itself gives, without explaining it."""
    words = min(model.readable_words(text), len(Draft.of(text).words))
    share = 1.0 if words else math.nan
    return {"kendall_tau": 1.0, "top_k": dict.fromkeys(_KS, share),
            "top_k_random": {k: metrics.top_k_by_chance(words, k) for k in _KS}}
