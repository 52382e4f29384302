"""Whoever answers requests: victims, masked language model, sentence encoder; with queues, batches and caches.

A figure is screened (bf16, where that is faster), batched (fp32) or canonical (fp32, unpadded, alone). It is made at
the lowest level that a run allows, and again at the next one when a search says that it is too close to call.
"""

import collections
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.attacks.engine.requests import (
    BATCHED,
    CANONICAL,
    SCREENED,
    Figures,
    Fill,
    Filled,
    Judge,
    Score,
    Scores,
    Settle,
    Similarity,
)
from robust_core.attacks.engine.token_splice import Splice
from robust_core.types import Blank, Encoder, Filler, Noise

if TYPE_CHECKING:
    from robust_core.attacks.engine.scheduler import Running

# A classifier of unknown cost gets this many texts at a time, so that Stop is heard in between.
_PLAIN_TEXTS = 32
# One text alone is a batch of its own: a few a turn keep the turn short.
_ALONE = 8
# Turns for which a search waits while others fill batches of another level.
_PATIENCE = 4
_VECTORS = 4_000
# A search may ask for two or three blanks a word at once, and no text has more than 400 words.
_FILLS = 8_000
# What batching may change in fp32, at least twice the largest seen over the packaged models: log-odds, and cosines.
FP32 = Noise(2e-5, 2e-5)
FP32_COSINE = Noise(3e-6, 3e-6)
# The same in log-probabilities of pieces.
FP32_FILL = 1e-4
# Two float32 probabilities near 1 differ by multiples of 6e-8 from one.
_ROUNDING = 1.2e-7

Answers = list[tuple["Running", Any]]


