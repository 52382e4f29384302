"""Differential evolution (Storn and Price 1997) over vectors of numbers in 0..1: whole generations side by side.

The strategy is SciPy's default, best1bin: a trial is the best member plus a scaled difference of two others, crossed
with the member that it would replace; the scale is drawn anew for each generation.
"""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np

from robust_core.attacks.engine.near_ties import confirm, find_highest_of_each, find_leader
from robust_core.attacks.engine.requests import Accept, Candidate, Request, Score, Scores, Search, Target
from robust_core.attacks.searches.population import gather_scores
from robust_core.text import Draft

_SCALE, _CROSSING = (0.5, 1.0), 0.7


def evolve_vectors(target: Target, write: Callable[[np.ndarray], str], dimensions: int, population: int,
                   generations: int, rng: np.random.Generator, *, trying: str) -> Search:
    """Evolve vectors until the victim errs; return the text of the best one, or the original where none is better.

    Args:
        target: The text.
        write: Gives the text of a (dimensions,) vector.
        dimensions: Numbers of a vector; 0 where nothing can be changed.
        population: Members for each of them.
        generations: How often each member is tried to be replaced.
        rng: Generator of this search.
        trying: What is changed, for people who watch.
    """
    best = Candidate(target.draft)
    if not dimensions:
        return best
    size = max(population * dimensions, 5)
    members = _spread(rng, size, dimensions)
    held, standing = (yield from _score(write, members, trying)), target.standing
    members = members[: len(held.value)]
    for turn in range(generations + 1):
        if not len(held.value):
            break
        leader, won, held = yield from find_leader(held)
        if won or held.value[leader] > standing:
            held = yield from confirm(held, [leader])
            text = write(members[leader])
            if text != best.text:
                best, standing = Candidate(Draft.of(text)), float(held.value[leader])
                yield Accept(best, held.proba[leader])
        if won or held.over or turn == generations:
            break
        trials = _cross(rng, members, leader)
        young = yield from _score(write, trials, trying)
        both = gather_scores([held, young])
        asked = len(young.value)
        # As in SciPy a trial that is as good takes the place.
        rows, both = yield from find_highest_of_each(both, [[len(members) + i, i] for i in range(asked)])
        rows = [*rows, *range(asked, len(members))]
        members = np.concatenate([members, trials[:asked]])[rows]
        held = gather_scores([both], rows)
    return best


def _score(write: Callable[[np.ndarray], str], members: np.ndarray, trying: str) -> Generator[Request, Any, Scores]:
    scores: Scores = yield Score([Candidate(Draft.of(write(member))) for member in members], trying=trying)
    yield Accept(None, eligible=len(scores.value))
    return scores


def _spread(rng: np.random.Generator, size: int, dimensions: int) -> np.ndarray:
    """Return (size, dimensions) numbers of a Latin hypercube: each column has one number in each of `size` parts."""
    parts = (np.arange(size)[:, None] + rng.random((size, dimensions))) / size
    return np.stack([parts[rng.permutation(size), k] for k in range(dimensions)], axis=1)


def _cross(rng: np.random.Generator, members: np.ndarray, leader: int) -> np.ndarray:
    """Return a trial for each member; numbers outside 0..1 are drawn again."""
    size, dimensions = members.shape
    scale = rng.uniform(*_SCALE)
    trials = members.copy()
    for i in range(size):
        one, two = rng.choice(size - 1, 2, replace=False)
        mutant = members[leader] + scale * (members[one + (one >= i)] - members[two + (two >= i)])
        taken = rng.random(dimensions) < _CROSSING
        taken[rng.integers(dimensions)] = True
        trials[i] = np.where(taken, mutant, members[i])
    outside = (trials < 0) | (trials > 1)
    return np.where(outside, rng.random(trials.shape), trials)
