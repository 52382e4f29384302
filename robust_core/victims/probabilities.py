"""Turning what a victim gives into class probabilities, or refusing it in one line."""

from collections.abc import Sequence

import numpy as np

from robust_core.errors import BadInput

# How far a row of probabilities may be from a sum of one: servers round.
_OFF = 0.02


def check_probabilities(given: object, texts: int, labels: Sequence[str], who: str, logits: bool = False) -> np.ndarray:
    """Return (n, classes) float32 probabilities.

    Rows that are float32 already and sum to one within float32's error are not touched, so that a model gives the same
    figures here as at home; others are divided by their sum.

    Args:
        given: What came: rows of numbers.
        texts: How many texts were asked about.
        labels: Names of the classes.
        who: Who answered, for messages.
        logits: Whether the numbers are scores before softmax.

    Raises:
        BadInput: They are too few or too many, or no probabilities.
    """
    try:
        rows = np.asarray(given, dtype=np.float64)
    except (ValueError, TypeError):
        raise BadInput(f"{who} must give {len(labels)} numbers a text, and gives something else.") from None
    if rows.ndim != 2 or rows.shape[1:] != (len(labels),):
        shape = " x ".join(map(str, rows.shape)) or "one number"
        raise BadInput(f"{who} must give {texts} x {len(labels)} numbers, a row a text and a column a class, and gives "
                       f"{shape}.")
    if len(rows) != texts:
        raise BadInput(f"{who} answered {len(rows)} of {texts} texts.")
    if not np.isfinite(rows).all():
        raise BadInput(f"{who} gives numbers that are NaN or infinite.")
    if logits:
        powers = np.exp(rows - rows.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    sums = rows.sum(axis=1, keepdims=True)
    if (rows < -1e-6).any() or (np.abs(sums - 1) > _OFF).any():
        raise BadInput(f"{who} gives no probabilities: a row must sum to 1, not to {float(sums.flat[0]):.3g}. If they "
                       'are scores before softmax, say "scale": "logits", or apply softmax.')
    rounded = np.abs(sums - 1) > 1e-5
    return np.where(rounded, np.clip(rows, 0, None) / sums, np.clip(rows, 0, None)).astype(np.float32)
