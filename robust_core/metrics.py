"""Pure functions of results: attack figures with standard errors, Kendall's tau, top-k intersection."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from robust_core.text import find_words
from robust_core.types import AttackResult, Attribution, EmbeddingAttackResult

# Two-sided 95 % point of the normal distribution.
_Z = 1.96


def estimate_mean(values: Iterable[float]) -> tuple[float, float]:
    """Return the mean of the finite values and its standard error; NaN where there are too few."""
    numbers = np.array([v for v in values if math.isfinite(v)], dtype=np.float64)
    if not len(numbers):
        return math.nan, math.nan
    error = float(numbers.std(ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else math.nan
    return float(numbers.mean()), error


def estimate_proportion(hits: float, trials: int) -> tuple[float, float]:
    """Return hits / trials and its standard error; NaN without trials.

    The error is binomial. Where none or all of the trials hit it would be 0, as if nothing else could have come out:
    there it is such that 1.96 errors reach Wilson's 95 % bound, z / (n + z^2).

    Source: Wilson 1927, Journal of the American Statistical Association 22 (158), 209-212.
    """
    if not trials:
        return math.nan, math.nan
    p = hits / trials
    return p, math.sqrt(p * (1 - p) / trials) if 0 < hits < trials else _bound_certainty(trials)


def _bound_certainty(n: int) -> float:
    return _Z / (n + _Z * _Z)


def pool_seeds(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Return the mean of a figure over seeds and its standard error, which counts both texts and seeds.

    All seeds meet the same texts, so what the choice of texts leaves open does not shrink with the number of seeds: its
    variance, the mean over seeds, is added to that of the mean over seeds.

    Args:
        values: (k,) the figure of each seed.
        errors: (k,) its standard error over texts; NaN counts as unknown and is left out.
    """
    known = [error for error in errors if math.isfinite(error)]
    texts = math.fsum(error * error for error in known) / len(known) if known else math.nan
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, math.sqrt(texts)
    between = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)
    return mean, math.sqrt(between + (texts if known else 0.0))


def estimate_ratio(parts: Sequence[float], wholes: Sequence[float]) -> tuple[float, float]:
    """Return sum(parts) / sum(wholes) and its standard error; NaN where there are too few.

    Args:
        parts: (n,) what counts in each cluster, such as swaps of one kind in a text.
        wholes: (n,) what there is in each cluster, such as all swaps in the text.

    Source: ratio estimator over n clusters (Cochran 1977, Sampling Techniques, 6.3), no finite population.
    """
    x, m = np.array(parts, dtype=np.float64), np.array(wholes, dtype=np.float64)
    if not m.sum():
        return math.nan, math.nan
    ratio, n = float(x.sum() / m.sum()), len(x)
    spread = float(((x - ratio * m) ** 2).sum())
    return ratio, math.sqrt(n / (n - 1) * spread) / float(m.sum()) if n > 1 else math.nan


def estimate_paired_difference(mine: Mapping[str, float], theirs: Mapping[str, float]) -> tuple[float, float, int]:
    """Return the mean difference of two models on the examples that both have, its standard error, and how many.

    Args:
        mine: A figure of each example, by uid: 1 where the model is right, 0 where it is wrong, or the mean over seeds.
        theirs: The same of the other model.

    Where the models differ on no example, or on every one alike, the error is that of `estimate_proportion` there.

    Source: paired t statistic; both models meet the same examples, so what makes an example hard cancels out.
    """
    both = [uid for uid in mine if uid in theirs]
    gaps = [float(mine[uid]) - float(theirs[uid]) for uid in both]
    value, error = estimate_mean(gaps)
    if len(both) > 1 and all(gap == gaps[0] == round(gap) for gap in gaps):
        error = _bound_certainty(len(both))
    return value, error, len(both)


def list_held(results: Sequence[AttackResult]) -> dict[str, bool]:
    """Return whether a model was right about each example, by uid, after the attack; stopped examples are left out."""
    return {r.example.uid: r.status != "skipped" and r.perturbed_label == r.reference_label
            for r in results if r.status != "stopped"}


def summary(results: Sequence[AttackResult]) -> dict[str, Any]:
    """Summarise attack results on labelled examples of one victim.

    Accuracy under attack counts skipped examples as wrong and exhausted ones as failed attacks; stopped examples are
    left out of every rate and counted apart. The attack success rate is taken over attempted examples and is NaN when
    there were none.

    Returns:
        n, stopped, skipped, succeeded, failed, exhausted (counts); accuracy, accuracy_under_attack,
        attack_success_rate, swaps, swap_rate, similarity, queries, forward_passes, eligible, seconds, each with its
        standard error `*_se`.
        swap_rate is the share of the words that may change; of a pair those of the parts that may.
        swaps, swap_rate and similarity are means over succeeded attacks, the counts over attempted ones.
    """
    counted = [r for r in results if r.status != "stopped"]
    attempted = [r for r in counted if r.status != "skipped"]
    succeeded = [r for r in counted if r.status == "succeeded"]
    row: dict[str, Any] = {
        "n": len(counted),
        "stopped": len(results) - len(counted),
        "skipped": len(counted) - len(attempted),
        "succeeded": len(succeeded),
        "failed": sum(r.status == "failed" for r in counted),
        "exhausted": sum(r.status == "exhausted" for r in counted),
    }
    # An attack may succeed without a flip: input reduction keeps the class.
    kept = sum(r.perturbed_label == r.reference_label for r in attempted)
    columns = {
        "accuracy": estimate_proportion(len(attempted), len(counted)),
        "accuracy_under_attack": estimate_proportion(kept, len(counted)),
        "attack_success_rate": estimate_proportion(len(succeeded), len(attempted)),
        "swaps": estimate_mean(len(r.swaps) for r in succeeded),
        "swap_rate": estimate_mean(len(r.swaps) / max(len(find_words(r.example.changeable)), 1) for r in succeeded),
        "similarity": estimate_mean(r.similarity for r in succeeded),
        "queries": estimate_mean(r.queries for r in attempted),
        "forward_passes": estimate_mean(r.forward_passes for r in attempted),
        "eligible": estimate_mean(r.eligible for r in attempted),
        "seconds": estimate_mean(r.seconds for r in attempted),
    }
    for name, (value, error) in columns.items():
        row[name], row[f"{name}_se"] = value, error
    return row


