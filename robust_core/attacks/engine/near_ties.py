"""Decisions that do not depend on how texts were batched: what is too close to call is asked again, more exactly.

A figure that comes out of a batch differs in its last digits from the same text judged alone, and a screened one
differs more. Whenever such a difference could change a choice, the figures at stake are settled first; so a search
ends with the same text at any width, order or precision.
"""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import numpy as np

from robust_core.attacks.engine.requests import BATCHED, Estimates, Filled, Refine, Request, Scores

F = TypeVar("F", bound=Estimates)
Asking = Generator[Request, Any, F]


def rank(figures: F) -> Generator[Request, Any, tuple[list[int], F]]:
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
        figures = yield Refine(figures, unsettled.tolist())


def find_highest(figures: F, among: Sequence[int], rivals: np.ndarray | None = None
            ) -> Generator[Request, Any, tuple[int, F]]:
    """Find the highest of some figures; of equal ones the first.

    Args:
        figures: All figures.
        among: Indices to choose from, in the order that settles equality.
        rivals: (m,) bool: which figures must be told apart from the highest; all by default.

    Returns:
        (index, the figures as they were settled)
    """
    while True:
        best, unsettled = _find_contenders(figures, np.asarray(among), rivals, 0.0)
        if not unsettled:
            return best, figures
        figures = yield Refine(figures, unsettled)


def find_leader(scores: Scores) -> Generator[Request, Any, tuple[int, bool, Scores]]:
    """Find the highest success or else the highest figure, of equal ones the first.

    Args:
        scores: (m,) scores, m at least one.

    Returns:
        (index, whether it succeeds, the scores as they were settled)
    """
    while scores.unsure.any():
        scores = yield Refine(scores, np.flatnonzero(scores.unsure).tolist())
    won = np.flatnonzero(scores.success).tolist()
    leader, scores = yield from find_highest(scores, won or range(len(scores.value)))
    return leader, bool(won), scores


def find_highest_of_each(figures: F, groups: Sequence[Sequence[int]], shifts: Sequence[np.ndarray] | None = None
                    ) -> Generator[Request, Any, tuple[list[int], F]]:
    """Find the highest of each group of figures, all groups settled together; of equal ones the first of its group.

    Args:
        figures: All figures.
        groups: Indices to choose from.
        shifts: For each group what is added to its figures. Gumbel noise times a temperature makes the highest a draw
            with the chances of a softmax, of which only near-ties of two need settling.

    Returns:
        (an index for each group, the figures as they were settled)
    """
    added: Sequence[Any] = [0.0] * len(groups) if shifts is None else shifts
    while True:
        found = [_find_contenders(figures, np.asarray(group), None, shift)
                 for group, shift in zip(groups, added, strict=True)]
        unsettled = sorted({k for _, doubtful in found for k in doubtful})
        if not unsettled:
            return [best for best, _ in found], figures
        figures = yield Refine(figures, unsettled)


def _find_contenders(figures: Estimates, chosen: np.ndarray, rivals: np.ndarray | None, shift: np.ndarray | float
                ) -> tuple[int, list[int]]:
    """Return the highest of some figures as they stand, and what must be settled before that is sure."""
    value = figures.value[chosen] + shift
    at = int(value.argmax())
    best = int(chosen[at])
    near = (value[at] - value <= np.maximum(figures.spread[best], figures.spread[chosen])) & (
        figures.same[chosen] != figures.same[best])
    if rivals is not None:
        near &= rivals[chosen]
    return best, [int(k) for k in (best, *chosen[near]) if figures.error[k] > 0] if near.any() else []


def sample_by_gain(figures: F, standing: int, among: Sequence[int], race_weights: np.ndarray
          ) -> Generator[Request, Any, tuple[int | None, F]]:
    """Draw one of some figures, each with a chance in proportion to its rise above another one.

    Args:
        figures: All figures.
        standing: The one to rise above.
        among: Indices to draw from.
        race_weights: For each of them one over an exponential draw: the largest product with the rise wins, and only
            near-ties of two need settling.

    Returns:
        (index, or None where nothing rises; the figures as they were settled)
    """
    chosen = np.asarray(among)
    while True:
        rise = figures.value[chosen] - figures.value[standing]
        error = np.maximum(figures.spread[chosen], figures.spread[standing]) * (
            figures.same[chosen] != figures.same[standing])
        least, most = (np.maximum(rise + side * error, 0) * race_weights for side in (-1, 1))
        best = int((np.maximum(rise, 0) * race_weights).argmax())
        near = (most >= least[best]) & (most > 0)
        sure = not near.any() or (near.sum() == 1 and rise[best] > error[best])
        unsettled = [] if sure else [int(k) for k in (standing, *chosen[near]) if figures.error[k] > 0]
        if not unsettled:
            return (int(chosen[best]) if rise[best] > 0 else None), figures
        figures = yield Refine(figures, unsettled)


def reaches(figures: F, k: int, threshold: float) -> Generator[Request, Any, tuple[bool, F]]:
    """Tell whether figure k reaches a threshold."""
    while figures.error[k] > 0 and abs(figures.value[k] - threshold) <= figures.error[k]:
        figures = yield Refine(figures, [k])
    return bool(figures.value[k] >= threshold), figures


def beats(figures: F, k: int, others: F, j: int) -> Generator[Request, Any, tuple[bool, F, F]]:
    """Tell whether figure k of one answer is higher than figure j of another."""
    while max(figures.error[k], others.error[j]) > 0 and (
            abs(figures.value[k] - others.value[j]) <= max(figures.spread[k], others.spread[j])):
        if figures.error[k] > 0:
            figures = yield Refine(figures, [k])
        if others.error[j] > 0:
            others = yield Refine(others, [j])
    return bool(figures.value[k] > others.value[j]), figures, others


def confirm(figures: F, which: Sequence[int]) -> Asking[F]:
    """Have every figure that was only screened made again in fp32."""
    screened = [k for k in which if figures.level[k] < BATCHED]
    return (yield Refine(figures, screened)) if screened else figures


def settle_likely_words(filled: Filled) -> Generator[Request, Any, Sequence[tuple[str, ...]]]:
    """Return for each blank its likely words, the same whatever stood in a batch beside it."""
    while len(unsure := np.flatnonzero((filled.error > 0) & (filled.value <= filled.error))):
        filled = yield Refine(filled, unsure.tolist())
    return filled.words


def settle_rounded(figures: Estimates, k: int, digits: int) -> Generator[Request, Any, float]:
    """Return figure k rounded, the same for every batch: settled where the error reaches across a rounding limit."""
    while True:
        value, error = float(figures.value[k]), float(figures.error[k])
        if not error > 0 or round(value - error, digits) == round(value + error, digits):
            return round(value, digits)
        figures = yield Refine(figures, [k])
