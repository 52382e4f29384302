"""From the rows of a claim to its value, error and n: the one place where a stored figure is worked out.

What is measured is counts and means, one row a training. What a claim states is worked out from them here when it is
written, when it is checked and when a table shows it, so the three cannot disagree.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from robust_core import metrics
from robust_core.errors import BadInput

Row = Mapping[str, Any]


class Figure(NamedTuple):
    """What a claim states.

    Attributes:
        value: The figure; NaN where it is not defined.
        error: Its standard error; NaN where there is none.
        n: The denominator of the rate it states, or the examples behind the mean.
    """

    value: float
    error: float
    n: int


# Counts whose sum stands above and below the line of a share: what attacks of words and of embeddings count.
_SHARES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "accuracy": (("succeeded", "failed", "exhausted"), ("n",)),
    "accuracy_under_attack": (("failed", "exhausted"), ("n",)),
    "attack_success_rate": (("succeeded",), ("succeeded", "failed", "exhausted")),
    "rate": (("fooled",), ("right",)),
    "inside_share": (("inside",), ("changed",)),
    "completeness": ((), ("n",)),
}
# How far a share may lie from a whole count over n, in counts: figures that were rounded to 6 digits still pass.
_ROUNDING = 0.01


def read_share(row: Row, metric: str) -> Figure:
    """Return a share of a row, worked out from its counts where it has them.

    Raises:
        BadInput: The row says something else than its counts, or no whole count gives it.
    """
    hits, trials = _count(row, metric)
    value, error = metrics.estimate_proportion(hits, trials)
    stated = row.get(metric)
    if stated is not None and math.isfinite(value) and abs(float(stated) - value) * max(trials, 1) > _ROUNDING:
        raise BadInput(f"{metric} is {stated:.6g} where the counts give {value:.6g}.")
    return Figure(value, error, trials)


def _count(row: Row, metric: str) -> tuple[int, int]:
    above, below = _SHARES.get(metric, ((), ()))
    # An attack that reduces a text succeeds without a flip: its counts do not tell who was right afterwards.
    reduces = row.get("attack") == "input-reduction" and metric == "accuracy_under_attack"
    if above and above[0] in row and not reduces:
        return sum(row.get(name, 0) for name in above), sum(row.get(name, 0) for name in below)
    hits, trials = float(row[metric]) * row["n"], int(row["n"])
    if abs(hits - round(hits)) > _ROUNDING:
        raise BadInput(f"{metric} is {row[metric]:.6g}, which is no share of {trials:,}.")
    return round(hits), trials


def read_figure(row: Row, metric: str) -> Figure:
    """Return a share of a row (`read_share`), or a mean with the error that stands beside it."""
    if metric in _SHARES:
        return read_share(row, metric)
    error = row.get(f"{metric}_se")
    return Figure(_to_number(row[metric]), _to_number(error), int(row["n"]))


def pool_rows(rows: Sequence[Row], metric: str) -> Figure:
    """Return a figure over several trainings, one row each, whose error counts texts and trainings."""
    return pool_figures([read_figure(row, metric) for row in rows])


def pool_figures(figures: Sequence[Figure]) -> Figure:
    """Return the mean of the figures of several trainings on the same texts; n is that of the first."""
    value, error = metrics.pool_seeds([f.value for f in figures], [f.error for f in figures])
    return Figure(value, error, figures[0].n)


def average_tasks(rows: Sequence[Row], metric: str = "value") -> Figure:
    """Return the mean over tasks of the figures of several encoders; n is the sum over the first encoder's tasks.

    Args:
        rows: One a task and encoder, with encoder, value, value_se and n.
        metric: Name of the figure in a row.
    """
    each: dict[str, list[Row]] = {}
    for row in rows:
        each.setdefault(row["encoder"], []).append(row)
    means = [math.fsum(row[metric] for row in mine) / len(mine) for mine in each.values()]
    errors = [math.sqrt(math.fsum(row[f"{metric}_se"] ** 2 for row in mine)) / len(mine) for mine in each.values()]
    return Figure(*metrics.pool_seeds(means, errors), sum(row["n"] for row in next(iter(each.values()))))


def _to_number(value: float | None) -> float:
    return math.nan if value is None else float(value)
