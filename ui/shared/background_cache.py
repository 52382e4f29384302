"""Values that are slow to make, made once in the background and shared by every session."""

import collections
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from robust_core import owners
from robust_core.errors import RobustError, quote
from robust_core.jobs.manager import BROKEN

log = logging.getLogger(__name__)
_RETRY = 20.0
Value = TypeVar("Value")
Key = tuple[Hashable, ...]


class NobodyWatchesError(RobustError):
    """A value was given up while it was made, since nobody had asked for it for a while."""


class BackgroundCache(Generic[Value]):
    """Makes each value at most once, in one thread of its own, and keeps those used last.

    Args:
        make: Called with the key's parts; returns the value.
        room: How much may be kept.
        weigh: How much of the room a value takes; 1 each by default.
        patience: Seconds after which a value that nobody has asked for again is not made any more; endless by default.
    """

    def __init__(self, make: Callable[..., Value], room: float,
                 weigh: Callable[[Value], float] = lambda value: 1.0, patience: float = math.inf) -> None:
        self._make, self._room, self._weigh, self._patience = make, room, weigh, patience
        self._queue: queue.SimpleQueue[tuple[Future[Value], Key, str]] = queue.SimpleQueue()
        self._kept: collections.OrderedDict[Key, Future[Value]] = collections.OrderedDict()
        self._asked: dict[Key, float] = {}
        self._failed: dict[Key, float] = {}
        self._lock = threading.Lock()
        # Daemon, unlike an executor's threads: leaving the program does not wait for what is still waiting.
        threading.Thread(target=self._serve, name="background cache", daemon=True).start()

    def ask(self, *key: Hashable) -> Future[Value]:
        """Return the value's future; the making starts unless it has. What failed is tried again after a while."""
        with self._lock:
            now = time.monotonic()
            future = self._kept.get(key)
            again = key in self._failed and now - self._failed[key] > _RETRY
            if future is None or again:
                self._failed.pop(key, None)
                future = self._kept[key] = Future()
                self._queue.put((future, key, owners.find_person()))
            if not future.done():
                self._asked[key] = now
            self._kept.move_to_end(key)
        return future

    def check_watched(self, *key: Hashable) -> None:
        """Go on with the making of a value.

        Raises:
            NobodyWatchesError: Nobody has asked for it for a while.
        """
        with self._lock:
            if time.monotonic() - self._asked.get(key, -math.inf) > self._patience:
                raise NobodyWatchesError("Nobody was waiting for it any more.")

    def find(self, *key: Hashable) -> Future[Value] | None:
        """Return the value's future if it is here or being made."""
        with self._lock:
            return self._kept.get(key)

    def is_busy(self) -> bool:
        """Return whether something is being made."""
        with self._lock:
            return any(not future.done() for future in self._kept.values())

    def put(self, value: Value, *key: Hashable) -> None:
        """Keep a value made elsewhere."""
        future: Future[Value] = Future()
        future.set_result(value)
        with self._lock:
            self._kept.setdefault(key, future)
            self._trim()

    def peek(self, *key: Hashable) -> tuple[Value | None, str]:
        """Return (value, error): (None, "") while it is being made, and the making starts unless it has."""
        future = self.ask(*key)
        if not future.done():
            return None, ""
        error = future.exception()
        if isinstance(error, NobodyWatchesError):
            # Given up a moment before somebody asked again; the next look begins anew.
            return None, ""
        if error is not None:
            return None, str(error) if isinstance(error, RobustError) else BROKEN
        return future.result(), ""

    def _serve(self) -> None:
        while True:
            future, key, person = self._queue.get()
            try:
                with owners.act_for(person):
                    future.set_result(self._work(key))
            except BaseException as error:  # noqa: BLE001 (whatever it is, it belongs to whoever asked)
                future.set_exception(error)

    def _work(self, key: Key) -> Value:
        try:
            self.check_watched(*key)
            return self._make(*key)
        except NobodyWatchesError:
            # As if it had never been asked for: whoever comes back has it made anew.
            with self._lock:
                self._kept.pop(key, None)
            raise
        except BaseException as error:
            with self._lock:
                self._forget_failures()
                self._failed[key] = time.monotonic()
            if not isinstance(error, RobustError):
                log.exception("Could not make %s", quote(key))
            raise
        finally:
            with self._lock:
                self._asked.pop(key, None)
                self._trim()

    def _forget_failures(self) -> None:
        """Drop what failed so long ago that it would be tried again."""
        now = time.monotonic()
        for key in [key for key, when in self._failed.items() if now - when > _RETRY]:
            del self._failed[key]
            self._kept.pop(key, None)

    def _trim(self) -> None:
        """Drop what was used longest ago, never what is still being made, until the rest fits."""
        done = [key for key, future in self._kept.items() if future.done() and future.exception() is None]
        weights = {key: self._weigh(self._kept[key].result()) for key in done}
        total = sum(weights.values())
        for key in done[:-1]:
            if total <= self._room:
                return
            total -= weights[key]
            del self._kept[key]
