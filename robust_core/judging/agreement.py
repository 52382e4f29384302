"""How far judges agree: Cohen's kappa of two, Fleiss' kappa of more, and the texts on which they differ most."""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from robust_core.judging.items import Item
from robust_core.judging.records import Judged, fold_name, keep_latest, list_judges
from robust_core.metrics import estimate_mean, estimate_proportion
from robust_core.tables import fold_label

LABEL, ENGLISH = "label", "passable English"
COHEN, FLEISS = "Cohen's kappa", "Fleiss' kappa"
_READ: Mapping[str, Callable[[Judged], str]] = {
    LABEL: lambda each: fold_label(each.says), ENGLISH: lambda each: "yes" if each.passable else "no"}


# How many texts have which answers.
Answers = Mapping[tuple[str, ...], int]


class Agreement(NamedTuple):
    """How far judges agree on one question.

    Attributes:
        about: LABEL or ENGLISH.
        method: COHEN for two judges, FLEISS for more.
        judges: How many.
        texts: Texts that two of them judged at least.
        observed: Share of agreeing pairs of judges, the mean over texts.
        observed_error: Its standard error.
        kappa: What lies above chance, of what could: 1 is full agreement, 0 chance; NaN where all said the same of all.
        error: Its standard error.
    """

    about: str
    method: str
    judges: int
    texts: int
    observed: float
    observed_error: float
    kappa: float
    error: float


class Disputed(NamedTuple):
    """A text on which judges differ.

    Attributes:
        item: The text.
        says: How many judges gave which label.
        passable: How many find it passable English.
        judges: How many judged it.
        agreeing: Share of pairs of judges that agree on the label.
    """

    item: Item
    says: Counter[str]
    passable: int
    judges: int
    agreeing: float


def measure_agreement(judged: Iterable[Judged]) -> list[Agreement]:
    """Return how far judges agree on the label and on the English; nothing where no text has two judges."""
    texts = [own for own in _group_texts(judged) if len(own) > 1]
    judges = list_judges(each for own in texts for each in own)
    return [_measure(about, read, texts, list(judges)) for about, read in _READ.items()] if texts else []


def _measure(about: str, read: Callable[[Judged], str], texts: Sequence[Sequence[Judged]], judges: Sequence[str]
             ) -> Agreement:
    pairs = [_share_agreeing(Counter(map(read, own))) for own in texts]
    observed, spread = estimate_mean(pairs)
    if len(set(pairs)) == 1 and pairs[0] in (0.0, 1.0):
        spread = estimate_proportion(pairs[0] * len(pairs), len(pairs))[1]
    two = len(judges) == 2
    # Of two judges it counts who said what; of more, only how often each answer was given.
    answers = Counter(tuple(read(each) for each in sorted(own, key=lambda each: judges.index(fold_name(each.judge))))
                      if two else tuple(sorted(map(read, own))) for own in texts)
    kappa, error = _estimate(cohen_kappa if two else fleiss_kappa, answers)
    return Agreement(about, COHEN if two else FLEISS, len(judges), len(texts), observed, spread, kappa, error)


def cohen_kappa(answers: Answers) -> float:
    """Return Cohen's kappa of two judges.

    Args:
        answers: How many texts have which two answers, the first judge's and the second's.

    Source: Cohen 1960, Educational and Psychological Measurement 20 (1), 37-46; by scikit-learn.
    """
    from sklearn.metrics import cohen_kappa_score

    first, second = zip(*answers, strict=True)
    with warnings.catch_warnings():
        # It warns where chance alone explains everything; NaN says so.
        warnings.simplefilter("ignore")
        return float(cohen_kappa_score(first, second, sample_weight=list(answers.values())))


def fleiss_kappa(answers: Answers) -> float:
    """Return Fleiss' kappa, also where texts have different numbers of judges (two at least).

    A text's agreement is the share of its agreeing pairs; chance comes from the mean over texts of each answer's share.

    Args:
        answers: How many texts have which answers, in any order.

    Source: Fleiss 1971, Psychological Bulletin 76 (5), 378-382; for different numbers of judges Gwet 2014, Handbook of
    Inter-Rater Reliability, chapter 2.
    """
    names = sorted({answer for own in answers for answer in own})
    counts = np.array([[own.count(name) for name in names] for own in answers], dtype=np.float64)
    weights, judges = np.array(list(answers.values()), dtype=np.float64), counts.sum(1)
    agreeing = (counts * (counts - 1)).sum(1) / (judges * (judges - 1))
    by_chance = float((np.average(counts / judges[:, None], axis=0, weights=weights) ** 2).sum())
    if by_chance > 1 - 1e-12:
        return math.nan
    return float((np.average(agreeing, weights=weights) - by_chance) / (1 - by_chance))


def _estimate(method: Callable[[Answers], float], answers: Answers) -> tuple[float, float]:
    """Return a kappa and its standard error by the jackknife over texts.

    Leaving out a text of equal answers gives equal values: each kind is worked out once. Where full agreement makes all
    values equal, the error is that of the observed agreement, as in `estimate_proportion`, on kappa's scale.
    """
    kappa, n = method(answers), sum(answers.values())
    if math.isnan(kappa) or n < 2:
        return kappa, math.nan
    if all(len(set(own)) == 1 for own in answers):
        shares = Counter[str]()
        for own, count in answers.items():
            shares[own[0]] += count
        return kappa, estimate_proportion(n, n)[1] / (1 - sum((count / n) ** 2 for count in shares.values()))
    values = {own: method({other: count - (other == own) for other, count in answers.items() if count > (other == own)})
              for own in answers}
    mean = sum(values[own] * count for own, count in answers.items()) / n
    spread = sum(count * (values[own] - mean) ** 2 for own, count in answers.items())
    return kappa, math.sqrt((n - 1) / n * spread)


def list_disputed(judged: Iterable[Judged]) -> list[Disputed]:
    """Return the texts on which two judges differ, in label or English, those first on whose label they differ most."""
    found = []
    for own in _group_texts(judged):
        says, passable = Counter(each.says for each in own), sum(each.passable for each in own)
        agreeing = _share_agreeing(Counter(map(_READ[LABEL], own)))
        if len(own) > 1 and (agreeing < 1 or 0 < passable < len(own)):
            found.append(Disputed(own[0].item, says, passable, len(own), agreeing))
    return sorted(found, key=lambda each: (each.agreeing, abs(2 * each.passable - each.judges) / each.judges,
                                           each.item.id))


def _group_texts(judged: Iterable[Judged]) -> list[list[Judged]]:
    texts: dict[tuple[str, str], list[Judged]] = {}
    for each in keep_latest(judged):
        texts.setdefault((each.source, each.item.id), []).append(each)
    return list(texts.values())


def _share_agreeing(counts: Counter[str]) -> float:
    n = sum(counts.values())
    return sum(count * (count - 1) for count in counts.values()) / (n * (n - 1)) if n > 1 else math.nan


def to_row(agreement: Agreement) -> dict[str, Any]:
    """Return it as plain data."""
    return {"agreement": agreement.about, "method": agreement.method, "judges": agreement.judges,
            "texts": agreement.texts, "observed": agreement.observed, "observed_se": agreement.observed_error,
            "kappa": agreement.kappa, "kappa_se": agreement.error}
