"""Whoever answers requests: victims, masked language model, sentence encoder; with queues, batches and caches.

A figure is screened (bf16, where that is faster), batched (fp32) or canonical (fp32, unpadded, alone). It is made at
the lowest level that a run allows, and again at the next one when a search says that it is too close to call.
"""

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robust_core.attacks.engine.requests import (
    BATCHED,
    CANONICAL,
    SCREENED,
    Candidate,
    Gradient,
    Judge,
    Refine,
    Score,
    Scores,
    measure_value,
)
from robust_core.attacks.engine.server import ALONE, Answers, bound_noise, find_first_alike
from robust_core.attacks.engine.token_splice import Splice
from robust_core.attacks.engine.word_gradients import measure_gradients
from robust_core.classifiers import predict_against
from robust_core.errors import Incompatible
from robust_core.protocols import Classifier, Flags, KeepsAnswers, is_token_classifier
from robust_core.types import Noise

if TYPE_CHECKING:
    from robust_core.attacks.engine.search_state import ActiveSearch


class Guarded(NamedTuple):
    """What guards make of a text before one of them may flag it, and the class that the attack tries to leave."""

    text: str
    reference: int


Key = str | tuple[int, ...] | Guarded
# A classifier of unknown cost gets this many texts at a time, so that Stop is heard in between.
_PLAIN_TEXTS = 32
# Turns for which a search waits while others fill batches of another level.
_PATIENCE = 4
# What batching may change in fp32, at least twice the largest seen over the packaged models: log-odds, and cosines.
FP32 = Noise(2e-5, 2e-5)
# Two float32 probabilities near 1 differ by multiples of 6e-8 from one.
_ROUNDING = 1.2e-7


