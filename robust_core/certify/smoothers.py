"""Smoothing methods: DSSN with its exact certificate, SSN and uniform noise with a randomised one."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np

from robust_core.certify import SMOOTHERS
from robust_core.certify.quantised import check_quantised
from robust_core.certify.theorem import (
    count_evaluations,
    dssn_certificate,
    randomised_certificate,
    split_at_offset,
    split_inputs,
)
from robust_core.errors import BadInput, quote
from robust_core.registry import Method, check_parameters, param
from robust_core.types import Certificate

# Rows of inputs, (m, *shape) float32, to (m,) class indices.
Judge = Callable[[np.ndarray], np.ndarray]

# Numbers in one call of the base classifier: all evaluations of one input, unless they would take more than this.
_ROOM = 32_000_000


@dataclasses.dataclass(frozen=True)
class Smoother(Method):
    """A way to blur inputs and to certify the majority's answer; a member writes `noisy` and `certify_one`."""

    deterministic: ClassVar[bool] = False

    scale: float = param(2.0, "Lambda: half the width of a cell, or the largest noise; inputs reach from 0 to 1",
                         low=0.0, high=1000.0)

    def __post_init__(self) -> None:
        if not isinstance(self.scale, int | float) or not self.scale > 0:
            raise BadInput(f"Lambda must be a positive number, not {quote(self.scale)}.")
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
        offsets = rng.integers(count_evaluations(self.scale, levels), size=len(vectors))
        return split_inputs(_flatten(vectors), offsets, self.scale, levels).reshape(vectors.shape)

    def counts(self, judge: Judge, vector: np.ndarray, levels: int, classes: int) -> np.ndarray:
        """Return the (classes,) votes of all offsets for one input."""
        count, flat = count_evaluations(self.scale, levels), vector.reshape(1, -1)
        votes = np.zeros(classes, dtype=np.int64)
        for start, end in _split_rows(count, flat.size):
            rows = split_inputs(flat, np.arange(start, end), self.scale, levels)
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
        return self.blur(_flatten(vectors) / np.float32(levels), rng).reshape(vectors.shape)

    def certify_one(self, judge: Judge, vector: np.ndarray, levels: int, classes: int, rng: np.random.Generator
                    ) -> Certificate:
        """Choose the class by a few votes and bound its probability by others."""
        value = vector.reshape(1, -1) / np.float32(levels)

        def votes(count: int) -> np.ndarray:
            total = np.zeros(classes, dtype=np.int64)
            for start, end in _split_rows(count, value.size):
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
        return split_at_offset(values, cuts, self.scale)


@SMOOTHERS.register("uniform", title="Uniform noise", source="https://arxiv.org/abs/2002.08118")
@dataclasses.dataclass(frozen=True)
class Uniform(_Randomised):
    """Independent uniform noise, added to every coordinate and not clipped."""

    def blur(self, values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Add noise between -Lambda and Lambda."""
        noise = rng.random(values.shape, dtype=np.float32)
        return (values + (2 * noise - 1) * np.float32(self.scale)).astype(np.float32)


def _flatten(vectors: np.ndarray) -> np.ndarray:
    return vectors.reshape(len(vectors), -1)


def _split_rows(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Split a number of rows of `size` numbers into half-open ranges that fit into memory."""
    step = max(1, _ROOM // size)
    for start in range(0, count, step):
        yield start, min(count, start + step)
