"""The one scheduler: it advances many searches in step, merges their questions into batches, and answers.

Each victim, and the sentence encoder, is a server with a queue. The server that has worked least goes next and runs
one batch; so a cheap model is never held up by an expensive one, and the expensive one finds the fullest queue.
"""

import collections
import dataclasses
import logging
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.attacks.base import Stopped
from robust_core.attacks.requests import Accept, Candidate, Judge, Pause, Request, Score, Scores
from robust_core.errors import MissingResource, RobustError
from robust_core.text import Draft, diff
from robust_core.types import AttackResult, Classifier, Encoder, Event, Example, Step

if TYPE_CHECKING:
    from robust_core.attacks.base import Attack

_LOG = logging.getLogger(__name__)
_VECTORS = 20_000
# A classifier of unknown cost gets this many texts at a time, so that Stop is heard in between.
_PLAIN_TEXTS = 32
# Population searches ask thousands of times: beyond this many steps only those that changed the text are kept.
_STEPS = 400


@dataclasses.dataclass
class Tally:
    """Counts and state of one search, kept by the scheduler so that no attack can miscount.

    `searching` holds while the attack itself runs, not while its outcome is judged; `ending` once it was told to stop.
    """

    started: float
    max_queries: int
    queries: int = 0
    forward_passes: int = 0
    eligible: int = 0
    over: bool = False
    searching: bool = False
    ending: bool = False
    reference: int = -1
    current: float = 0.0
    best: Candidate | None = None
    curve: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    steps: list[Step] = dataclasses.field(default_factory=list)

    def begin(self, reference: int, before: np.ndarray) -> None:
        """Count the first look at the original text."""
        self.reference = reference
        self.queries = self.forward_passes = self.eligible = 1
        self.point(float(before[reference]))

    def point(self, proba: float) -> None:
        """Add a point to the curve of the reference label's probability."""
        self.current = proba
        if not self.curve or self.curve[-1] != (self.queries, proba):
            self.curve.append((self.queries, proba))

    def asked(self, trying: str, proba: np.ndarray) -> None:
        """Note a question that was answered by (m, classes) probabilities."""
        if len(proba) and len(self.steps) < _STEPS:
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


@dataclasses.dataclass(eq=False)
class _Search:
    """One running search: its coroutine, its open request, and the part of the answer that is there already."""

    example: Example
    victim: int
    steps: Generator[Request, Any, AttackResult]
    tally: Tally
    splice: "_Splice | None" = None
    cache: dict[Any, np.ndarray] = dataclasses.field(default_factory=dict)
    request: Request | None = None
    keys: list[Any] = dataclasses.field(default_factory=list)
    new: list[Any] = dataclasses.field(default_factory=list)
    missing: collections.deque = dataclasses.field(default_factory=collections.deque)
    over: bool = False


class _Splice:
    """Token rows of candidates, spliced from the cached ids of single words.

    Falls back to whole texts where words cannot be tokenised one by one.
    """

    def __init__(self, victim: Any, text: str) -> None:  # noqa: ANN401 (a classifier of either kind)
        self._victim = victim
        self._base: Draft | None = None
        self._end = 0
        self._flat: tuple[int, ...] = ()
        self._ranges: list[tuple[int, int]] = []
        self.tokens = hasattr(victim, "proba_from_ids")
        self._spliced = False
        if self.tokens and getattr(victim, "separable", True):
            whole = Candidate(Draft.of(text))
            # Rare characters can glue units together; then the real tokenizer reads every candidate of this text.
            self._spliced = self._join(whole) == tuple(victim.text_row(text)) if hasattr(victim, "text_row") else True
            # A deletion moves what lay past the cut into reach; there the two were never compared.
            self._spliced = self._spliced and (getattr(victim, "readable_words", len)(text) >= len(whole.draft.words)
                                               or text.isascii())

    def key(self, candidate: Candidate) -> Any:  # noqa: ANN401 (token row, or text for plain classifiers)
        """Return what the victim is asked for a candidate: a token row or, for a plain classifier, the text."""
        if not self.tokens:
            return candidate.text
        if not candidate.edits and hasattr(self._victim, "text_row"):
            # A whole new text may hold characters that glue words together: the original one said nothing about them.
            return tuple(self._victim.text_row(candidate.text))
        return self._join(candidate) if self._spliced else tuple(self._victim.text_row(candidate.text))

    def _join(self, candidate: Candidate) -> tuple[int, ...]:
        if candidate.base is not self._base:
            self._read(candidate.base)
        row, ids = self._flat, self._victim.unit_ids
        for start, end, new in reversed(candidate.edits):
            first = self._ranges[start][0] if start < len(self._ranges) else self._end
            last = self._ranges[end - 1][1] if end > start else first
            fresh = ids(new[0]) if len(new) == 1 else tuple(t for word in new for t in ids(word))
            row = row[:first] + fresh + row[last:]
        return self._victim.row((row,))

    def _read(self, draft: Draft) -> None:
        flat: list[int] = []
        self._ranges = []
        ids = self._victim.unit_ids
        for gap, word in zip(draft.gaps, draft.words, strict=False):
            flat += ids(gap)
            start = len(flat)
            flat += ids(word)
            self._ranges.append((start, len(flat)))
        self._end = len(flat)
        flat += ids(draft.gaps[-1])
        self._flat, self._base = tuple(flat), draft


