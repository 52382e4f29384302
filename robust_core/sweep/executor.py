"""Where shards are worked on: what every executor offers, and the one that works in this process."""

import threading
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from robust_core.sweep.shards import Shard
from robust_core.sweep.work import Message, work

# A shard's number and a message about it.
Heard = tuple[int, Message]


class Executor(Protocol):
    """Workers that shards are given to.

    Attributes:
        slots: Shards that they work on at once; more are not to be submitted before others have ended.
    """

    slots: int

    def submit(self, shard: Shard) -> None:
        """Give a shard to a worker that is free; a lost one is replaced first."""
        ...

    def events(self, wait: float) -> Iterator[Heard]:
        """Yield what was heard since the last call; wait for something at most so many seconds."""
        ...

    def close(self) -> None:
        """End all workers at once, whatever they are doing."""
        ...


class Here:
    """The executor of one process: its own.

    Args:
        stop: Ends the shard that is being worked on.
    """

    slots = 1

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._left: deque[tuple[int, Iterator[Message]]] = deque()

    def submit(self, shard: Shard) -> None:
        """Put a shard behind those that wait."""
        self._left.append((shard.number, work(shard, self._stop)))

    def events(self, wait: float) -> Iterator[Heard]:
        """Yield the messages of the next shard as they come."""
        del wait
        if self._left:
            number, messages = self._left.popleft()
            for message in messages:
                yield number, message

    def close(self) -> None:
        """Forget what waits."""
        self._left.clear()
