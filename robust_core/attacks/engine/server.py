"""What the servers of the engine share: the bounds on screened and batched figures, and their answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from robust_core.attacks.engine.requests import SCREENED
from robust_core.attacks.engine.search_state import ActiveSearch
from robust_core.protocols import Screened
from robust_core.types import Noise

# One text alone is a batch of its own: a few a turn keep the turn short.
ALONE = 8
Answers = list[tuple[ActiveSearch, Any]]


def bound_noise(level: np.ndarray, model: Screened | None, batched: Noise) -> tuple[np.ndarray, np.ndarray]:
    """Return the (m,) bounds on figures and on differences; a model's own are measured when first screened for."""
    low = level == SCREENED
    screened = model.noise() if model is not None and low.any() else batched
    return np.where(low, screened.absolute, batched.absolute), np.where(low, screened.difference, batched.difference)


def find_first_alike(keys: Sequence[Any]) -> np.ndarray:
    """Return for each key the index of the first that equals it."""
    first: dict[Any, int] = {}
    return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)
