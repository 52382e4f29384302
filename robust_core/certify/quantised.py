"""Quantised inputs: arrays of whole numbers 0..levels, made from values in a fixed range."""

import numpy as np

from robust_core.errors import BadInput, quote


def quantise(values: np.ndarray, low: float, high: float, levels: int = 255) -> np.ndarray:
    """Round values to the nearest of levels + 1 equally spaced ones.

    Args:
        values: Numbers within low..high.
        low: Value that becomes 0.
        high: Value that becomes `levels`.
        levels: Steps between low and high.

    Returns:
        Whole numbers 0..levels of the same shape, int32.

    Raises:
        BadInput: A value is not finite or lies outside the range, or the range is empty.
    """
    if not (np.isfinite([low, high]).all() and low < high):
        raise BadInput(f"The range {quote(low)} to {quote(high)} is empty.")
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise BadInput("The values must be finite numbers; some are not.")
    if values.size and (values.min() < low or values.max() > high):
        raise BadInput(f"The values must lie between {low:g} and {high:g}; they reach from {values.min():g} to "
                       f"{values.max():g}.")
    return np.rint((values - low) / (high - low) * levels).astype(np.int32)


def check_quantised(vectors: np.ndarray, levels: int) -> np.ndarray:
    """Return inputs as int32.

    Args:
        vectors: (n, *shape) whole numbers 0..levels.
        levels: Largest value of a coordinate.

    Raises:
        BadInput: There are no coordinates, or a value is no whole number or outside 0..levels.
    """
    if isinstance(levels, bool) or not isinstance(levels, int | np.integer) or levels < 1:
        raise BadInput(f"The number of levels must be a whole number of at least 1, not {quote(levels)}.")
    vectors = np.asarray(vectors)
    if vectors.ndim < 2 or not vectors[:1].size and len(vectors):
        raise BadInput(f"Inputs must come as rows (n, coordinates), not with the shape {vectors.shape}.")
    if vectors.dtype.kind not in "iuf":
        raise BadInput("Inputs must be whole numbers.")
    if not np.isfinite(vectors).all():
        raise BadInput("Inputs must be finite numbers; some are not.")
    if (vectors != np.rint(vectors)).any():
        raise BadInput(
            f"Inputs must be quantised to whole numbers 0 to {levels}; use robust_core.certify.quantised.quantise."
        )
    if vectors.size and (vectors.min() < 0 or vectors.max() > levels):
        raise BadInput(f"Inputs must lie between 0 and {levels}; they reach from {vectors.min():g} to "
                       f"{vectors.max():g}.")
    return vectors.astype(np.int32)