class VictimServer:
    """Runs a victim's texts and turns its probabilities into `Scores`.

    Args:
        victim: A classifier, with or without the fast door for token rows.
        screened: Whether figures may be made in bf16 first.
    """

    def __init__(self, victim: Classifier, screened: bool) -> None:
        self.victim = victim
        self.waiting: list[ActiveSearch] = []
        self.worked = 0.0
        self._passed = 0
        self._guarded = victim if isinstance(victim, Flags) else None
        self._fast = victim if is_token_classifier(victim) and self._guarded is None else None
        self._lowest = SCREENED if screened and self._fast is not None and self._fast.screens else BATCHED

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be: whenever anybody waits."""
        del searches
        return bool(self.waiting)

    def answers_now(self, search: "ActiveSearch") -> bool:
        """Find what must be run for a search's request; return whether everything is known already."""
        if isinstance(search.request, Score | Refine):
            self._open(search, search.request)
            return not search.missing
        return False

    def _open(self, search: "ActiveSearch", request: Score | Refine) -> None:
        if isinstance(request, Refine):
            keys = {request.figures.keys[k]: int(request.figures.level[k]) + 1 for k in request.which}
            search.missing.extend((level, key) for key, level in keys.items() if search.cache[key][0] < level)
            return
        tally, candidates = search.tally, list(request.candidates)
        if tally.max_queries:
            candidates = candidates[: max(tally.max_queries - tally.queries, 0)]
            search.over = tally.queries + len(candidates) >= tally.max_queries
        search.keys = self._list_keys(search, candidates)
        search.new = [key for key in dict.fromkeys(search.keys) if key not in search.cache]
        level = BATCHED if request.precise else self._lowest
        search.missing.extend((level, key) for key in dict.fromkeys(search.keys)
                              if search.cache.get(key, (-1,))[0] < level)

    def _list_keys(self, search: "ActiveSearch", candidates: Sequence[Candidate]) -> list[Key]:
        """Return what the victim is asked for candidates: token rows or, of a plain classifier, the texts."""
        if self._guarded is not None:
            return [Guarded(self._guarded.reduce(candidate.text), search.tally.reference) for candidate in candidates]
        if self._fast is None:
            return [search.example.frame.put(candidate.text) for candidate in candidates]
        if search.splice is None:
            search.splice = Splice(self._fast, search.example.changeable, search.example.frame)
        return [search.splice.row(candidate) for candidate in candidates]

    def answer(self, search: "ActiveSearch") -> Scores:
        """Assemble the answer to a request whose texts have all been run."""
        keys = search.request.figures.keys if isinstance(search.request, Refine) else search.keys
        reference, wanted, goes_on = search.tally.reference, search.tally.wanted, search.tally.goes_on
        watched = reference if wanted is None else wanted
        found = [search.cache[key] for key in keys]
        level = np.array([entry[0] for entry in found], dtype=np.int8)
        proba = np.stack([entry[1] for entry in found]) if found else np.zeros((0, len(self.victim.labels)), "f4")
        own = proba[:, watched].astype(np.float64)
        slope = own * (1 - own)
        absolute, spread = bound_noise(level, self._fast, FP32)
        rest = np.delete(proba, watched, axis=1).max(axis=1) if proba.shape[1] > 1 else np.zeros(len(proba))
        tiny = np.finfo(np.float32).tiny
        margin = np.abs(np.log(np.maximum(own, tiny)) - np.log(np.maximum(rest, tiny)))
        open_ = level < CANONICAL
        return Scores(
            measure_value(proba, reference, wanted), (slope * absolute + _ROUNDING) * open_,
            (slope * spread + _ROUNDING) * open_,
            level, find_first_alike(keys), keys, proba, reference, search.tally.over,
            open_ & (margin <= absolute * (1 if proba.shape[1] == 2 else 2)) & (not goes_on), wanted, goes_on)

    def serve(self, waiting: Sequence["ActiveSearch"]) -> Answers:
        """Work off one batch; return the searches whose answers are complete, with the answers."""
        judged = [search for search in waiting if isinstance(search.request, Judge)][:ALONE]
        if judged:
            texts = [search.example.frame.put(search.request.text) for search in judged]  # type: ignore[union-attr]
            if isinstance(self.victim, KeepsAnswers):
                self.victim.fetch(texts)
            return [(search, self._judge(text, search.tally.reference))
                    for search, text in zip(judged, texts, strict=True)]
        wanted = [search for search in waiting if isinstance(search.request, Gradient)][:ALONE]
        if wanted:
            return [(search, self._measure(search)) for search in wanted]
        level = self._level(waiting)
        self._run(level, self._take([search for search in waiting if search.missing[0][0] == level], level))
        return [(search, None) for search in waiting if not search.missing]

    def _judge(self, text: str, reference: int) -> np.ndarray:
        """Return (classes,) probabilities of a text alone; nobody knows the class to leave before the first look."""
        if self._guarded is not None and reference >= 0:
            return predict_against(self._guarded, [text], [reference])[0]
        return np.asarray(self.victim.predict_proba([text])[0])

    def _measure(self, search: "ActiveSearch") -> object:
        asked = search.request
        assert isinstance(asked, Gradient)
        try:
            return measure_gradients(self.victim, asked.candidate.text, search.tally.reference, asked.words,
                                     asked.method, search.example.frame)
        except Incompatible as error:
            # For the search to raise: one of several attacks may be left out.
            return error

    def _level(self, waiting: Sequence["ActiveSearch"]) -> int:
        """Return the level with most to run, since full batches are fast; nobody is passed over for long."""
        rows: collections.Counter[int] = collections.Counter()
        for search in waiting:
            rows[search.missing[0][0]] += len(search.missing)
        first, most = waiting[0].missing[0][0], max(rows, key=lambda level: rows[level])
        self._passed = 0 if most == first or self._passed >= _PATIENCE else self._passed + 1
        return most if self._passed else first

    def _take(self, waiting: Sequence["ActiveSearch"], level: int) -> list[tuple["ActiveSearch", Any]]:
        """Take what fits into one batch: first of the search that waits longest, then of those with rows as long."""
        alone = level == CANONICAL or self._fast is None
        length = (lambda _: 1) if alone else (lambda key: len(key))
        lead = length(waiting[0].missing[0][1])
        budget = ALONE if level == CANONICAL else self._budget(level)
        taken: list[tuple[ActiveSearch, Any]] = []
        longest = 1
        for search in sorted(waiting, key=lambda search: abs(length(search.missing[0][1]) - lead)):
            while search.missing and search.missing[0][0] == level:
                longest = max(longest, length(search.missing[0][1]))
                if taken and (len(taken) + 1) * longest > budget:
                    return taken
                taken.append((search, search.missing.popleft()[1]))
        return taken

    def _budget(self, level: int) -> int:
        return _PLAIN_TEXTS if self._fast is None else self._fast.budget * (2 if level == SCREENED else 1)

    def _run(self, level: int, taken: list[tuple["ActiveSearch", Any]]) -> None:
        keys = list(dict.fromkeys(key for _, key in taken))
        try:
            found = self._ask(level, keys)
        except Exception:
            for search, key in reversed(taken):
                search.missing.appendleft((level, key))
            raise
        answers = dict(zip(keys, found, strict=True))
        for search, key in taken:
            search.cache[key] = (level, answers[key])

    def _ask(self, level: int, keys: list[Any]) -> Sequence[np.ndarray] | np.ndarray:
        if level == CANONICAL:
            return [self._ask_batch([key])[0] for key in keys]
        return self._fast.proba_from_ids(keys, screened=True) if self._fast and level == SCREENED else (
            self._ask_batch(keys))

    def _ask_batch(self, keys: list[Any]) -> np.ndarray:
        if self._guarded is not None:
            return predict_against(self._guarded, [key.text for key in keys], [key.reference for key in keys])
        return self.victim.predict_proba(keys) if self._fast is None else self._fast.proba_from_ids(keys)
