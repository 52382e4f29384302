"""The parent of a sweep: gives shards to an executor, stores what comes back, and is the store's only writer."""

import contextlib
import dataclasses
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from robust_core.errors import BadInput, from_plain
from robust_core.events import Event
from robust_core.records import read_result
from robust_core.store import ResultStore
from robust_core.sweep.executor import Executor, Here
from robust_core.sweep.leases import Leases
from robust_core.sweep.processes import Processes
from robust_core.sweep.shards import Part, Shard, choose_examples, cut_attacks, cut_explanations, size_shards
from robust_core.sweep.tasks import Task
from robust_core.sweep.work import Message

_POLL, _TRIES = 0.1, 3
# How often pairs that another sweep has leased are looked at again.
_AGAIN = 1.0


def fill_store(tasks: Sequence[Task], store: ResultStore, stop: threading.Event, *, workers: int = 1,
               device: str = "auto", threads: int = 1, part: Part | None = None, executor: Executor | None = None
               ) -> Iterator[Event]:
    """Compute what the store lacks of some tasks, each result stored the moment it arrives.

    Args:
        tasks: What is wanted.
        store: Where results go; what it holds is not computed again.
        stop: Ends it within a second; what has ended by then is stored.
        workers: Processes of this machine; 1 works in this one.
        device: Where models run.
        threads: Threads of each process, where there are several.
        part: Which part of the work is meant; all of it by default.
        executor: What takes the place of processes; it is closed at the end.

    Yields:
        "progress" events with part, done and total; "error" events with a message, of searches that broke.

    Raises:
        RobustError: A worker met it; everything that has ended by then is stored.
        BadInput: Three workers in turn were lost with the same texts, of which none came back; everything else is
            stored by then.
    """
    part = part or Part()
    if executor is None:
        executor = Processes(workers, device=device, threads=threads) if workers > 1 else Here(stop)
    with contextlib.closing(executor), contextlib.closing(Leases(store.folder)) as leases:
        for task in tasks:
            store.open_run(task.run)
        mine = choose_examples(tasks, part)
        driver = _Driver(executor, store, leases, stop)
        size = size_shards(total := sum(map(len, mine.values())), executor.slots)
        shards = [shard for at, task in enumerate(tasks) for shard in cut_attacks(task, mine[at], size, device, store)]
        yield from driver.run("attacks", shards, total)
        explained = sum(len(mine[at]) * len(task.explainers) for at, task in enumerate(tasks))
        if explained and not stop.is_set():
            shards = [s for at, task in enumerate(tasks) for s in cut_explanations(task, mine[at], device, store)]
            yield from driver.run("explanations", shards, sum(len(shard.uids) for shard in shards))
        driver.raise_lost()


@dataclasses.dataclass
class _Flight:
    """A shard that a worker has, and those of its texts that nothing was heard of yet."""

    shard: Shard
    left: set[str]


class _Driver:
    def __init__(self, executor: Executor, store: ResultStore, leases: Leases, stop: threading.Event) -> None:
        self._executor, self._store, self._leases, self._stop = executor, store, leases, stop
        self._waiting: deque[Shard] = deque()
        self._leased: deque[Shard] = deque()
        self._flying: dict[int, _Flight] = {}
        self._lost: list[tuple[Shard, str]] = []
        self._done, self._look = 0, 0.0

    def run(self, part: str, shards: Sequence[Shard], total: int) -> Iterator[Event]:
        self._waiting.extend(shards)
        self._done = total - sum(len(shard.uids) for shard in shards)
        progress = {"part": part, "total": total}
        yield Event("progress", "", "", progress | {"done": self._done})
        while (self._waiting or self._leased or self._flying) and not self._stop.is_set():
            self._submit()
            if not self._flying:
                # All that is left is another sweep's: its results come into this store, or its leases end.
                self._stop.wait(_POLL)
            for number, message in self._executor.events(_POLL):
                if (event := self._take(number, message)) is not None:
                    yield event
                    yield Event("progress", event.uid, event.victim, progress | {"done": self._done})
        if not self._stop.is_set():
            yield Event("progress", "", "", progress | {"done": self._done})

    def raise_lost(self) -> None:
        if self._lost:
            shard, reason = self._lost[0]
            texts = sum(len(lost.uids) for lost, _ in self._lost)
            raise BadInput(f"{_TRIES} workers were lost with the same texts ({reason}), {texts:,} in all; the first is "
                           f"{shard.uids[0]} on {shard.model}. Everything else is stored.")

    def _submit(self) -> None:
        now = time.monotonic()
        if self._leased and now > self._look + _AGAIN:
            self._look = now
            self._waiting.extend(self._leased)
            self._leased.clear()
        while self._waiting and len(self._flying) < self._executor.slots and not self._stop.is_set():
            shard = self._waiting.popleft()
            claimed = self._leases.claim(shard.place, shard.uids)
            if others := [uid for uid in shard.uids if uid not in claimed]:
                self._leased.append(shard.keep(others))
            # Asked after the lease is ours: another sweep may have stored them and let go since this one began.
            missing = claimed - self._find_stored(shard)
            self._done += len(claimed) - len(missing)
            self._leases.release(shard.place, claimed - missing)
            if missing:
                flying = shard if len(missing) == len(shard.uids) else shard.keep(missing)
                self._flying[flying.number] = _Flight(flying, set(missing))
                self._executor.submit(flying)

    def _find_stored(self, shard: Shard) -> set[str]:
        if shard.explainer is not None:
            return self._store.compared(shard.run.id, shard.explainer, shard.uids)
        return {uid for uid, _ in self._store.done(shard.run.id, shard.uids)}

    def _take(self, number: int, message: Message) -> Event | None:
        """Store what a worker says; return an event about a text, if it is about one."""
        flight = self._flying.get(number)
        if flight is None:
            return None
        shard, kind, model = flight.shard, message["kind"], next(iter(flight.shard.run.models))
        if kind == "failed":
            raise from_plain(message["error"])
        if kind in ("done", "lost"):
            del self._flying[number]
            self._leases.release(shard.place, shard.uids)
            if kind == "lost":
                self._try_again(flight, message["reason"])
            return None
        flight.left.discard(message["uid"])
        self._done += 1
        if kind == "error":
            return Event("error", message["uid"], model, {"message": message["message"]})
        if kind == "comparison":
            assert shard.explainer is not None
            self._store.compare(shard.run.id, shard.explainer, message["uid"], message["record"])
        else:
            self._store.append(shard.run.id, read_result(message["record"]))
        return Event("stored", message["uid"], model)

    def _try_again(self, flight: _Flight, reason: str) -> None:
        if not flight.left:
            return
        # A worker that had handed something over may have died of anything; one text that kills is alone at last.
        progressed = len(flight.left) < len(flight.shard.uids)
        again = flight.shard.keep(flight.left, -flight.shard.tries if progressed else 1)
        if again.tries < _TRIES:
            self._waiting.appendleft(again)
        else:
            self._lost.append((again, reason))
