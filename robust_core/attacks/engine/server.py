"""What the servers of the engine share: the bounds on screened and batched figures, and their answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.attacks.engine.requests import (
    SCREENED,
)
from robust_core.types import Noise

if TYPE_CHECKING:
    from robust_core.attacks.engine.search_state import Running
# One text alone is a batch of its own: a few a turn keep the turn short.
ALONE = 8
Answers = list[tuple["Running", Any]]


def noise_bounds(level: np.ndarray, model: Any, batched: Noise) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    """Return the (m,) bounds on figures and on differences; a model's own are measured when first screened for."""
    low = level == SCREENED
    screened = model.noise() if low.any() else batched
    return np.where(low, screened.absolute, batched.absolute), np.where(low, screened.difference, batched.difference)


def first_alike(keys: Sequence[Any]) -> np.ndarray:
    """Return for each key the index of the first that equals it."""
    first: dict[Any, int] = {}
    return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)
