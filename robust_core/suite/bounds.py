"""When enough texts have been seen: confidence bounds on a mean that hold at every moment at once.

x_1, x_2, … are independent values in 0..1 with mean mu: whether a model stood a test on one text, say. Who bets the
share c of his money against "mu <= m" at fair odds has after n texts

    K_c = prod_i (1 - c + c x_i / m),        0 < c < 1,

times his stake, which does not grow in expectation while mu <= m. So does the mean K of K_c over several c, and by
Ville's inequality the probability that K ever reaches 1 / alpha is at most alpha. K falls with m: the lower bound is
the m where K = 1 / alpha, and it stays below mu for all n at once with probability 1 - alpha. The upper bound is the
same of 1 - x. Whoever stops early, because the bound has crossed a limit, time is over or somebody pressed Ctrl-C, and
whoever goes on later with more texts, has the same promise.

Source: Waudby-Smith and Ramdas 2024, Estimating means of bounded random variables by betting, Journal of the Royal
Statistical Society B 86 (1), 1-27 (https://arxiv.org/abs/2010.09686): the hedged capital process, with a mixture over
constant bets instead of a sequence of them, so that the order of the texts does not matter. Ville 1939, Étude critique
de la notion de collectif.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

Verdict = Literal["passes", "fails", "too close to call"]
PASSES: Verdict = "passes"
FAILS: Verdict = "fails"
CLOSE: Verdict = "too close to call"

# Large bets find large differences after few texts, small ones small differences in the end.
_BETS = np.geomspace(0.01, 0.99, 100)
_STEPS = 50


def log_capital(values: Sequence[float], mean: float) -> float:
    """Return the logarithm of what bets against "the mean is at most `mean`" have made of one unit of money.

    Args:
        values: (n,) values in 0..1.
        mean: In (0, 1].
    """
    if not len(values):
        return 0.0
    different, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    grown = (counts * np.log1p(_BETS[:, None] * (different / mean - 1))).sum(1)
    most = float(grown.max())
    return most + math.log(float(np.exp(grown - most).mean()))


def bound_below(values: Sequence[float], alpha: float) -> float:
    """Return the lower confidence bound of the mean: above the mean, at any time, with probability `alpha` at most.

    Args:
        values: (n,) independent values in 0..1.
        alpha: In (0, 1).
    """
    wanted, low, high = -math.log(alpha), 0.0, 1.0
    if not any(values):
        return 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if log_capital(values, middle) >= wanted:
            low = middle
        else:
            high = middle
    return low


def bound_above(values: Sequence[float], alpha: float) -> float:
    """Return the upper confidence bound of the mean, as `bound_below` does the lower one."""
    return 1.0 - bound_below([1.0 - value for value in values], alpha)


def judge(values: Sequence[float], limit: float, alpha: float) -> Verdict:
    """Say whether the mean is at least `limit`, as far as the values tell.

    Args:
        values: (n,) independent values in 0..1.
        limit: In (0, 1).
        alpha: Probability with which "fails" may ever be said of a mean that is at least the limit; likewise "passes"
            of one that is below it.

    Returns:
        FAILS where the upper bound is below the limit, PASSES where the lower one is above it, else CLOSE.
    """
    wanted = -math.log(alpha)
    if log_capital([1.0 - value for value in values], 1.0 - limit) >= wanted:
        return FAILS
    return PASSES if log_capital(values, limit) >= wanted else CLOSE
