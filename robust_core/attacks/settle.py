"""Decisions that do not depend on how texts were batched: what is too close to call is asked again, more exactly.

A figure that comes out of a batch differs in its last digits from the same text judged alone, and a screened one
differs more. Whenever such a difference could change a choice, the figures at stake are settled first; so a search
ends with the same text at any width, order or precision.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import numpy as np

from robust_core.attacks.requests import BATCHED, Figures, Request, Settle

F = TypeVar("F", bound=Figures)
Asking = Generator[Request, Any, F]


def ranking(figures: F) -> Generator[Request, Any, tuple[list[int], F]]:
    """Order all figures from high to low; equal ones stay in their order.

    Returns:
        (order, the figures as they were settled)
    """
    while True:
        near = np.abs(figures.value[:, None] - figures.value) <= np.maximum(figures.spread[:, None], figures.spread)
        near &= figures.same[:, None] != figures.same
        unsettled = np.flatnonzero(near.any(axis=1) & (figures.error > 0))
        if not len(unsettled):
            return [int(k) for k in np.argsort(-figures.value, kind="stable")], figures
        figures = yield Settle(figures, unsettled.tolist())


def highest(figures: F, among: Sequence[int], rivals: np.ndarray | None = None
            ) -> Generator[Request, Any, tuple[int, F]]:
    """Find the highest of some figures; of equal ones the first.

    Args:
        figures: All figures.
        among: Indices to choose from, in the order that settles equality.
        rivals: (m,) bool: which figures must be told apart from the highest; all by default.

    Returns:
        (index, the figures as they were settled)
    """
    chosen = np.asarray(among)
    while True:
        best = int(chosen[figures.value[chosen].argmax()])
        gap = figures.value[best] - figures.value[chosen]
        near = (gap <= np.maximum(figures.spread[best], figures.spread[chosen])) & (
            figures.same[chosen] != figures.same[best])
        if rivals is not None:
            near &= rivals[chosen]
        unsettled = [int(k) for k in (best, *chosen[near]) if figures.error[k] > 0] if near.any() else []
        if not unsettled:
            return best, figures
        figures = yield Settle(figures, unsettled)


def at_least(figures: F, k: int, threshold: float) -> Generator[Request, Any, tuple[bool, F]]:
    """Tell whether figure k reaches a threshold."""
    while figures.error[k] > 0 and abs(figures.value[k] - threshold) <= figures.error[k]:
        figures = yield Settle(figures, [k])
    return bool(figures.value[k] >= threshold), figures


def beats(figures: F, k: int, others: F, j: int) -> Generator[Request, Any, tuple[bool, F, F]]:
    """Tell whether figure k of one answer is higher than figure j of another."""
    while max(figures.error[k], others.error[j]) > 0 and (
            abs(figures.value[k] - others.value[j]) <= max(figures.spread[k], others.spread[j])):
        if figures.error[k] > 0:
            figures = yield Settle(figures, [k])
        if others.error[j] > 0:
            others = yield Settle(others, [j])
    return bool(figures.value[k] > others.value[j]), figures, others


def confirmed(figures: F, which: Sequence[int]) -> Asking[F]:
    """Have every figure that was only screened made again in fp32."""
    screened = [k for k in which if figures.level[k] < BATCHED]
    return (yield Settle(figures, screened)) if screened else figures


def rounded(figures: Figures, k: int, digits: int) -> Generator[Request, Any, float]:
    """Return figure k rounded, the same for every batch: settled where the error reaches across a rounding limit."""
    while True:
        value, error = float(figures.value[k]), float(figures.error[k])
        if not error > 0 or round(value - error, digits) == round(value + error, digits):
            return round(value, digits)
        figures = yield Settle(figures, [k])
