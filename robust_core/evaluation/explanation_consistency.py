"""Stability of explanations: do the words that matter stay the same when an attack changes the text?"""

import json
import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from robust_core import metrics
from robust_core.classifiers import count_readable_words
from robust_core.evaluation import checks, fluency, predictions
from robust_core.events import Event
from robust_core.explainers.base import Explainer
from robust_core.protocols import Classifier
from robust_core.registry import to_record
from robust_core.runs import Run, fingerprint_model, shows_weights
from robust_core.store import ResultStore
from robust_core.text import align_texts, find_words
from robust_core.types import AttackResult, Attribution

_CHUNK = 64
_KS = tuple(range(1, 11))
_MEANS = ("kendall_tau", "top_k", "top_k_random")
# Scores of words of originals that are kept, of about 150 bytes each: SST-2's test set under seven models.
_KEPT = 500_000


def compare_explanations(model: Classifier, explainer: Explainer, results: Sequence[AttackResult],
                         part: str, stop: threading.Event, store: ResultStore | None = None, run: str = "",
             ) -> Iterator[Event | dict[str, Any]]:
    """Compare attributions of originals and perturbed texts.

    Args:
        model: The classifier that was attacked.
        explainer: Gives each word a score.
        results: What the attack did.
        part: What progress is reported under.
        stop: Ends the comparison; there are no columns then.
        store: Where comparisons go as they come, and are taken from when they are there already.
        run: The attack's run in the store.

    Yields:
        "progress" events with part, done and total; then the columns of two rows: of all pairs of texts and of the
        changed ones.
    """
    ended = [r for r in results if r.status != "stopped"]
    changed = [r for r in ended if r.perturbed != r.example.text]
    known = {} if store is None else store.comparisons(run, to_record(explainer))
    found = {r.example.uid: known[r.example.uid] for r in changed if r.example.uid in known}
    missing = [r for r in changed if r.example.uid not in found]
    progress = {"part": part, "total": len(changed)}
    yield Event("progress", "", model.id, progress | {"done": len(found)})
    key = _make_key(model, explainer) if missing else None
    for start in range(0, len(missing), _CHUNK):
        chunk = missing[start: start + _CHUNK]
        for result, record in _compare_records(model, explainer, chunk, key):
            found[result.example.uid] = record
            if store is not None:
                store.compare(run, to_record(explainer), result.example.uid, record)
        yield Event("progress", chunk[-1].example.uid, model.id, progress | {"done": len(found)})
        if stop.is_set():
            return
    lengths = {r.example.uid: count_readable_words(model, r.example.text) for r in ended if r.example.uid not in found}
    yield from summarise_comparisons(explainer.name, ended, found, lengths)


def summarise_comparisons(explain: str, results: Sequence[AttackResult], found: Mapping[str, Mapping[str, Any]],
                          lengths: Mapping[str, int] | None = None) -> Iterator[dict[str, Any]]:
    """Sum up comparisons.

    Args:
        explain: Name of the explainer.
        results: Results that came to an end.
        found: Comparisons of the changed texts by example uid.
        lengths: Words read of the unchanged texts, by uid; without it all of their words.

    Yields:
        The columns of all pairs of texts, then of the changed ones.
    """
    changed = [r for r in results if r.example.uid in found]
    marks = _read_marks(found.values())
    gap, gap_error = metrics.estimate_mean(a.gap for a in marks)
    fit, fit_error = metrics.estimate_mean(a.fit for a in marks)
    for pairs, chosen in (("all", results), ("changed", changed)):
        values = [found.get(r.example.uid) or _compare_identical(r, lengths) for r in chosen]
        tau, tau_error = metrics.estimate_mean(v["kendall_tau"] for v in values)
        row = {"explain": explain, "pairs": pairs, "compared": len(values), "kendall_tau": tau,
               "kendall_tau_se": tau_error, "gap": gap, "gap_se": gap_error, "fit": fit, "fit_se": fit_error}
        for name in ("top_k", "top_k_random"):
            shares = {str(k): metrics.estimate_mean(v[name][str(k)] for v in values) for k in _KS}
            row[name] = {k: mean for k, (mean, _) in shares.items()}
            row[f"{name}_se"] = {k: error for k, (_, error) in shares.items()}
        yield row | {"warnings": checks.list_warnings((), marks)}


