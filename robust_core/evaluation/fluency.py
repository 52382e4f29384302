"""Fluency: how much more surprising a text has become, by the pseudo-perplexity of a masked language model."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from robust_core.errors import BadInput
from robust_core.events import Event
from robust_core.metrics import estimate_mean
from robust_core.parts import write_plain
from robust_core.store import ResultStore
from robust_core.types import AttackResult

# Within this factor nobody would call one text the more fluent one.
_ALIKE = 1.05
_EVERY = 16
# Of a text that somebody typed: about 15 s on two cores for each of two texts. Data sets are measured whole.
MOST_PIECES = 400
# What the store calls it, where it says how both texts of a result compare.
METHOD = "pseudo-perplexity"

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

    Of a pair the part is read that the attack might change.

    Args:
        model: Masked language model.
        results: What an attack did.
        most: Most pieces of a text; None: no limit.
        go_on: Asked every now and then; once it says no, the texts not read yet have NaN.
    """
    pairs = [tuple(write_plain(r.example.frame.take(text)) for text in (r.example.text, r.perturbed)) for r in results]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    found = dict(zip(texts, map(float, model.pseudo_perplexity(texts, most=most, go_on=go_on)), strict=True))
    return [(found[before], found[after]) for before, after in pairs]


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


def measure_results(model: Reader, results: Sequence[AttackResult], victim: str, part: str, stop: threading.Event,
                    store: ResultStore | None = None, run: str = "") -> Iterator[Event | dict[str, Any]]:
    """Measure how much fluency the successes of an attack cost.

    Args:
        model: Masked language model.
        results: What the attack did.
        victim: Id of the attacked model.
        part: What progress is reported under.
        stop: Ends the measuring; there are no columns then.
        store: Where both pseudo-perplexities go as they come, and are taken from when they are there already.
        run: The attack's run in the store.

    Yields:
        "progress" events with part, done and total; at the end a row of columns: fluency_compared (successes behind
        the figure) and perplexity_ratio, the mean over them of the perturbed text's pseudo-perplexity over the
        original's, with its standard error `perplexity_ratio_se`; NaN without any.
    """
    succeeded = [r for r in results if r.status == "succeeded"]
    found = {} if store is None else read_stored(store, run, model.id)
    missing = [r for r in succeeded if r.example.uid not in found]
    progress = {"part": part, "total": len(succeeded)}
    known = len(succeeded) - len(missing)
    for start in range(0, len(missing), _EVERY):
        if stop.is_set():
            return
        chunk = missing[start: start + _EVERY]
        yield Event("progress", chunk[0].example.uid, victim, progress | {"done": known + start})
        pairs = measure_perplexities(model, chunk, go_on=lambda: not stop.is_set())
        if stop.is_set():
            return
        for result, pair in zip(chunk, pairs, strict=True):
            found[result.example.uid] = pair
            if store is not None:
                store.compare(run, _describe(model.id), result.example.uid, {"before": pair[0], "after": pair[1]})
    yield Event("progress", "", victim, progress | {"done": len(succeeded)})
    yield summarise_pairs([found[r.example.uid] for r in succeeded])


def summarise_pairs(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return the columns of `measure_results` for the pseudo-perplexities of successes, before and after."""
    ratios = [after / before for before, after in pairs]
    mean, error = estimate_mean(ratios)
    return {"fluency_compared": sum(map(math.isfinite, ratios)), "perplexity_ratio": mean, "perplexity_ratio_se": error}


def read_stored(store: ResultStore, run: str, reader: str) -> dict[str, tuple[float, float]]:
    """Return the pseudo-perplexities of both texts of a run's results, as far as they were measured, by example uid.

    Args:
        store: The store.
        run: Id of the run.
        reader: Id of the masked language model.
    """
    return {uid: (float(record["before"]), float(record["after"]))
            for uid, record in store.comparisons(run, _describe(reader)).items()}


def _describe(reader: str) -> dict[str, str]:
    return {"name": METHOD, "reader": reader}
