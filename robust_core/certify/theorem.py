"""Certified L1 robustness by splitting noise: the theorem, without any network.

An input has coordinates 0..1, of which a quantised one takes the values 0, 1/levels, ..., 1. Lambda (`scale`) is half
the width of a cell. Splitting noise cuts every coordinate's line into cells of width 2 Lambda and answers with the
middle of the cell that holds the coordinate, clipped to 0..1. Two inputs are told apart on a coordinate only when a
cut falls between them, with probability |x - y| / (2 Lambda) at most, however the cuts of the coordinates depend on
each other. So each class's share of the votes moves by at most |x - y|_1 / (2 Lambda).

Source: Levine and Feizi 2021, Improved, Deterministic Smoothing for L1 Certified Robustness, arXiv:2103.10834. Uniform
noise: Yang et al. 2020, arXiv:2002.08118.
"""

import functools

import numpy as np

from robust_core.errors import BadInput, quote

_MOST_EVALUATIONS = 1_000_000


def count_evaluations(scale: float, levels: int) -> int:
    """Return how many offsets DSSN goes through; the cells are then evaluations / levels wide.

    Raises:
        BadInput: Lambda is not positive, or gives no evaluation or too many.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise BadInput(f"Lambda must be a positive number, not {quote(scale)}.")
    count = int(2 * scale * levels)
    if not 1 <= count <= _MOST_EVALUATIONS:
        raise BadInput(f"Lambda {scale:g} with {levels} levels gives {count} evaluations; 1 to {_MOST_EVALUATIONS:,} "
                       "are possible.")
    return count


def round_scale(scale: float, levels: int) -> float:
    """Return the Lambda that DSSN really uses: half a whole number of quantisation steps."""
    return count_evaluations(scale, levels) / (2 * levels)


@functools.lru_cache(maxsize=64)
def draw_template(count: int, size: int) -> np.ndarray:
    """Return the (size,) fixed offset of each coordinate, whole numbers below `count`; the same in training and test.

    Drawn as the authors' released code draws it.
    """
    found = np.random.RandomState(0).randint(count, size=size)  # noqa: NPY002 (the published template)
    found.setflags(write=False)
    return found


def split_inputs(vectors: np.ndarray, offsets: np.ndarray, scale: float, levels: int) -> np.ndarray:
    """Put quantised inputs into their cells.

    Cuts lie half a step beside the quantised values, at template + offset + 1/2 steps, and again after each cell. All
    arithmetic is in whole quarter steps.

    Args:
        vectors: (n, d) int32 values 0..levels.
        offsets: (n,) or (1,) or, for one input, (m,) shifts of the template, whole numbers.
        scale: Lambda.
        levels: Largest value of a coordinate.

    Returns:
        (rows, d) float32 middles of the cells, 0..1.
    """
    count = count_evaluations(scale, levels)
    cuts = (
        2 * ((draw_template(count, vectors.shape[1]).astype(np.int32) + offsets.astype(np.int32)[:, None]) % count) + 1
    )
    width, x = 2 * count, 2 * vectors
    # The end of x's cell; it never falls on x, since cuts are odd and x is even. One rule serves Lambda below and above
    # 1/2: from 1/2 on, at most one cut lies inside 0..1.
    upper = cuts + width * -((cuts - x) // width)
    middle = np.minimum(upper, 2 * levels) + np.maximum(upper - width, 0)
    return middle.astype(np.float32) / np.float32(4 * levels)


def split_at_offset(values: np.ndarray, cuts: np.ndarray, scale: float) -> np.ndarray:
    """Put any inputs 0..1 into their cells, as `split` does for quantised ones.

    Args:
        values: (n, d) numbers 0..1.
        cuts: (n, d) or broadcastable positions of a cut, 0..2 Lambda.
        scale: Lambda.

    Returns:
        (n, d) float32 middles of the cells, 0..1.
    """
    width = 2 * scale
    upper = np.ceil((values - cuts) / width) * width + cuts
    return ((np.minimum(upper, 1) + np.maximum(upper - width, 0)) / 2).astype(np.float32)


def dssn_certificate(counts: np.ndarray, levels: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """Read the certificate off the votes of DSSN.

    A change of k quantisation steps in L1 moves each count by at most k. Ties go to the lower class, so a rival of a
    lower index has to stay strictly behind.

    Args:
        counts: (n, classes) votes, whole numbers.
        levels: Largest value of a coordinate.

    Returns:
        (n,) classes, int64, and (n,) radii, float64: multiples of 1 / levels, with inputs scaled to 0..1. Every
        quantised input at most that far away has the same class.

    Raises:
        BadInput: The counts are no table of votes for at least two classes.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2 or counts.shape[1] < 2 or counts.dtype.kind not in "iu":
        raise BadInput("Votes must be whole numbers in a table (n, classes) of at least two classes.")
    counts = counts.astype(np.int64)
    if (counts < 0).any():
        raise BadInput("Votes cannot be negative.")
    order = np.argsort(-counts, axis=1, kind="stable")
    first, second = order[:, 0], order[:, 1]
    rows = np.arange(len(counts))
    lead = counts[rows, first] - counts[rows, second] - (second < first)
    return first, (lead // 2) / levels


def bound_proportion(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
    """Bound success probabilities from below: the lower end of the two-sided Clopper-Pearson interval.

    Args:
        successes: Draws that hit the class, 0..trials.
        trials: Independent draws.
        alpha: Failure probability of the interval of both ends, in (0, 1).

    Raises:
        BadInput: A count or alpha is out of range.

    Source: as in the released code of both papers, level alpha / 2 at either end.
    """
    from scipy.special import betaincinv

    hits = np.asarray(successes)
    if trials < 1 or hits.dtype.kind not in "iu" or (hits < 0).any() or (hits > trials).any():
        raise BadInput(f"Votes for the top class must be whole numbers between 0 and the {trials} samples.")
    if not 0 < alpha < 1:
        raise BadInput(f"alpha must lie between 0 and 1, not {quote(alpha)}.")
    hits = hits.astype(np.float64)
    return np.where(hits > 0, betaincinv(np.maximum(hits, 1), trials - hits + 1, alpha / 2), 0.0)


def randomised_certificate(top_votes: np.ndarray | int, samples: int, scale: float, alpha: float = 0.001) -> np.ndarray:
    """Return the L1 radius that random votes prove: for splitting noise as well as for uniform additive noise.

    Args:
        top_votes: Votes for the class that separate votes had chosen.
        samples: Votes in all.
        scale: Lambda.
        alpha: Probability with which the statement may be false.

    Returns:
        2 Lambda (p - 1/2) with p the lower bound of the class's probability; negative means abstain.

    Raises:
        BadInput: A value is out of range.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise BadInput(f"Lambda must be a positive number, not {quote(scale)}.")
    return 2 * scale * (bound_proportion(np.asarray(top_votes), samples, alpha) - 0.5)