class Scheduler:
    """Runs one attack on many examples and victims at once.

    Args:
        attack: The attack.
        victims: Classifiers.
        seed: Seed of the run.
        stop: Ends all searches when set.
        width: Searches that run side by side.
        encoder: Sentence encoder; None takes the packaged one, loaded when first needed.
    """

    def __init__(self, attack: "Attack", victims: Sequence[Classifier], *, seed: int, stop: threading.Event | None,
                 width: int, encoder: Encoder | None) -> None:
        self._attack = attack
        self._victims = list(victims)
        self._seed = seed
        self._stop = stop or threading.Event()
        self._width = max(width, len(self._victims))
        self._encoder = encoder
        self._vectors: collections.OrderedDict[str, np.ndarray] = collections.OrderedDict()
        # One queue a victim, the last one for the encoder.
        self._queues: list[list[_Search]] = [[] for _ in range(len(self._victims) + 1)]
        self._worked = [0.0] * len(self._queues)
        self._paused: list[_Search] = []
        self._events: list[Event] = []

    def run(self, examples: Iterable[Example]) -> Iterator[Event]:
        """Yield the events of all searches."""
        pairs = ((example, v) for example in examples for v in range(len(self._victims)))
        running: set[_Search] = set()
        more = True
        try:
            while more or running:
                while more and len(running) < self._width and not self._stop.is_set():
                    pair = next(pairs, None)
                    if pair is None:
                        more = False
                        break
                    running.add(self._start(*pair, running))
                    yield from self._drain()
                if self._stop.is_set():
                    more = False
                    self._end(list(running), running)
                for search in [s for s in running if self._late(s)]:
                    self._end([search], running)
                busy = [q for q in range(len(self._queues)) if self._queues[q]]
                if busy:
                    self._serve(min(busy, key=lambda q: (self._worked[q], q)), running)
                paused, self._paused = self._paused, []
                for search in paused:
                    self._resume(search, None, running)
                yield from self._drain()
        finally:
            for search in running:
                search.steps.close()

    def _drain(self) -> Iterator[Event]:
        events, self._events = self._events, []
        yield from events

    def _start(self, example: Example, v: int, running: set[_Search]) -> _Search:
        victim = self._victims[v]
        tally = Tally(time.perf_counter(), self._attack.max_queries)
        search = _Search(example, v, self._attack.attempt(example, victim, tally, self._seed), tally)
        running.add(search)
        self._emit(search, "started", text=example.text)
        self._resume(search, None, running)
        return search

    def _late(self, search: _Search) -> bool:
        limit = self._attack.time_limit
        return bool(limit) and search.tally.searching and search.tally.seconds() > limit

    def _end(self, searches: list[_Search], running: set[_Search]) -> None:
        """Throw Stopped into searches, and answer the few questions that their last words need."""
        for search in searches:
            search.tally.ending = True
            while search in running:
                queue = next((q for q, waiting in enumerate(self._queues) if search in waiting), None)
                if queue is None or search.tally.searching:
                    (self._paused if queue is None else self._queues[queue]).remove(search)
                    search.missing.clear()
                    self._resume(search, Stopped(), running, throw=True)
                else:
                    self._serve(queue, running, only=search)

    def _resume(self, search: _Search, answer: Any, running: set[_Search], throw: bool = False) -> None:  # noqa: ANN401
        """Hand a search its answer, and put its next request into the queue of whoever answers it."""
        try:
            while True:
                request = search.steps.throw(answer) if throw else search.steps.send(answer)
                throw, answer = False, None
                search.request = request
                if isinstance(request, Accept):
                    self._accept(search, request)
                elif isinstance(request, Score):
                    if self._open(search, request):
                        self._queues[search.victim].append(search)
                        return
                    answer = self._scores(search)
                    if search.tally.searching and (self._stop.is_set() or self._late(search)):
                        # Answers from the cache alone could keep a search here past its time.
                        search.tally.ending = throw = True
                        answer = Stopped()
                elif isinstance(request, Pause):
                    self._paused.append(search)
                    return
                elif isinstance(request, Judge):
                    self._queues[search.victim].append(search)
                    return
                else:
                    self._queues[-1].append(search)
                    return
        except StopIteration as finished:
            running.discard(search)
            result: AttackResult = finished.value
            self._emit(search, "result", result=result)
        except Stopped:
            running.discard(search)
        except MissingResource:
            # Every other search would end the same way: one line is enough.
            raise
        except Exception as error:
            running.discard(search)
            self._fail(search, error)

    def _fail(self, search: _Search, error: Exception) -> None:
        if isinstance(error, RobustError):
            message = str(error)
        else:
            _LOG.exception("attack on %s failed", search.example.uid, exc_info=error)
            message = f"The attack broke off with an internal error ({type(error).__name__})."
        self._emit(search, "error", message=message)

    def _emit(self, search: _Search, kind: str, result: AttackResult | None = None, **data: Any) -> None:  # noqa: ANN401
        self._events.append(Event(kind, search.example.uid, self._victims[search.victim].id, data, result))

    def _accept(self, search: _Search, request: Accept) -> None:
        tally = search.tally
        tally.eligible += request.eligible
        if request.candidate is None or request.proba is None:
            return
        tally.took(request.candidate, request.proba)
        text = request.candidate.text
        self._emit(search, "step", queries=tally.queries, text=text, proba=tally.current,
                   swaps=diff(search.example.text, text))

    def _open(self, search: _Search, request: Score) -> bool:
        """Cut a request at the budget and find what must be run; return whether anything must."""
        tally, candidates = search.tally, list(request.candidates)
        if tally.max_queries:
            candidates = candidates[: max(tally.max_queries - tally.queries, 0)]
            search.over = tally.queries + len(candidates) >= tally.max_queries
        if search.splice is None:
            search.splice = _Splice(self._victims[search.victim], search.example.text)
        search.keys = [search.splice.key(candidate) for candidate in candidates]
        search.new = [key for key in dict.fromkeys(search.keys) if key not in search.cache]
        search.missing.extend(search.new)
        return bool(search.new)

    def _scores(self, search: _Search) -> Scores:
        """Count and assemble the answer to a request; what a stopped search never heard is not counted."""
        request, tally = search.request, search.tally
        assert isinstance(request, Score)
        tally.queries += len(search.keys)
        tally.forward_passes += len(search.new)
        tally.over = tally.over or search.over
        classes = len(self._victims[search.victim].labels)
        proba = np.stack([search.cache[key] for key in search.keys]) if search.keys else np.zeros((0, classes), "f4")
        tally.asked(request.trying, proba)
        text = tally.best.text if tally.best else search.example.text
        self._emit(search, "progress", queries=tally.queries, text=text, trying=request.trying, proba=tally.current)
        return Scores(proba, tally.reference, search.over)

    def _serve(self, q: int, running: set[_Search], only: _Search | None = None) -> None:
        """Let one server work off one batch, and resume the searches whose answers are complete."""
        started = time.perf_counter()
        waiting = [only] if only else list(self._queues[q])
        judged = [s for s in waiting if isinstance(s.request, Judge)]
        try:
            if q == len(self._victims):
                done = self._serve_encoder(waiting)
            elif judged:
                # A canonical judgement is one text alone: a few a turn keep the turn short.
                done = [(s, self._judge(s, s.request.text)) for s in judged[:8]]  # type: ignore[union-attr]
            else:
                self._serve_victim(self._victims[q], waiting)
                done = [(s, self._scores(s)) for s in waiting if not s.missing]
        except MissingResource:
            raise
        except Exception as error:
            done = self._alone(q, waiting, error, running)
        self._worked[q] += time.perf_counter() - started
        for search, answer in done:
            self._queues[q].remove(search)
            self._resume(search, answer, running)

    def _alone(self, q: int, waiting: list[_Search], error: Exception, running: set[_Search]
               ) -> list[tuple[_Search, Any]]:
        """After a failed batch, end the search that fails alone as well, so that the others go on."""
        if len(waiting) > 1:
            for search in waiting:
                self._serve(q, running, only=search)
            return []
        search = waiting[0]
        self._queues[q].remove(search)
        running.discard(search)
        search.steps.close()
        self._fail(search, error)
        return []

    def _judge(self, search: _Search, text: str) -> np.ndarray:
        return np.asarray(self._victims[search.victim].predict_proba([text])[0])

    def _serve_victim(self, victim: Any, waiting: list[_Search]) -> None:  # noqa: ANN401 (either kind)
        """Fill one batch with missing rows, search after search, and store the answers."""
        tokens = hasattr(victim, "proba_from_ids")
        budget, used, longest = getattr(victim, "budget", 4096) if tokens else _PLAIN_TEXTS, 0, 1
        taken: list[tuple[_Search, Any]] = []
        for search in waiting:
            while search.missing:
                longest = max(longest, len(search.missing[0]) if tokens else 1)
                if taken and (used + 1) * longest > budget:
                    break
                used += 1
                taken.append((search, search.missing.popleft()))
            if search.missing:
                break
        keys = list(dict.fromkeys(key for _, key in taken))
        try:
            answers = victim.proba_from_ids(keys) if tokens else victim.predict_proba(keys)
            found = dict(zip(keys, answers, strict=True))
        except Exception:
            for search, key in reversed(taken):
                search.missing.appendleft(key)
            raise
        for search, key in taken:
            search.cache[key] = found[key]

    def _alike(self, a: str, b: str) -> float:
        assert self._encoder is not None
        return float(self._encoder.encode([a])[0] @ self._encoder.encode([b])[0])

    def _serve_encoder(self, waiting: list[_Search]) -> list[tuple[_Search, Any]]:
        """Encode up to a batch of new texts; answer the searches whose texts are all known."""
        if self._encoder is None:
            from robust_core.encoders import default

            self._encoder = default(str(getattr(self._victims[0], "device", "auto")))
        final = [s for s in waiting if not s.tally.searching]
        if final:
            # What is reported is encoded alone, so that it does not depend on who shares the batch.
            return [(s, np.array([self._alike(a, b) for a, b in s.request.pairs]))  # type: ignore[union-attr]
                    for s in final[:8]]
        limit = getattr(self._encoder, "batch", 64)
        new: dict[str, None] = {}
        for search in waiting:
            if len(new) >= limit:
                break
            new.update(dict.fromkeys(t for pair in search.request.pairs for t in pair  # type: ignore[union-attr]
                                     if t not in self._vectors))
        if new:
            texts = list(new)
            self._vectors.update(zip(texts, self._encoder.encode(texts), strict=True))
        done = []
        for search in waiting:
            pairs = search.request.pairs  # type: ignore[union-attr]
            if all(a in self._vectors and b in self._vectors for a, b in pairs):
                done.append((search, np.array([float(self._vectors[a] @ self._vectors[b]) for a, b in pairs])))
        while len(self._vectors) > _VECTORS:
            self._vectors.popitem(last=False)
        return done
