"""Fluency: how much more surprising a text has become, by the pseudo-perplexity of a masked language model."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from robust_core.errors import BadInput
from robust_core.metrics import estimate_mean
from robust_core.types import AttackResult, Event

# Within this factor nobody would call one text the more fluent one.
_ALIKE = 1.05
_EVERY = 16
# Of a text that somebody typed: about 15 s on two cores for each of two texts. Data sets are measured whole.
MOST_PIECES = 400

MEANING = ("Fluency compares how surprising both texts are to a masked language model: each piece of a text is hidden "
           "in turn, and the model says how probable it is there, given all others (pseudo-perplexity, Salazar et al. "
           "2020). Twice the pseudo-perplexity is called 2 × less fluent. Rare names and slang surprise the model as "
           "well: compare the two texts of a card, not different reviews.")


class Reader(Protocol):
    """A masked language model that can say how surprising texts are.

    Attributes:
        id: Its name.
    """

    id: str

    def pseudo_perplexity(self, texts: Sequence[str], *, most: int | None = None,
                          go_on: Callable[[], bool] = lambda: True) -> np.ndarray:
        """Return (n,) pseudo-perplexities, at least 1; lower is more fluent; NaN for a text that was not read."""
        ...

    def count_pieces(self, text: str) -> int:
        """Return the number of passes that a text takes."""
        ...


def measure_perplexities(model: Reader, results: Sequence[AttackResult], *, most: int | None = None,
                         go_on: Callable[[], bool] = lambda: True) -> list[tuple[float, float]]:
    """Return the pseudo-perplexity of the original and the perturbed text of each result; each text is read once.

    Args:
        model: Masked language model.
        results: What an attack did.
        most: Most pieces of a text; None: no limit.
        go_on: Asked every now and then; once it says no, the texts not read yet have NaN.
    """
    texts = list(dict.fromkeys(text for r in results for text in (r.example.text, r.perturbed)))
    found = dict(zip(texts, map(float, model.pseudo_perplexity(texts, most=most, go_on=go_on)), strict=True))
    return [(found[r.example.text], found[r.perturbed]) for r in results]


def check_length(model: Reader, text: str) -> None:
    """Refuse a typed text whose fluency would take too long to measure.

    Raises:
        BadInput: It has more than MOST_PIECES word pieces.
    """
    pieces = model.count_pieces(text)
    if pieces > MOST_PIECES:
        raise BadInput(f"It takes a pass for each of the text's {pieces:,} word pieces; {MOST_PIECES} are the most.")


def compare_perplexities(before: float, after: float) -> str:
    """Say how two pseudo-perplexities compare, such as `2.3 × less fluent`; empty where one is undefined."""
    if not (math.isfinite(before) and math.isfinite(after)):
        return ""
    factor = after / before
    if 1 / _ALIKE < factor < _ALIKE:
        return "as fluent as before"
    return f"{_format_ratio(factor)} × less fluent" if factor > 1 else f"{_format_ratio(1 / factor)} × more fluent"


def _format_ratio(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{max(factor, 1.1):.1f}"


def measure_results(model: Reader, results: Sequence[AttackResult], victim: str, part: str, stop: threading.Event
             ) -> Iterator[Event | dict[str, Any]]:
    """Measure how much fluency the successes of an attack cost.

    Args:
        model: Masked language model.
        results: What the attack did.
        victim: Id of the attacked model.
        part: What progress is reported under.
        stop: Ends the measuring; there are no columns then.

    Yields:
        "progress" events with part, done and total; at the end a row of columns: fluency_compared (successes behind
        the figure) and perplexity_ratio, the mean over them of the perturbed text's pseudo-perplexity over the
        original's, with its standard error `perplexity_ratio_se`; NaN without any.
    """
    succeeded = [r for r in results if r.status == "succeeded"]
    progress = {"part": part, "total": len(succeeded)}
    ratios: list[float] = []
    for start in range(0, len(succeeded), _EVERY):
        if stop.is_set():
            return
        yield Event("progress", succeeded[start].example.uid, victim, progress | {"done": start})
        pairs = measure_perplexities(model, succeeded[start: start + _EVERY], go_on=lambda: not stop.is_set())
        if stop.is_set():
            return
        ratios += [after / before for before, after in pairs]
    yield Event("progress", "", victim, progress | {"done": len(succeeded)})
    mean, error = estimate_mean(ratios)
    yield {"fluency_compared": sum(map(math.isfinite, ratios)), "perplexity_ratio": mean, "perplexity_ratio_se": error}
