"""A run and its results, as a store holds them."""

import dataclasses
import math

from robust_core.runs import Run
from robust_core.types import AttackResult, Example, Swap

RUN = Run({"name": "textfooler", "max_queries": 0}, {"sst2/cnn/base": "ab"}, {"dataset": "sst2"}, 0, {"torch": "2"},
          "cpu")


def result(uid: str = "sst2/test/0", victim: str = "sst2/cnn/base", **changes: object) -> AttackResult:
    """Return a result in which every kind of value occurs."""
    values = AttackResult(
        Example("a good movie", 1, uid), victim, {"name": "textfooler", "similarity": 0.82}, "a fine movie", 1, 0,
        (0.1 + 0.2, 1 / 3), (5e-324, 0.99999999), 12, 10, 7, math.nan, 0.012345678901234567, "succeeded",
        (Swap(2, 6, "good", "fine"),), ((1, 0.7), (12, 0.3)), ("a note",))
    return dataclasses.replace(values, **changes)
