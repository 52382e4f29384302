"""TextAttack's own recipes on our victims, as attacks like any other.

TextAttack searches in a process of its own (`worker`), started at the first search, which takes some ten
seconds, and ended with this one. Each time it asks its model, the search asks here: so budgets, counts, caches,
batches, Stop and time limits are the scheduler's. Searches take turns at the process.

TextAttack does not know how far a model reads. It gets the words within reach; the rest is put back before anybody
looks.
"""

import atexit
import contextlib
import itertools
import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from typing import Any

import numpy as np

from robust_core.attacks.base import Attack
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Pause,
    Request,
    Score,
    Scores,
    Search,
    Similarity,
    Target,
)
from robust_core.cleaning import clean
from robust_core.environment import child_environment
from robust_core.errors import BadInput, MissingResource, RobustError, shorten
from robust_core.registry import to_record
from robust_core.text import Draft

_LOG = logging.getLogger(__name__)
_BREATH = 0.004
# A process that has not let go of an unwanted search after so many seconds is replaced.
_PATIENCE = 0.5
_NUMBERS = itertools.count()
_STARTING = threading.Lock()
_COMMAND = (sys.executable, "-m", "robust_core.attacks.textattack.worker")


class Worker:
    """TextAttack's process, seen from here; whoever holds `turn` may talk to it.

    Attributes:
        alive: Whether it can still be talked to.
    """

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            encoding="utf-8", env=child_environment(PYTHONHASHSEED="0"))
        self.turn, self.alive, self._owner = threading.Lock(), True, 0
        self._inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._ready, self._unwanted, self._since = False, -1, 0.0
        self._reader = threading.Thread(target=self._read, daemon=True, name="textattack")
        self._reader.start()
        atexit.register(self.close)

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                try:
                    self._inbox.put(json.loads(line))
                except ValueError:  # a line that was cut short
                    break
        self.close()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        atexit.unregister(self.close)
        self.alive = False
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        if threading.current_thread() is not self._reader:
            self._reader.join(1.0)

    def take(self) -> bool:
        """Take the turn if nobody has it; else rest for a moment, unless someone in this thread is about to ask."""
        if self.turn.acquire(blocking=False):
            self._owner = threading.get_ident()
            return True
        if self._owner != threading.get_ident():
            time.sleep(_BREATH)
        return False

    @property
    def free(self) -> bool:
        """Whether it waits for an order."""
        return self._ready and self._unwanted < 0

    def send(self, **message: object) -> None:
        """Say something; that it is not heard any more shows at `receive`."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except (OSError, ValueError):
            self.alive = False

    def receive(self, search: int = -1) -> dict[str, Any] | None:
        """Return what it says about a search, or None if that takes longer than a few milliseconds.

        Raises:
            MissingResource: It lacks something.
            RobustError: It ended.
        """
        try:
            message = self._inbox.get(timeout=_BREATH)
        except queue.Empty:
            if not self.alive:
                raise RobustError("TextAttack's process ended; the next search starts a new one.") from None
            if self._ready and self._unwanted >= 0 and time.monotonic() - self._since > _PATIENCE:
                self.close()
            return None
        if "missing" in message:
            raise MissingResource(*message["missing"])
        self._ready = self._ready or "ready" in message
        if message.get("search") == self._unwanted and ("end" in message or "error" in message):
            # Also of a search that was over before it was told: an idle process answers `abandon` as well.
            self._unwanted = -1
        return message if message.get("search") == search else None

    def leave(self, search: int = -1) -> None:
        """Give the turn back, and let go of a search that is not over."""
        if search >= 0 and self.alive:
            self._unwanted, self._since = search, time.monotonic()
            self.send(abandon=search)
        self.turn.release()


_WORKER: Worker | None = None


def get_worker() -> Worker:
    """Return the process of this process, a new one if there is none."""
    global _WORKER
    with _STARTING:
        if _WORKER is None or not _WORKER.alive:
            _WORKER = Worker()
        return _WORKER


def _take_turn() -> Generator[Request, None, Worker]:
    """Wait for the turn at a process that waits for an order."""
    while True:
        found = get_worker()
        if not found.take():
            yield Pause(idle=True)
            continue
        try:
            while found.alive and not found.free:
                found.receive()
                yield Pause(idle=True)
        except BaseException:
            found.leave()
            raise
        if found.alive:
            return found
        found.leave()


def search_in_textattack(self: Attack, target: Target, rng: np.random.Generator) -> Search:
    """Let TextAttack search, and answer its questions."""
    if target.wanted_label is not None or target.goes_on:
        raise BadInput(f"{self.title} searches in TextAttack, which here looks for any other class: leave the aim as "
                       "it is, or choose another attack.")
    if not target.reach:
        return Candidate(target.draft)
    if self.max_queries == 1:
        yield Score([Candidate(target.draft)])  # refused: so the budget is known to be spent
        return Candidate(target.draft)
    process, number, over = (yield from _take_turn()), next(_NUMBERS), False
    try:
        end = target.draft.spans[target.reach - 1].end
        head, tail = target.draft.text[:end], target.draft.text[end:]
        process.send(search=number, attack=to_record(self), text=head, label=target.reference_label,
                     before=target.before.tolist(), locked=sorted(target.locked), seed=int(rng.integers(2**32)))
        best = yield from _converse(process, number, head, tail)
        over = True
    finally:
        process.leave(-1 if over else number)
    return best or Candidate(target.draft)


def _converse(process: Worker, number: int, head: str, tail: str) -> Generator[Request, Any, Candidate | None]:
    """Answer questions until the search ends; return its last text if that is not the first."""
    known: dict[str, np.ndarray] = {}
    best, at = None, head
    while True:
        message = process.receive(number)
        if message is None:
            yield Pause()
            continue
        if "error" in message:
            _LOG.error("TextAttack broke off: %s", message["trace"])
            raise RobustError(f"TextAttack broke off with an error of its own: {shorten(message['error'], 120)}; try "
                              "another text or another attack.")
        for text in filter(None, (message.get("current"), message.get("end"))):
            if text != at and text in known:
                best, at = _read_candidate(text, tail), text
                yield Accept(best, known[text])
        if "end" in message:
            return best
        if "pairs" in message:
            answer = (yield Similarity([(a, b) for a, b in message["pairs"]])).value
        else:
            scores: Scores = yield Score([_read_candidate(text, tail) for text in message["texts"]], message["trying"])
            yield Accept(None, eligible=len(scores.proba))
            if len(scores.proba) < len(message["texts"]):
                raise RobustError("TextAttack asked for more than its budget.")
            known.update(zip(message["texts"], scores.proba, strict=True))
            answer = scores.proba
        process.send(search=number, answer=answer.tolist())


def _read_candidate(head: str, tail: str) -> Candidate:
    return Candidate(Draft.of(clean(head + tail)))