class VictimServer:
    """Runs a victim's texts and turns its probabilities into `Scores`.

    Args:
        victim: A classifier, with or without the fast door for token rows.
        screened: Whether figures may be made in bf16 first.
    """

    def __init__(self, victim: Any, screened: bool) -> None:  # noqa: ANN401 (a classifier of either kind)
        self.victim = victim
        self.waiting: list[Running] = []
        self.worked = 0.0
        self._passed = 0
        self._tokens = hasattr(victim, "proba_from_ids")
        self._lowest = SCREENED if screened and self._tokens and getattr(victim, "screens", False) else BATCHED

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be: whenever anybody waits."""
        del searches
        return bool(self.waiting)

    def answers_now(self, search: "Running") -> bool:
        """Find what must be run for a search's request; return whether everything is known already."""
        if isinstance(search.request, Score | Settle):
            self._open(search, search.request)
            return not search.missing
        return False

    def _open(self, search: "Running", request: Score | Settle) -> None:
        if isinstance(request, Settle):
            keys = {request.figures.keys[k]: int(request.figures.level[k]) + 1 for k in request.which}
            search.missing.extend((level, key) for key, level in keys.items() if search.cache[key][0] < level)
            return
        tally, candidates = search.tally, list(request.candidates)
        if tally.max_queries:
            candidates = candidates[: max(tally.max_queries - tally.queries, 0)]
            search.over = tally.queries + len(candidates) >= tally.max_queries
        if search.splice is None:
            search.splice = Splice(self.victim, search.example.text)
        search.keys = [search.splice.key(candidate) for candidate in candidates]
        search.new = [key for key in dict.fromkeys(search.keys) if key not in search.cache]
        level = BATCHED if request.precise else self._lowest
        search.missing.extend((level, key) for key in dict.fromkeys(search.keys)
                              if search.cache.get(key, (-1,))[0] < level)

    def answer(self, search: "Running") -> Scores:
        """Assemble the answer to a request whose texts have all been run."""
        keys = search.request.figures.keys if isinstance(search.request, Settle) else search.keys
        reference = search.tally.reference
        found = [search.cache[key] for key in keys]
        level = np.array([entry[0] for entry in found], dtype=np.int8)
        proba = np.stack([entry[1] for entry in found]) if found else np.zeros((0, len(self.victim.labels)), "f4")
        own = proba[:, reference].astype(np.float64)
        slope = own * (1 - own)
        absolute, spread = _noise(level, self.victim, FP32)
        rest = np.delete(proba, reference, axis=1).max(axis=1) if proba.shape[1] > 1 else np.zeros(len(proba))
        tiny = np.finfo(np.float32).tiny
        margin = np.abs(np.log(np.maximum(own, tiny)) - np.log(np.maximum(rest, tiny)))
        open_ = level < CANONICAL
        return Scores(
            1.0 - proba[:, reference], (slope * absolute + _ROUNDING) * open_, (slope * spread + _ROUNDING) * open_,
            level, _first_alike(keys), keys, proba, reference, search.tally.over,
            open_ & (margin <= absolute * (1 if proba.shape[1] == 2 else 2)))

    def serve(self, waiting: Sequence["Running"]) -> Answers:
        """Work off one batch; return the searches whose answers are complete, with the answers."""
        judged = [search for search in waiting if isinstance(search.request, Judge)][:_ALONE]
        if judged:
            return [(search, np.asarray(self.victim.predict_proba([search.request.text])[0]))  # type: ignore[union-attr]
                    for search in judged]
        level = self._level(waiting)
        self._run(level, self._take([search for search in waiting if search.missing[0][0] == level], level))
        return [(search, None) for search in waiting if not search.missing]

    def _level(self, waiting: Sequence["Running"]) -> int:
        """Return the level with most to run, since full batches are fast; nobody is passed over for long."""
        rows: collections.Counter[int] = collections.Counter()
        for search in waiting:
            rows[search.missing[0][0]] += len(search.missing)
        first, most = waiting[0].missing[0][0], max(rows, key=lambda level: rows[level])
        self._passed = 0 if most == first or self._passed >= _PATIENCE else self._passed + 1
        return most if self._passed else first

    def _take(self, waiting: Sequence["Running"], level: int) -> list[tuple["Running", Any]]:
        """Take what fits into one batch: first of the search that waits longest, then of those with rows as long."""
        alone = level == CANONICAL or not self._tokens
        length = (lambda _: 1) if alone else (lambda key: len(key))
        lead = length(waiting[0].missing[0][1])
        budget = _ALONE if level == CANONICAL else self._budget(level)
        taken: list[tuple[Running, Any]] = []
        longest = 1
        for search in sorted(waiting, key=lambda search: abs(length(search.missing[0][1]) - lead)):
            while search.missing and search.missing[0][0] == level:
                longest = max(longest, length(search.missing[0][1]))
                if taken and (len(taken) + 1) * longest > budget:
                    return taken
                taken.append((search, search.missing.popleft()[1]))
        return taken

    def _budget(self, level: int) -> int:
        if not self._tokens:
            return _PLAIN_TEXTS
        return getattr(self.victim, "budget", 4096) * (2 if level == SCREENED else 1)

    def _run(self, level: int, taken: list[tuple["Running", Any]]) -> None:
        keys, alone = list(dict.fromkeys(key for _, key in taken)), level == CANONICAL
        try:
            if not self._tokens:
                found = [self.victim.predict_proba([k])[0] for k in keys] if alone else self.victim.predict_proba(keys)
            elif alone:
                found = [self.victim.proba_from_ids([key])[0] for key in keys]
            elif level == SCREENED:
                found = self.victim.proba_from_ids(keys, screened=True)
            else:
                found = self.victim.proba_from_ids(keys)
        except Exception:
            for search, key in reversed(taken):
                search.missing.appendleft((level, key))
            raise
        answers = dict(zip(keys, found, strict=True))
        for search, key in taken:
            search.cache[key] = (level, answers[key])