def summarise_embedding_attacks(results: Sequence[EmbeddingAttackResult]) -> dict[str, Any]:
    """Summarise attacks on the word embeddings of labelled examples: one victim, one radius.

    Accuracy under attack counts texts that were misclassified already as wrong; how far representations move is taken
    over all texts, these included (Tables 4 and 5 of the CARL and RAR paper).

    Returns:
        n, skipped, succeeded, failed (counts); unmoved (share of texts without any perturbation: the gradient was zero,
        or the radius); accuracy, accuracy_under_attack, attack_success_rate, cosine, distance, norm, each with its
        standard error `*_se`.
    """
    skipped, succeeded, failed = (sum(r.status == s for r in results) for s in ("skipped", "succeeded", "failed"))
    row: dict[str, Any] = {"n": len(results), "skipped": skipped, "succeeded": succeeded, "failed": failed,
                           "unmoved": estimate_proportion(sum(r.norm == 0 for r in results), len(results))[0]}
    columns = {
        "accuracy": estimate_proportion(succeeded + failed, len(results)),
        "accuracy_under_attack": estimate_proportion(failed, len(results)),
        "attack_success_rate": estimate_proportion(succeeded, succeeded + failed),
        "cosine": estimate_mean(r.cosine for r in results),
        "distance": estimate_mean(r.distance for r in results),
        "norm": estimate_mean(r.norm for r in results),
    }
    for name, (value, error) in columns.items():
        row[name], row[f"{name}_se"] = value, error
    return row


def robustness_curve(results: Sequence[EmbeddingAttackResult]) -> list[dict[str, Any]]:
    """Summarise attacks of one victim at several radii: a row of `embedding_summary` for each, with its radius."""
    by_radius: dict[float, list[EmbeddingAttackResult]] = {}
    for result in results:
        by_radius.setdefault(float(result.attack["radius"]), []).append(result)
    return [{"radius": radius} | summarise_embedding_attacks(found) for radius, found in sorted(by_radius.items())]


def kendall_tau(a: Sequence[float], b: Sequence[float]) -> float:
    """Return Kendall's tau-b of two attributions of the same words; NaN where one is constant or has one word.

    Source: FLAT (Chen and Ji 2022), section 5.2; ties handled by tau-b.
    """
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if len(x) < 2:
        return math.nan
    upper = np.triu_indices(len(x), 1)
    dx = np.sign(x[:, None] - x[None, :])[upper]
    dy = np.sign(y[:, None] - y[None, :])[upper]
    norm = math.sqrt(float((dx != 0).sum()) * float((dy != 0).sum()))
    return float((dx * dy).sum() / norm) if norm else math.nan


def top_k_intersection(a: Sequence[float], b: Sequence[float], k: int) -> float:
    """Return the share of the k highest-scored positions of `a` that are also among those of `b`.

    Positions, not words, are compared, so a substituted word counts as the word it replaces. Short texts divide by
    their length; equal scores go to the earlier position.
    """
    k = min(k, len(a))
    if not k:
        return math.nan
    top_a = np.argsort(-np.asarray(a), kind="stable")[:k]
    top_b = np.argsort(-np.asarray(b), kind="stable")[:k]
    return len(set(top_a.tolist()) & set(top_b.tolist())) / k


def top_k_by_chance(words: int, k: int) -> float:
    """Return the expected top-k intersection of a text of `words` words with a random order of them."""
    return min(k, words) / words if words else math.nan


def consistency(a: Attribution, b: Attribution, pairs: Sequence[tuple[int | None, int | None]],
                ks: Sequence[int] = tuple(range(1, 11))) -> dict[str, Any]:
    """Compare the attributions of two texts on the words that both have.

    Args:
        a: Attribution of the original text.
        b: Attribution of the other text, towards the same class.
        pairs: `robust_core.text.align` of their words.
        ks: Sizes of the top sets.

    Returns:
        kendall_tau (1 for identical texts), top_k {k: share}, top_k_random {k: share by chance}, words compared.
    """
    both = [(i, j) for i, j in pairs if i is not None and j is not None and i < len(a.scores) and j < len(b.scores)]
    x, y = [a.scores[i] for i, _ in both], [b.scores[j] for _, j in both]
    return {
        "kendall_tau": 1.0 if a.text == b.text else kendall_tau(x, y),
        "top_k": {k: top_k_intersection(x, y, k) for k in ks},
        "top_k_random": {k: top_k_by_chance(len(x), k) for k in ks},
        "words": len(both),
    }
