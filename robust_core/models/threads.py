"""How many threads an operation gets: as many as are worth it while other programs use the same cores.

Two threads that share an operation wait for each other. On a free machine that nearly halves the time; where another
program holds one of the cores, it costs more than it gives. So now and then a batch is run once more with another
number of threads, and what was faster over the last few is what the next ones get, for each network by itself: a small
CNN is faster with one thread where a transformer is with two. What is found does not depend on it: see
`attacks/engine/near_ties.py`. A number that somebody set (see `environment.read_threads`) stays.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from robust_core.environment import read_threads

T = TypeVar("T")
# Share of the time that is spent on running batches again, and seconds that work which begins may spend beyond it.
_SHARE, _AT_ONCE = 0.02, 0.03
# A batch that takes longer is run again only when a quarter of it has been earned.
_SHORT = 0.05
# Seconds of batches run twice, and how many, that a change rests on; beyond the last figure what is older counts half.
_EVIDENCE, _PAIRS, _MEMORY = 0.03, 3, 0.12
# How much faster more threads must be. Fewer need only be as fast: they leave more to others.
_GAIN = 1.15
# Seconds without work after which others may have come or gone.
_IDLE = 2.0


class ThreadRule:
    """Decides on a number of threads, from batches that were run with two numbers.

    Args:
        most: Most threads.

    Attributes:
        count: Threads that operations get now.
        ended: When the last batch ended.
    """

    def __init__(self, most: int) -> None:
        self.count, self.most, self.ended = most, most, 0.0
        self._up = False
        self.begin()

    def begin(self) -> None:
        """Forget how long others were seen: work begins after a pause."""
        self._worked = self._spent = 0.0
        self._forget()

    def _forget(self) -> None:
        # By other count: seconds with the present count, with the other, and batches.
        self._tried: dict[int, tuple[float, float, int]] = {}

    def choose_other(self, seconds: float) -> int | None:
        """Return with how many threads to run a batch again, if it is time to.

        Args:
            seconds: What it took with `count` threads.
        """
        self._worked += seconds
        if self._spent > _SHARE * self._worked + (_AT_ONCE if seconds <= _SHORT else -seconds / 4):
            return None
        others = sorted({(self.count + 1) // 2, min(2 * self.count, self.most)} - {self.count})
        if not others:
            return None
        # In turn, where both fewer and more are possible.
        self._up = not self._up
        return others[-1] if self._up else others[0]

    def record(self, other: int, seconds: float, again: float) -> None:
        """Take in what a batch took with `count` threads and with another number, in seconds; change `count` if due."""
        self._spent += again
        before, after, pairs = self._tried.get(other, (0.0, 0.0, 0))
        if before > _MEMORY:
            before, after = before / 2, after / 2
        before, after, pairs = before + seconds, after + again, pairs + 1
        self._tried[other] = before, after, pairs
        if before >= _EVIDENCE and pairs >= _PAIRS and before >= after * (_GAIN if other > self.count else 1.0):
            self.count = other
            self._forget()


class _Threads:
    """The rules of this process, by network, made when first asked for: then torch says how many threads there are."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.here = threading.local()
        self._rules: weakref.WeakKeyDictionary[object, ThreadRule] = weakref.WeakKeyDictionary()
        self._most = 0

    def find_rule(self, device: torch.device, reader: object = None) -> ThreadRule | None:
        """Return a network's rule; None where the number is not to be chosen: no CPU, a number that is set, in a batch.

        Raises:
            BadInput: The number that somebody set is none.
        """
        if device.type != "cpu" or getattr(self.here, "inside", False):
            return None
        with self.lock:
            self._most = self._most or torch.get_num_threads()
            # Whatever nobody names shares one rule.
            reader = self if reader is None else reader
            if (rule := self._rules.get(reader)) is None:
                rule = self._rules[reader] = ThreadRule(1 if read_threads() else self._most)
            if rule.most == 1:
                return None
            if not hasattr(self.here, "inside"):
                # A new thread begins with what torch was last told, which may have been a batch's number.
                self.here.inside = False
                torch.set_num_threads(self._most)
            if torch.get_num_threads() != self._most:
                return None
            if time.perf_counter() - rule.ended > _IDLE:
                rule.begin()
            return rule

    def run(self, work: Callable[[], T], rule: ThreadRule) -> T:
        """Run a batch, and once more if it is time to."""
        count = rule.count
        answer, seconds = self._time(work, count)
        with self.lock:
            # Another thread may have changed it meanwhile.
            other = rule.choose_other(seconds) if rule.count == count else None
        if other is not None:
            _, again = self._time(work, other)
            with self.lock:
                if rule.count == count:
                    rule.record(other, seconds, again)
        rule.ended = time.perf_counter()
        return answer

    def _time(self, work: Callable[[], T], count: int) -> tuple[T, float]:
        with self.use(count):
            started = time.perf_counter()
            answer = work()
            return answer, time.perf_counter() - started

    @contextlib.contextmanager
    def use(self, count: int) -> Iterator[None]:
        """Set torch's threads, of this thread alone, and set them back: a training keeps one number all the time."""
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        self.here.inside = True
        try:
            yield
        finally:
            self.here.inside = False
            torch.set_num_threads(before)


_THREADS = _Threads()


def lend_threads(device: str, reader: object = None) -> contextlib.AbstractContextManager[None]:
    """Return a context in which operations get the number of threads that was worth it for a network's last batches."""
    rule = _THREADS.find_rule(torch.device(device), reader)
    return contextlib.nullcontext() if rule is None else _THREADS.use(rule.count)


def fix_threads(count: int) -> contextlib.AbstractContextManager[None]:
    """Return a context in which operations of this thread get `count` threads, whatever is free."""
    return _THREADS.use(count)


def run_batch(work: Callable[[], T], device: torch.device, reader: object = None, *, alone: bool = False) -> T:
    """Return what `work` returns, run with the number of threads that is worth it now.

    Args:
        work: Runs a batch; may be called twice, so it must leave nothing behind.
        device: Where it runs; threads matter on the CPU only.
        reader: The network that runs.
        alone: With one thread, whatever is free: too small to share, and its last bits must not depend on it.
    """
    rule = _THREADS.find_rule(device, reader)
    if rule is None:
        return work()
    if alone:
        with _THREADS.use(1):
            return work()
    return _THREADS.run(work, rule)
