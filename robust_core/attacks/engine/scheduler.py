"""The one scheduler: it advances many searches in step, merges their questions into batches, and answers.

Each victim, the masked language model and the sentence encoder is a server with a queue. The server that has worked
least goes next and runs one batch; so a cheap model is never held up by an expensive one, and the expensive one finds
the fullest queue.
"""

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robust_core.attacks.engine.encoder_server import EncoderServer
from robust_core.attacks.engine.masked_lm_server import MaskedLMServer
from robust_core.attacks.engine.requests import (
    Accept,
    Fill,
    Filled,
    Gradient,
    Judge,
    Pause,
    Refine,
    Request,
    Score,
    Scores,
)
from robust_core.attacks.engine.search_state import ActiveSearch, SearchState, SearchStopped
from robust_core.attacks.engine.victim_server import VictimServer
from robust_core.classifiers import find_device
from robust_core.errors import MissingResource, RobustError
from robust_core.events import ErrorData, Event, SearchData, StartedData, StepData
from robust_core.protocols import Classifier, Encoder, MaskedLanguageModel
from robust_core.text import diff
from robust_core.types import AttackResult, Example, Precision

if TYPE_CHECKING:
    from robust_core.attacks.base import Attack

_LOG = logging.getLogger(__name__)

Server = VictimServer | MaskedLMServer | EncoderServer