class EncoderServer:
    """Encodes texts, each distinct one once, and turns pairs into cosines.

    Args:
        encoder: The encoder; None takes the packaged one, loaded when first needed.
        screened: Whether figures may be made in bf16 first.
        device: Where the packaged encoder is put.
    """

    def __init__(self, encoder: Encoder | None, screened: bool, device: str) -> None:
        self._encoder: Any = encoder
        self._device, self._screened = device, screened
        self.waiting: list[Running] = []
        self.worked = 0.0
        self._vectors: collections.OrderedDict[str, tuple[int, np.ndarray]] = collections.OrderedDict()

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be.

        A search that only waits for the similarity it reports can wait for company, while many run beside it.
        """
        reporting = sum(not search.tally.searching for search in self.waiting)
        return reporting < len(self.waiting) or 4 * reporting >= max(searches, 1)

    def answers_now(self, search: "Running") -> bool:
        """Return False: what is asked for waits for its turn, however little it is."""
        del search
        return False

    def _loaded(self) -> Any:  # noqa: ANN401 (an encoder, with or without screening)
        if self._encoder is None:
            from robust_core.encoders import default

            self._encoder = default(self._device)
        return self._encoder

    def _wanted(self, search: "Running") -> dict[str, int]:
        """Return the texts of a request that are not there yet, and the level each is wanted at."""
        request = search.request
        if isinstance(request, Settle):
            wanted: dict[str, int] = {}
            for k, pair in enumerate(request.figures.keys):
                for text in pair:
                    level = int(request.figures.level[k]) + (k in request.which)
                    wanted[text] = max(level, wanted.get(text, 0))
        else:
            assert isinstance(request, Similarity)
            screens = self._screened and not request.precise and getattr(self._loaded(), "screens", False)
            wanted = dict.fromkeys((text for pair in request.pairs for text in pair), SCREENED if screens else BATCHED)
        return {text: level for text, level in wanted.items() if self._vectors.get(text, (-1,))[0] < level}

    def serve(self, waiting: Sequence["Running"]) -> Answers:
        """Encode up to a batch of new texts; return the searches whose texts are all known, with the cosines."""
        encoder = self._loaded()
        wanted = {search: self._wanted(search) for search in waiting}
        levels = collections.Counter(level for texts in wanted.values() for level in texts.values())
        if levels:
            # Full batches are fast; what is asked for alone is rare and soon done.
            level = CANONICAL if CANONICAL in levels else max(levels, key=lambda level: levels[level])
            limit = _ALONE if level == CANONICAL else getattr(encoder, "batch", 64)
            texts = list(dict.fromkeys(text for found in wanted.values() for text, at in found.items() if at == level))
            self._encode(encoder, texts[:limit], level)
        done = [(search, self._answer(search)) for search, texts in wanted.items()
                if all(self._vectors.get(text, (-1,))[0] >= level for text, level in texts.items())]
        while len(self._vectors) > _VECTORS:
            self._vectors.popitem(last=False)
        return done

    def _encode(self, encoder: Any, texts: list[str], level: int) -> None:  # noqa: ANN401
        if level == CANONICAL:
            rows = [encoder.encode([text])[0] for text in texts]
        else:
            rows = encoder.encode(texts, screened=True) if level == SCREENED else encoder.encode(texts)
        for text, row in zip(texts, rows, strict=True):
            self._vectors[text] = (level, row)

    def _answer(self, search: "Running") -> Figures:
        request = search.request
        pairs: Sequence[Any] = request.figures.keys if isinstance(request, Settle) else request.pairs  # type: ignore[union-attr]
        both = [(self._vectors[a], self._vectors[b]) for a, b in pairs]
        level = np.array([min(a[0], b[0]) for a, b in both], dtype=np.int8)
        value = np.array([float(a[1] @ b[1]) for a, b in both])
        absolute, spread = _noise(level, self._encoder, FP32_COSINE)
        open_ = level < CANONICAL
        return Figures(value, absolute * open_, spread * open_, level, _first_alike(pairs), pairs)


def _noise(level: np.ndarray, model: Any, batched: Noise) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    """Return the (m,) bounds on figures and on differences; a model's own are measured when first screened for."""
    low = level == SCREENED
    screened = model.noise() if low.any() else batched
    return np.where(low, screened.absolute, batched.absolute), np.where(low, screened.difference, batched.difference)


