"""Certified L1 robustness by splitting noise: the theorem, without any network.

An input has coordinates 0..1, of which a quantised one takes the values 0, 1/levels, ..., 1. Lambda (`scale`) is half
the width of a cell. Splitting noise cuts every coordinate's line into cells of width 2 Lambda and answers with the
middle of the cell that holds the coordinate, clipped to 0..1. Two inputs are told apart on a coordinate only when a
cut falls between them, with probability |x - y| / (2 Lambda) at most, however the cuts of the coordinates depend on
each other. So each class's share of the votes moves by at most |x - y|_1 / (2 Lambda).

Source: Levine and Feizi 2021, Improved, Deterministic Smoothing for L1 Certified Robustness, arXiv:2103.10834. Uniform
noise: Yang et al. 2020, arXiv:2002.08118.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from robust_core.certify.quantised import check_quantised
from robust_core.errors import BadInput
from robust_core.registry import Registry, check_parameters, param
from robust_core.types import Certificate

# Rows of inputs, (m, *shape) float32, to (m,) class indices.
Judge = Callable[[np.ndarray], np.ndarray]

SMOOTHERS = Registry("smoother", ())
_MOST_EVALUATIONS = 1_000_000
# Numbers in one call of the base classifier: all evaluations of one input, unless they would take more than this.
_ROOM = 32_000_000


def evaluations(scale: float, levels: int) -> int:
    """Return how many offsets DSSN goes through; the cells are then evaluations / levels wide.

    Raises:
        BadInput: Lambda is not positive, or gives no evaluation or too many.
    """
    if not (np.isfinite(scale) and scale > 0):
        raise BadInput(f"Lambda must be a positive number, not {scale!r}.")
    count = int(2 * scale * levels)
    if not 1 <= count <= _MOST_EVALUATIONS:
        raise BadInput(f"Lambda {scale:g} with {levels} levels gives {count} evaluations; 1 to {_MOST_EVALUATIONS:,} "
                       "are possible.")
    return count


def effective_scale(scale: float, levels: int) -> float:
    """Return the Lambda that DSSN really uses: half a whole number of quantisation steps."""
    return evaluations(scale, levels) / (2 * levels)


@functools.lru_cache(maxsize=64)
def template(count: int, size: int) -> np.ndarray:
    """Return the (size,) fixed offset of each coordinate, whole numbers below `count`; the same in training and test.

    Drawn as the authors' released code draws it.
    """
    found = np.random.RandomState(0).randint(count, size=size)  # noqa: NPY002 (the published template)
    found.setflags(write=False)
    return found


def split(vectors: np.ndarray, offsets: np.ndarray, scale: float, levels: int) -> np.ndarray:
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
    count = evaluations(scale, levels)
    cuts = 2 * ((template(count, vectors.shape[1]).astype(np.int32) + offsets.astype(np.int32)[:, None]) % count) + 1
    width, x = 2 * count, 2 * vectors
    # The end of x's cell; it never falls on x, since cuts are odd and x is even. One rule serves Lambda below and above
    # 1/2: from 1/2 on, at most one cut lies inside 0..1.
    upper = cuts + width * -((cuts - x) // width)
    middle = np.minimum(upper, 2 * levels) + np.maximum(upper - width, 0)
    return middle.astype(np.float32) / np.float32(4 * levels)


def split_at(values: np.ndarray, cuts: np.ndarray, scale: float) -> np.ndarray:
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


def lower_bound(successes: np.ndarray, trials: int, alpha: float) -> np.ndarray:
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
        raise BadInput(f"alpha must lie between 0 and 1, not {alpha!r}.")
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
        raise BadInput(f"Lambda must be a positive number, not {scale!r}.")
    return 2 * scale * (lower_bound(np.asarray(top_votes), samples, alpha) - 0.5)


@dataclasses.dataclass(frozen=True)
class Smoother:
    """A way to blur inputs and to certify the majority's answer; a member writes `noisy` and `certify_one`."""

    name: ClassVar[str]
    title: ClassVar[str]
    deterministic: ClassVar[bool] = False

    scale: float = param(2.0, "Lambda: half the width of a cell, or the largest noise; inputs reach from 0 to 1",
                         low=0.0, high=1000.0)

    def __post_init__(self) -> None:
        if not isinstance(self.scale, int | float) or not self.scale > 0:
            raise BadInput(f"Lambda must be a positive number, not {self.scale!r}.")
        check_parameters(self)

    def noisy(self, vectors: np.ndarray, levels: int, rng: np.random.Generator) -> np.ndarray:
        """Return one random blurred copy of each (n, *shape) quantised input, float32: what training sees."""
        raise NotImplementedError

    def certify(self, judge: Judge, vectors: np.ndarray, levels: int, classes: int, *, seed: int = 0
                ) -> Iterator[Certificate]:
        """Certify the smoothed classifier around each input.

        Args:
            judge: The base classifier: (m, *shape) float32 blurred inputs to (m,) classes. It sees all evaluations of
                an input in one call, as far as memory allows.
            vectors: (n, *shape) quantised inputs, whole numbers 0..levels.
            levels: Largest value of a coordinate.
            classes: Number of classes.
            seed: Seed of a randomised method.

        Yields:
            One certificate an input.

        Raises:
            BadInput: Inputs are not quantised as said, or Lambda gives no evaluation.
        """
        for i, vector in enumerate(check_quantised(vectors, levels)):
            yield self.certify_one(judge, vector, levels, classes, np.random.default_rng([seed, i]))

    def certify_one(self, judge: Judge, vector: np.ndarray, levels: int, classes: int, rng: np.random.Generator
                    ) -> Certificate:
        """Certify around one checked input."""
        raise NotImplementedError


