"""The state of one running search: its coroutine, its open request, its counts."""

import collections
import dataclasses
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from robust_core.attacks.engine.requests import ORIGINAL, RANKING, Candidate, Request
from robust_core.attacks.engine.token_splice import Splice
from robust_core.types import AttackResult, Example, Step

# Population searches ask thousands of times: beyond this many steps only those that changed the text are kept.
_MOST_STEPS = 400


@dataclasses.dataclass
class SearchState:
    """Counts and state of one search, kept by the scheduler so that no attack can miscount.

    `searching` holds while the attack itself runs, not while its outcome is judged; `ending` once it was told to stop;
    `labels_only` as long as every probability that the search was told is 0 or 1.
    """

    started: float
    max_queries: int
    queries: int = 0
    forward_passes: int = 0
    eligible: int = 0
    over: bool = False
    tried: bool = False
    searching: bool = False
    ending: bool = False
    labels_only: bool = True
    reference: int = -1
    wanted: int | None = None
    goes_on: bool = False
    current: float = 0.0
    best: Candidate | None = None
    curve: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    steps: list[Step] = dataclasses.field(default_factory=list)

    def begin(self, reference: int, before: np.ndarray) -> None:
        """Count the first look at the original text."""
        self.reference = reference
        self.queries = self.forward_passes = self.eligible = 1
        self.labels_only = _is_label(before)
        self.point(float(before[reference]))

    def point(self, proba: float) -> None:
        """Add a point to the curve of the reference label's probability."""
        self.current = proba
        if not self.curve or self.curve[-1] != (self.queries, proba):
            self.curve.append((self.queries, proba))

    def asked(self, trying: str, proba: np.ndarray) -> None:
        """Note a question that was answered by (m, classes) probabilities."""
        self.tried |= bool(len(proba)) and trying not in (RANKING, ORIGINAL)
        self.labels_only = self.labels_only and _is_label(proba)
        if len(proba) and len(self.steps) < _MOST_STEPS:
            lowest = float(proba[:, self.reference].min())
            self.steps.append(Step(self.queries, trying, len(proba), lowest, "", self.current))

    def took(self, candidate: Candidate, proba: np.ndarray) -> None:
        """Note that a candidate is now the best text."""
        self.best = candidate
        self.point(float(proba[self.reference]))
        last = self.steps.pop() if self.steps and not self.steps[-1].text else Step(
            self.queries, "", 1, self.current, "", self.current)
        self.steps.append(last._replace(text=candidate.text, proba=self.current))

    def seconds(self) -> float:
        """Return the wall time since the search began."""
        return time.perf_counter() - self.started


def _is_label(proba: np.ndarray) -> bool:
    return bool(np.isin(proba, (0, 1)).all())


@dataclasses.dataclass(eq=False)
class ActiveSearch:
    """One running search: its coroutine, its open request, and the part of the answer that is there already."""

    example: Example
    victim: int
    steps: Generator[Request, Any, AttackResult]
    tally: SearchState
    splice: "Splice | None" = None
    cache: dict[Any, tuple[int, np.ndarray]] = dataclasses.field(default_factory=dict)
    request: Request | None = None
    keys: list[Any] = dataclasses.field(default_factory=list)
    new: list[Any] = dataclasses.field(default_factory=list)
    missing: collections.deque = dataclasses.field(default_factory=collections.deque)
    over: bool = False


class SearchStopped(Exception):  # noqa: N818 (not an error: thrown into a search to end it)
    """The user or a time limit ended a search."""
