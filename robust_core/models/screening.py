"""Screening in bf16: where it pays, and how far off it may be."""

import functools
from collections.abc import Sequence

import numpy as np

from robust_core import datasets
from robust_core.text import Draft, Edit
from robust_core.types import Noise

_PROBES, _VARIANTS = 16, 12


@functools.cache
def make_probes() -> list[list[str]]:
    """Return packaged reviews of various lengths, each with texts that lack one of its words."""
    texts = sorted((example.text for example in datasets.load("reviews", "train")), key=len)
    groups = []
    for text in texts[:: max(len(texts) // _PROBES, 1)]:
        draft = Draft.of(text)
        places = range(0, len(draft.words), max(len(draft.words) // _VARIANTS, 1))
        groups.append([text, *(draft.apply(Edit(i, i + 1, ())).text for i in places)])
    return groups


def compute_log_odds(proba: np.ndarray) -> np.ndarray:
    """Return log p / (1 - p) of (n, classes) probabilities."""
    proba = np.maximum(proba.astype(np.float64), np.finfo(np.float32).tiny)
    rest = proba.sum(axis=1, keepdims=True) - proba
    return np.log(proba) - np.log(np.maximum(rest, np.finfo(np.float32).tiny))


def measure_noise(errors: Sequence[np.ndarray]) -> Noise:
    """Return the largest errors seen.

    Args:
        errors: For each text, the (variants, figures) errors of its variants.
    """
    absolute = max(float(np.abs(group).max()) for group in errors)
    difference = max(float(np.ptp(group, axis=0).max()) for group in errors)
    return Noise(absolute, max(absolute, difference))