@SMOOTHERS.register("dssn", title="DSSN", source="https://arxiv.org/abs/2103.10834")
@dataclasses.dataclass(frozen=True)
class Dssn(Smoother):
    """Splitting noise at every possible offset: the certificate is exact, no chance is left in it."""

    deterministic = True

    def noisy(self, vectors: np.ndarray, levels: int, rng: np.random.Generator) -> np.ndarray:
        """Blur each input at one random offset of the fixed template."""
        offsets = rng.integers(evaluations(self.scale, levels), size=len(vectors))
        return split(_flat(vectors), offsets, self.scale, levels).reshape(vectors.shape)

    def counts(self, judge: Judge, vector: np.ndarray, levels: int, classes: int) -> np.ndarray:
        """Return the (classes,) votes of all offsets for one input."""
        count, flat = evaluations(self.scale, levels), vector.reshape(1, -1)
        votes = np.zeros(classes, dtype=np.int64)
        for start, end in _parts(count, flat.size):
            rows = split(flat, np.arange(start, end), self.scale, levels)
            votes += np.bincount(judge(rows.reshape(-1, *vector.shape)), minlength=classes)
        return votes

    def certify_one(self, judge: Judge, vector: np.ndarray, levels: int, classes: int, rng: np.random.Generator
                    ) -> Certificate:
        """Count the votes of all offsets."""
        votes = self.counts(judge, vector, levels, classes)
        (prediction,), (radius,) = dssn_certificate(votes[None], levels)
        return Certificate(int(prediction), float(radius), "l1", int(votes.sum()), None, tuple(votes.tolist()))


@dataclasses.dataclass(frozen=True)
class _Randomised(Smoother):
    """A method that draws its votes: a few choose the class, the others bound its probability."""

    samples: int = param(10_000, "Votes that bound the class's probability", low=1, high=1_000_000)
    chosen_by: int = param(64, "Separate votes that choose the class", low=1, high=100_000)
    alpha: float = param(0.001, "Probability with which the statement may be false", low=1e-9, high=0.5)

    def blur(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return one blurred copy of each (n, d) input with values 0..1, float32."""
        raise NotImplementedError

    def noisy(self, vectors: np.ndarray, levels: int, rng: np.random.Generator) -> np.ndarray:
        """Blur each input once."""
        return self.blur(_flat(vectors) / np.float32(levels), rng).reshape(vectors.shape)

    def certify_one(self, judge: Judge, vector: np.ndarray, levels: int, classes: int, rng: np.random.Generator
                    ) -> Certificate:
        """Choose the class by a few votes and bound its probability by others."""
        value = vector.reshape(1, -1) / np.float32(levels)

        def votes(count: int) -> np.ndarray:
            total = np.zeros(classes, dtype=np.int64)
            for start, end in _parts(count, value.size):
                rows = self.blur(np.broadcast_to(value, (end - start, value.size)), rng)
                total += np.bincount(judge(rows.reshape(-1, *vector.shape)), minlength=classes)
            return total

        top = int(votes(self.chosen_by).argmax())
        found = votes(self.samples)
        radius = float(randomised_certificate(found[top], self.samples, self.scale, self.alpha))
        return Certificate(top if radius >= 0 else None, max(radius, 0.0), "l1", self.samples, self.alpha,
                           tuple(found.tolist()))


@SMOOTHERS.register("ssn", title="SSN", source="https://arxiv.org/abs/2103.10834")
@dataclasses.dataclass(frozen=True)
class Ssn(_Randomised):
    """Splitting noise with random, independent cuts."""

    def blur(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Cut every coordinate at a place of its own."""
        cuts = rng.random(values.shape, dtype=np.float32) * np.float32(2 * self.scale)
        return split_at(values, cuts, self.scale)


@SMOOTHERS.register("uniform", title="Uniform noise", source="https://arxiv.org/abs/2002.08118")
@dataclasses.dataclass(frozen=True)
class Uniform(_Randomised):
    """Independent uniform noise, added to every coordinate and not clipped."""

    def blur(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise between -Lambda and Lambda."""
        noise = rng.random(values.shape, dtype=np.float32)
        return (values + (2 * noise - 1) * np.float32(self.scale)).astype(np.float32)


def _flat(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(len(vectors), -1)


def _parts(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Split a number of rows of `size` numbers into half-open ranges that fit into memory."""
    step = max(1, _ROOM // size)
    for start in range(0, count, step):
        yield start, min(count, start + step)