def compare_texts(model: Classifier, explainer: Explainer, results: Sequence[AttackResult]
                  ) -> Iterator[tuple[AttackResult, dict[str, Any]]]:
    """Yield each result with the record that `compare_explanations` stores of it, for work in another process.

    Args:
        model: The classifier that was attacked.
        explainer: Gives each word a score.
        results: Results whose text has changed; they are explained in one batch.
    """
    yield from _compare_records(model, explainer, results, _make_key(model, explainer))


def _read_marks(records: Iterable[Mapping[str, Any]]) -> list[Attribution]:
    """Return what comparisons keep of their attributions, without words and scores."""
    return [Attribution("", (), (), 0, {}, gap, total=total, fit=fit)
            for record in records for gap, total, fit in record["marks"]]


def _make_key(model: Classifier, explainer: Explainer) -> str | None:
    """Return what explanations of originals are kept under; None where they cannot be kept.

    A model of a hub has its weights hashed, so this is asked once a comparison and not once a batch of texts.
    """
    # A model that is known by its id alone has the same id after it has learnt more.
    if not explainer.alone or not shows_weights(model):
        return None
    return fingerprint_model(model) + json.dumps(to_record(explainer), sort_keys=True)


def _compare_records(model: Classifier, explainer: Explainer, results: Sequence[AttackResult], key: str | None,
             ) -> Iterator[tuple[AttackResult, dict[str, Any]]]:
    """Compare both texts of each result, class by class, and average over the classes.

    Source: FLAT (Chen and Ji 2022): compared on corresponding labels, averaged over all classes.
    """
    for result, both in zip(results, _ORIGINALS.pairs(model, explainer, results, key), strict=True):
        words = align_texts(result.example.text, result.perturbed)
        values = [_to_json(metrics.consistency(a, b, words, _KS)) for a, b in both]
        record: dict[str, Any] = {"kendall_tau": metrics.estimate_mean(v["kendall_tau"] for v in values)[0]}
        for name in ("top_k", "top_k_random"):
            record[name] = {k: metrics.estimate_mean(v[name][k] for v in values)[0] for k in map(str, _KS)}
        yield result, record | {"reference": values[result.reference_label],
                                "marks": [[a.gap, a.total, a.fit] for pair in both for a in pair],
                                "scores": _write_scores(result, *both[result.reference_label])}


def _write_scores(result: AttackResult, before: Attribution, after: Attribution) -> list[list[float]] | None:
    """Return the words' scores in both texts; None where a text was not explained as it stands."""
    if (before.text, after.text) != (result.example.text, result.perturbed):
        return None
    # As many digits as anybody is shown: thousands of texts are stored.
    return [[round(score, 5) for score in one.scores] for one in (before, after)]


def read_scores(result: AttackResult, record: Mapping[str, Any], method: Mapping[str, Any]
                ) -> tuple[Attribution, Attribution] | None:
    """Return the attributions of both texts of a result towards its reference label, as the store holds them.

    Args:
        result: The result.
        record: What `ResultStore.comparisons` holds for it.
        method: Record of the explainer.

    Returns:
        (original, perturbed), to five decimals; None for what was stored before scores were.
    """
    if not record.get("scores"):
        return None
    first, second = (
        Attribution(text, find_words(text)[: len(scores)], tuple(scores), result.reference_label, method, math.nan)
        for text, scores in zip((result.example.text, result.perturbed), record["scores"], strict=True))
    return first, second


class _Originals:
    """Explanations of originals, which all attacks on a model share: the second attack explains its own texts only."""

    def __init__(self, room: int) -> None:
        self._room, self._lock = room, threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[Attribution, ...]] = OrderedDict()

    def pairs(self, model: Classifier, explainer: Explainer, results: Sequence[AttackResult], key: str | None,
              ) -> list[list[tuple[Attribution, Attribution]]]:
        """Return for each result, and each class, the attributions of its original and of its perturbed text."""
        perturbed = [r.perturbed for r in results]
        if key is None:
            found = explainer.explain_classes(model, [r.example.text for r in results] + perturbed)
            n = len(results)
            return [[(of[i], of[i + n]) for of in found] for i in range(n)]
        with self._lock:
            known = {r.example.text: kept for r in results
                     if (kept := self._kept.get((key, r.example.text))) is not None}
        missing = list(dict.fromkeys(r.example.text for r in results if r.example.text not in known))
        by_text = list(zip(*explainer.explain_classes(model, missing + perturbed), strict=True))
        new = dict(zip(missing, by_text, strict=False))
        with self._lock:
            for text, attributions in new.items():
                self._room -= 0 if (key, text) in self._kept else sum(len(a.scores) for a in attributions)
                self._kept[key, text] = attributions
            while self._room < 0:
                self._room += sum(len(a.scores) for a in self._kept.popitem(last=False)[1])
        return [list(zip((known | new)[r.example.text], after, strict=True))
                for r, after in zip(results, by_text[len(missing):], strict=True)]