class FillServer:
    """Asks the masked language model for words, once for each distinct blank.

    Args:
        model: The model, or its name: it is loaded when first needed.
        device: Where a named one is put.
    """

    def __init__(self, model: Filler | str, device: str) -> None:
        self._model, self._device = model, device
        self.waiting: list[Running] = []
        self.worked = 0.0
        self._found: collections.OrderedDict[tuple[Blank, int], tuple[int, list[tuple[str, float]]]] = (
            collections.OrderedDict())

    def urgent(self, searches: int) -> bool:
        """Return whether it should be served though others could be: whenever anybody waits."""
        del searches
        return bool(self.waiting)

    def answers_now(self, search: "Running") -> bool:
        """Return False: what is asked for waits for its turn, however little it is."""
        del search
        return False

    def _loaded(self) -> Filler:
        if isinstance(self._model, str):
            from robust_core.models import masked_lm

            self._model = masked_lm.load(self._model, self._device)
        return self._model

    def _wanted(self, search: "Running") -> dict[tuple[Blank, int], int]:
        """Return what a request needs that is not there yet, and the level each is wanted at."""
        request, which = search.request, set[int]()
        if isinstance(request, Settle):
            assert isinstance(request.figures, Filled)
            request, which = request.figures.asked, set(request.which)
        assert isinstance(request, Fill)
        wanted = {(blank, request.most): CANONICAL if k in which else BATCHED
                  for k, blank in enumerate(request.blanks)}
        return {key: level for key, level in wanted.items() if self._found.get(key, (-1,))[0] < level}

    def serve(self, waiting: Sequence["Running"]) -> Answers:
        """Fill up to a batch of blanks; return the searches whose blanks are all known, with their words."""
        model, taken, asked, level = self._loaded(), dict[tuple[Blank, int], None](), [], None
        for search in waiting:
            wanted = self._wanted(search)
            level = next(iter(wanted.values()), level) if level is None else level
            limit = _ALONE if level == CANONICAL else model.batch
            taken |= dict.fromkeys(key for key, at in wanted.items() if at == level)
            asked.append(search)
            if len(taken) >= limit:
                taken = dict.fromkeys(list(taken)[:limit])
                break
        if taken and level is not None:
            self._fill(model, list(taken), level)
        done = [(search, self._answer(search)) for search in asked if not self._wanted(search)]
        while len(self._found) > _FILLS:
            self._found.popitem(last=False)
        return done

    def _fill(self, model: Filler, keys: list[tuple[Blank, int]], level: int) -> None:
        for most in dict.fromkeys(most for _, most in keys):
            blanks = [blank for blank, own in keys if own == most]
            # One word more than wanted, to see by how much the last one is in.
            found = ([model.fill([blank], most + 1)[0] for blank in blanks] if level == CANONICAL
                     else model.fill(blanks, most + 1))
            self._found.update({(blank, most): (level, words) for blank, words in zip(blanks, found, strict=True)})

    def _answer(self, search: "Running") -> Filled:
        request = search.request.figures.asked if isinstance(search.request, Settle) else search.request  # type: ignore[union-attr]
        assert isinstance(request, Fill)
        keys = [(blank, request.most) for blank in request.blanks]
        found = [self._found[key] for key in keys]
        level = np.array([entry[0] for entry in found], dtype=np.int8)
        error = np.where(level < CANONICAL, FP32_FILL, 0.0)
        least = float(np.log(request.least)) if request.least > 0 else -np.inf
        words = [tuple(sorted(word for word, value in entry[: request.most] if value >= least)) for _, entry in found]
        room = np.array([_room([value for _, value in entry], request.most, least) for _, entry in found])
        return Filled(room, error, error, level, _first_alike(keys), request.blanks, words, request)


def _room(values: Sequence[float], most: int, least: float) -> float:
    """Return by how much log-probabilities, highest first, may be off before other ones are chosen."""
    room = [abs(value - least) for value in values]
    return min([*room, (values[most - 1] - values[most]) / 2] if len(values) > most else room, default=np.inf)


def _first_alike(keys: Sequence[Any]) -> np.ndarray:
    """Return for each key the index of the first that equals it."""
    first: dict[Any, int] = {}
    return np.array([first.setdefault(key, i) for i, key in enumerate(keys)], dtype=np.int64)
