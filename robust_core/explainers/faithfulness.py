"""How far to trust an explanation: does the prediction rest on the words that it puts first?"""

from typing import NamedTuple

import numpy as np

from robust_core import metrics
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.occlusion import OcclusionQuery
from robust_core.protocols import Classifier
from robust_core.registry import from_record
from robust_core.types import Attribution

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
_ORDERS = 20


class Faithfulness(NamedTuple):
    """Faithfulness of one attribution, in probability, beside that of random orders of its words.

    Attributes:
        comprehensiveness: Mean fall of the class probability when the first words are taken away; higher is better.
        sufficiency: Mean fall when only they are left; lower is better.
        random_comprehensiveness: Mean of the former over random orders.
        random_sufficiency: Mean of the latter over random orders.
    """

    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: float
    random_sufficiency: float


def measure_faithfulness(model: Classifier, attribution: Attribution) -> Faithfulness:
    """Measure how much of the prediction the words with the highest scores carry.

    The first words are the top 1, 5, 10, 20 and 50 % of those that the model reads, at least one. They are taken away
    as everywhere here: they become the tokenizer's mask or unknown id.

    Returns:
        Figures in probability; NaN for texts without words.

    Source: DeYoung et al. 2020 (ERASER), https://aclanthology.org/2020.acl-main.408, area over the curve.
    """
    asked = OcclusionQuery(model, attribution.text)
    n = min(asked.words, len(attribution.scores))
    if not n:
        return Faithfulness(*[float("nan")] * 4)
    own = np.argsort(-np.asarray(attribution.scores), kind="stable")
    random = np.random.default_rng(0)
    orders = [own, *(random.permutation(n) for _ in range(_ORDERS))]
    counts = [max(1, int(np.ceil(share * n - 1e-9))) for share in SHARES]
    gone = np.zeros((len(orders), len(counts), n), dtype=bool)
    for i, order in enumerate(orders):
        for j, count in enumerate(counts):
            gone[i, j, order[:count]] = True
    masks = np.concatenate([np.ones((1, n), dtype=bool), ~gone.reshape(-1, n), gone.reshape(-1, n)])
    proba = asked(masks)[:, attribution.target]
    falls = (proba[0] - proba[1:]).reshape(2, len(orders), len(counts)).mean(axis=2)
    without, alone = falls[0], falls[1]
    return Faithfulness(float(without[0]), float(alone[0]), float(without[1:].mean()), float(alone[1:].mean()))


def measure_repeatability(model: Classifier, attribution: Attribution, seeds: int = 4) -> tuple[float, float]:
    """Explain again with other seeds, where the explainer has one.

    Returns:
        Mean of Kendall's tau between all pairs of seeds, and the largest standard deviation of a word's score over
        seeds; (1, 0) for an explainer without a seed.
    """
    if "seed" not in attribution.method:
        return 1.0, 0.0
    seed = int(attribution.method["seed"])
    found = [np.asarray(attribution.scores)]
    for other in range(seed + 1, seed + 1 + seeds):
        explainer = from_record(EXPLAINERS, {**attribution.method, "seed": other})
        found.append(np.asarray(explainer.explain(model, [attribution.text], [attribution.target])[0].scores))
    if not len(found[0]):
        return float("nan"), float("nan")
    taus = [metrics.kendall_tau(a, b) for i, a in enumerate(found) for b in found[:i]]  # type: ignore[arg-type]
    return metrics.estimate_mean(taus)[0], float(np.std(found, axis=0, ddof=1).max())