_ORIGINALS = _Originals(_KEPT)


def _to_json(values: dict[str, Any]) -> dict[str, Any]:
    """Return a comparison as JSON gives it back: keys are text."""
    return {name: {str(k): v for k, v in value.items()} if isinstance(value, dict) else value
            for name, value in values.items()}


def _compare_identical(result: AttackResult, lengths: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return what comparing a text with itself gives, without explaining it."""
    text = result.example.text
    words = len(find_words(text)) if lengths is None else lengths[result.example.uid]
    share = 1.0 if words else math.nan
    return {"kendall_tau": 1.0, "top_k": dict.fromkeys(map(str, _KS), share), "words": words,
            "top_k_random": {str(k): metrics.top_k_by_chance(words, k) for k in _KS}}


class Explained(NamedTuple):
    """A stored attack on one model whose explanations were compared.

    Attributes:
        run_id: Id of the run.
        run: What the results depend on.
        model: Id of the attacked model.
        method: Record of the explainer.
        compared: Number of changed texts whose explanations were compared.
    """

    run_id: str
    run: Run
    model: str
    method: Mapping[str, Any]
    compared: int


def list_stored(store: ResultStore) -> list[Explained]:
    """List the attacks whose explanations were compared, the newest first."""
    runs = store.runs()
    return [Explained(run_id, runs[run_id], next(iter(runs[run_id].models)), method, compared)
            for run_id, method, compared in store.explained()
            if method["name"] != fluency.METHOD and runs[run_id].method["name"] != predictions.METHOD]


def read_pairs(store: ResultStore, of: Explained) -> list[tuple[AttackResult, dict[str, Any]]]:
    """Return the results of a stored attack that are explained, each with its comparison towards the reference label.

    Unchanged texts count as compared with themselves. Changed ones whose comparison is still missing are left out.
    """
    found = store.comparisons(of.run_id, of.method)
    result_of = [r for r in store.each(of.run_id) if r.status != "stopped"]
    return [
        (r, found[r.example.uid]["reference"] if r.example.uid in found else _compare_identical(r))
        for r in result_of
        if r.example.uid in found or r.perturbed == r.example.text
    ]


def list_stored_warnings(store: ResultStore, of: Explained) -> list[str]:
    """Return what `checks` find about a stored attack and its explanations."""
    marks = _read_marks(store.comparisons(of.run_id, of.method).values())
    return checks.list_warnings(list(store.each(of.run_id)), marks)


GROUPS = ("all", "changed", "fooled")


def read_by_uid(store: ResultStore, run: str, method: Mapping[str, Any], uids: Collection[str],
             ) -> dict[str, dict[str, dict[str, float]]]:
    """Return how alike the explanations of each text's two versions are, for comparisons between models.

    Args:
        store: The store.
        run: An attack on one model.
        method: Record of the explainer.
        uids: The examples to take.

    Returns:
        {group: {"kendall_tau": {uid: tau}, "top_5": {uid: share}}}, both averaged over the classes, undefined ones left
        out. Groups: "all" texts, an unchanged one compared with itself; those that the attack "changed"; and those on
        which it succeeded, "fooled".
    """
    known = store.comparisons(run, method)
    found: dict[str, dict[str, dict[str, float]]] = {group: {"kendall_tau": {}, "top_5": {}} for group in GROUPS}
    for result in store.each(run):
        uid, changed = result.example.uid, result.perturbed != result.example.text
        if result.status == "stopped" or uid not in uids or (changed and uid not in known):
            continue
        values = known[uid] if changed else _compare_identical(result)
        member = {"all": True, "changed": changed, "fooled": changed and result.status == "succeeded"}
        for name, value in (("kendall_tau", values["kendall_tau"]), ("top_5", values["top_k"]["5"])):
            for group in GROUPS:
                if member[group] and value is not None and math.isfinite(value):
                    found[group][name][uid] = value
    return found
