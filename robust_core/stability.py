"""Stability of explanations: do the words that matter stay the same when an attack changes the text?"""

import math
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from robust_core import checks, metrics
from robust_core.text import Draft, align
from robust_core.types import AttackResult, Attribution, Event

_CHUNK = 64
_KS = tuple(range(1, 11))


def compared(model: Any, explainer: Any, results: Sequence[AttackResult],  # noqa: ANN401 (any white box)
             part: str, stop: threading.Event) -> Iterator[Event | dict[str, Any]]:
    """Compare attributions of originals and perturbed texts.

    Args:
        model: The classifier that was attacked.
        explainer: Gives each word a score.
        results: What the attack did.
        part: What progress is reported under.
        stop: Ends the comparison; there are no columns then.

    Yields:
        "progress" events with part, done and total; then the columns of two rows: of all pairs of texts and of the
        changed ones.
    """
    ended = [r for r in results if r.status != "stopped"]
    changed = [r for r in ended if r.perturbed != r.example.text]
    found: dict[str, dict[str, Any]] = {}
    attributions: list[Attribution] = []
    progress = {"part": part, "total": len(changed)}
    yield Event("progress", "", model.id, progress | {"done": 0})
    for start in range(0, len(changed), _CHUNK):
        chunk = changed[start: start + _CHUNK]
        for result, values, used in _consistencies(model, explainer, chunk):
            found[result.example.uid] = values
            attributions += used
        yield Event("progress", chunk[-1].example.uid, model.id, progress | {"done": len(found)})
        if stop.is_set():
            return
    gap, gap_error = metrics.mean_and_error(a.gap for a in attributions)
    for pairs, chosen in (("all", ended), ("changed", changed)):
        values = [found.get(r.example.uid) or _identical(model, r.example.text) for r in chosen]
        tau, tau_error = metrics.mean_and_error(v["kendall_tau"] for v in values)
        row = {"explain": explainer.name, "pairs": pairs, "compared": len(values),
               "kendall_tau": tau, "kendall_tau_se": tau_error, "gap": gap, "gap_se": gap_error}
        for name in ("top_k", "top_k_random"):
            columns = {str(k): metrics.mean_and_error(v[name][k] for v in values) for k in _KS}
            row[name] = {k: mean for k, (mean, _) in columns.items()}
            row[f"{name}_se"] = {k: error for k, (_, error) in columns.items()}
        yield row | {"warnings": checks.warnings((), attributions)}


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
