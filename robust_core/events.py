"""What a running attack, training or evaluation says, message by message, and the rows that come of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypedDict

from robust_core import notebook
from robust_core.text import Swap
from robust_core.types import AttackResult


class StartedData(TypedDict):
    """Data of "started": a search begins at this text."""

    text: str


class SearchData(TypedDict):
    """Data of "progress" of a search: texts submitted so far, the best text, what is tried, P(reference label)."""

    queries: int
    text: str
    trying: str
    proba: float


class StepData(TypedDict):
    """Data of "step": a better text was accepted, which differs from the original by these swaps."""

    queries: int
    text: str
    proba: float
    swaps: tuple[Swap, ...]


class ErrorData(TypedDict):
    """Data of "error": why there is no result, in one line."""

    message: str


class ProgressData(TypedDict):
    """Data of "progress" of an evaluation: what is being done, and how far that is."""

    part: str
    done: int
    total: int


class EvaluationRow(dict[str, Any]):
    """The columns of one row of an evaluation, which draws itself as a table of one line."""

    def _repr_html_(self) -> str:
        return notebook.draw_rows([self])


class Rows(list[Mapping[str, Any]]):
    """Rows of evaluations, to be looked at side by side; they draw themselves as one table."""

    def _repr_html_(self) -> str:
        return notebook.draw_rows(self)


@dataclasses.dataclass(frozen=True)
class Event:
    """One message of a running attack, training or evaluation.

    Args:
        kind: "started", "progress" (something was asked), "step" (a better text was accepted), "result" or "error";
            evaluations add "judged" and "row", experiments "claim" and "note".
        uid: Example it concerns.
        victim: Classifier it concerns.
        data: Plain values: `StartedData`, `SearchData` or `ProgressData`, `StepData` and `ErrorData` by kind; "judged"
            has right (whether the model is right, by uid), "row" the columns of a row.
        result: The result, on the last event of an example.
    """

    kind: str
    uid: str
    victim: str
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    result: AttackResult | None = None

    def _repr_html_(self) -> str | None:
        """Draw a result or a row; of other events a notebook shows what Python does."""
        if self.result is not None:
            return notebook.draw_result(self.result)
        return notebook.draw_rows([self.data]) if self.kind == "row" else None