class Scheduler:
    """Runs one attack on many examples and victims at once.

    Args:
        attack: The attack.
        victims: Classifiers.
        seed: Seed of the run.
        stop: Ends all searches when set.
        width: Searches that run side by side.
        encoder: Sentence encoder; None takes the packaged one, loaded when first needed.
        precision: Whether figures may be screened in bf16 first.
        masked: Masked language model, or its name, loaded when first needed.
        similarity: Whether results tell how similar both texts are.
    """

    def __init__(self, attack: "Attack", victims: Sequence[Classifier], *, seed: int, stop: threading.Event | None,
                 width: int, encoder: Encoder | None, precision: Precision = "exact",
                 masked: MaskedLanguageModel | str = "minilm", similarity: bool = True) -> None:
        self._attack, self._similarity = attack, similarity
        self._victims = list(victims)
        self._seed = seed
        self._stop = stop or threading.Event()
        self._width = max(width, len(self._victims))
        screened = precision == "screened"
        device = find_device(self._victims[0], "auto") if self._victims else "auto"
        # One server a victim, the last two are the masked language model and the encoder.
        self._servers: list[Server] = [*(VictimServer(victim, screened) for victim in self._victims),
                                       MaskedLMServer(masked, device), EncoderServer(encoder, screened, device)]
        self._paused: list[ActiveSearch] = []
        self._events: list[Event] = []

    def run(self, examples: Iterable[Example]) -> Iterator[Event]:
        """Yield the events of all searches."""
        pairs = ((example, v) for example in examples for v in range(len(self._victims)))
        running: set[ActiveSearch] = set()
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
                waited = [server for server in self._servers if server.waiting]
                busy = [server for server in waited if server.urgent(len(running))] or waited
                if busy:
                    self._serve(min(busy, key=lambda server: server.worked), running)
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

    def _start(self, example: Example, v: int, running: set[ActiveSearch]) -> ActiveSearch:
        victim = self._victims[v]
        tally = SearchState(time.perf_counter(), self._attack.max_queries)
        steps = self._attack.attempt(example, victim, tally, self._seed, compared=self._similarity)
        search = ActiveSearch(example, v, steps, tally)
        running.add(search)
        self._emit(search, "started", StartedData(text=example.text))
        self._resume(search, None, running)
        return search

    def _late(self, search: ActiveSearch) -> bool:
        limit = self._attack.time_limit
        return bool(limit) and search.tally.searching and search.tally.seconds() > limit

    def _end(self, searches: list[ActiveSearch], running: set[ActiveSearch]) -> None:
        """Throw SearchStopped into searches, and answer the few questions that their last words need."""
        for search in searches:
            search.tally.ending = True
            while search in running:
                server = next((server for server in self._servers if search in server.waiting), None)
                if server is None or search.tally.searching:
                    (self._paused if server is None else server.waiting).remove(search)
                    search.missing.clear()
                    self._resume(search, SearchStopped(), running)
                else:
                    self._serve(server, running, only=search)

    def _resume(self, search: ActiveSearch, answer: object, running: set[ActiveSearch]) -> None:
        """Hand a search its answer, and put its next request into the queue of whoever answers it.

        A `SearchStopped` in the place of an answer is thrown into the search.
        """
        try:
            while True:
                request = (search.steps.throw(answer) if isinstance(answer, SearchStopped)
                           else search.steps.send(answer))
                answer = None
                search.request = request
                if isinstance(request, Accept):
                    self._accept(search, request)
                elif isinstance(request, Pause):
                    if request.idle:
                        search.tally.started = time.perf_counter()
                    self._paused.append(search)
                    return
                elif (server := self._server(search, request)).answers_now(search):
                    answer = self._answer(search)
                    if search.tally.searching and (self._stop.is_set() or self._late(search)):
                        # Answers from the cache alone could keep a search here past its time.
                        search.tally.ending = True
                        answer = SearchStopped()
                else:
                    server.waiting.append(search)
                    return
        except StopIteration as finished:
            running.discard(search)
            result: AttackResult = finished.value
            self._emit(search, "result", {}, result)
        except SearchStopped:
            running.discard(search)
        except MissingResource:
            # Every other search would end the same way: one line is enough.
            raise
        except Exception as error:
            running.discard(search)
            self._fail(search, error)

    def _fail(self, search: ActiveSearch, error: Exception) -> None:
        if isinstance(error, RobustError):
            message = str(error)
        else:
            _LOG.exception("attack on %s failed", search.example.uid, exc_info=error)
            message = f"The attack broke off with an internal error ({type(error).__name__})."
        self._emit(search, "error", ErrorData(message=message))

    def _emit(self, search: ActiveSearch, kind: str, data: Mapping[str, Any], result: AttackResult | None = None
              ) -> None:
        self._events.append(Event(kind, search.example.uid, self._victims[search.victim].id, data, result))

    def _accept(self, search: ActiveSearch, request: Accept) -> None:
        tally = search.tally
        tally.eligible += request.eligible
        if request.candidate is None or request.proba is None:
            return
        tally.took(request.candidate, request.proba)
        text = search.example.frame.put(request.candidate.text)
        self._emit(search, "step", StepData(queries=tally.queries, text=text, proba=tally.current,
                                            swaps=diff(search.example.text, text)))

    def _server(self, search: ActiveSearch, request: Request) -> Server:
        """Return who answers a request."""
        about = request.figures if isinstance(request, Refine) else request
        if isinstance(about, Fill | Filled):
            return self._servers[-2]
        return self._servers[search.victim if isinstance(about, Score | Scores | Judge | Gradient) else -1]

    def _answer(self, search: ActiveSearch) -> Scores:
        """Count and assemble the answer to a request; what a stopped search never heard is not counted."""
        request, tally, server = search.request, search.tally, self._servers[search.victim]
        assert isinstance(server, VictimServer)
        if isinstance(request, Refine):
            return server.answer(search)
        assert isinstance(request, Score)
        tally.queries += len(search.keys)
        tally.forward_passes += len(search.new)
        tally.over = tally.over or search.over
        scores = server.answer(search)
        tally.asked(request.trying, scores.proba)
        text = search.example.frame.put(tally.best.text) if tally.best else search.example.text
        self._emit(search, "progress", SearchData(queries=tally.queries, text=text, trying=request.trying,
                                                  proba=tally.current))
        return scores

    def _serve(self, server: Server, running: set[ActiveSearch], only: ActiveSearch | None = None) -> None:
        """Let one server work off one batch, and resume the searches whose answers are complete."""
        started = time.perf_counter()
        waiting = [only] if only else list(server.waiting)
        try:
            done = server.serve(waiting)
        except MissingResource:
            raise
        except Exception as error:
            self._alone(server, waiting, error, running)
            done = []
        server.worked += time.perf_counter() - started
        for search, answer in done:
            server.waiting.remove(search)
            self._resume(search, self._answer(search) if answer is None else answer, running)

    def _alone(self, server: Server, waiting: list[ActiveSearch], error: Exception, running: set[ActiveSearch]) -> None:
        """After a failed batch, end the search that fails alone as well, so that the others go on."""
        if len(waiting) > 1:
            for search in waiting:
                self._serve(server, running, only=search)
            return
        search = waiting[0]
        server.waiting.remove(search)
        running.discard(search)
        search.steps.close()
        self._fail(search, error)
