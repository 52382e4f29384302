"""The job manager: long work in the background, watched from outside, stopped when nobody watches any more.

A worker iterates over what the engine yields and writes into its job, nowhere else; whoever draws the job asks for a
snapshot as often as it likes. Pages keep only the id of a job.
"""

import collections
import dataclasses
import logging
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from robust_core import owners
from robust_core.errors import BadInput, RobustError
from robust_core.events import Event
from robust_core.files import describe_refusal
from robust_core.types import AttackResult

log = logging.getLogger(__name__)

QUEUED, RUNNING, DONE, STOPPED, FAILED = "queued", "running", "done", "stopped", "failed"
BROKEN = "Something went wrong inside the program; its log tells more."


@dataclasses.dataclass
class Job:
    """A piece of work and all that is known of it so far.

    Args:
        id: Random token, not guessable.
        kind: What it is, such as "attack".
        label: What people see in the queue.
        stop: Set to ask it to end; the work itself looks at it.
        submitted: When it was submitted, in seconds of the manager's clock.
        owner: Whose it is, as `owners.find_person` has it.

    Attributes:
        status: queued, running, done, stopped (by someone, or because nobody watched) or failed.
        latest: The newest event of each (example uid, victim id).
        events: Every event but "progress", in order.
        values: Everything else that was yielded, in order.
        error: One plain line, when it failed.
        seen: How many events and values there were; a page that has drawn this many has nothing to redraw.
        touched: When somebody last looked at it.
        started: When the work began.
        finished: When it ended.
    """

    id: str
    kind: str
    label: str
    stop: threading.Event
    submitted: float
    owner: str = ""
    status: str = QUEUED
    latest: dict[tuple[str, str], Event] = dataclasses.field(default_factory=dict)
    events: list[Event] = dataclasses.field(default_factory=list)
    values: list[Any] = dataclasses.field(default_factory=list)
    error: str = ""
    seen: int = 0
    touched: float = 0.0
    started: float | None = None
    finished: float | None = None

    @property
    def over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.status in (DONE, STOPPED, FAILED)

    @property
    def results(self) -> list[AttackResult]:
        """Results of the attacks that have ended so far."""
        return [event.result for event in self.events if event.result is not None]

    def seconds(self, now: float) -> float:
        """Return how long the work has run, or ran, in seconds."""
        if self.started is None:
            return 0.0
        return (now if self.finished is None else self.finished) - self.started


def _start_thread(work: Callable[[], None]) -> None:
    # Daemon: leaving the program does not wait for a search to end.
    threading.Thread(target=work, name="job", daemon=True).start()


class JobManager:
    """Runs jobs, a few at a time, the others waiting in order; safe for any number of threads.

    Args:
        workers: Jobs that run at the same time.
        waiting: Most jobs in the queue.
        idle: Seconds without a `touch` after which a job is stopped: its page is closed.
        keep: Seconds for which a finished job is kept.
        grace: Seconds that stopped work gets to hand over what it has.
        clock: Gives the time in seconds.
        start: Starts a worker; a test may run it at once, in its own thread.
    """

    def __init__(self, workers: int = 2, *, waiting: int = 50, idle: float = 30.0, keep: float = 3600.0,
                 grace: float = 2.0, clock: Callable[[], float] = time.monotonic,
                 start: Callable[[Callable[[], None]], None] = _start_thread) -> None:
        self._limits = (workers, waiting)
        self._idle, self._keep, self._grace = idle, keep, grace
        self.clock = clock
        self._start = start
        self._jobs: dict[str, Job] = {}
        self._queue: collections.deque[tuple[Job, Callable[[threading.Event], Iterable[Any]]]] = collections.deque()
        self._busy = 0
        self._closed = False
        self._changed = threading.Condition()

    def submit(self, kind: str, make_events: Callable[[threading.Event], Iterable[Any]], label: str = "", *,
               most: int | None = None, most_of_all: int | None = None) -> str:
        """Queue a piece of work for whoever this thread works for, and return the id of its job.

        Args:
            kind: What it is, such as "attack".
            make_events: Called in a worker with the job's stop event; yields events and other values.
            label: What people see in the queue.
            most: Most jobs of one person that wait or run, where several people share the app; None: no limit.
            most_of_all: Most jobs that wait or run; None: only the manager's own limit counts.

        Raises:
            BadInput: Too many jobs are waiting, or the manager is closed.
        """
        workers, waiting = self._limits
        owner = owners.find_person()
        with self._changed:
            self._sweep()
            if self._closed:
                raise BadInput("The program is shutting down.")
            if len(self._queue) >= waiting:
                raise BadInput(f"{waiting} jobs are waiting already; try again when some have ended.")
            self._check_limits(owner, most, most_of_all)
            now = self.clock()
            job = Job(secrets.token_urlsafe(12), kind, label, threading.Event(), now, owner, touched=now)
            self._jobs[job.id] = job
            self._queue.append((job, make_events))
            spawn = self._busy < workers
            self._busy += spawn
        if spawn:
            self._start(self._work)
        return job.id

    def _check_limits(self, owner: str, most: int | None, most_of_all: int | None) -> None:
        alive = [job.owner for job in self._jobs.values() if not job.over]
        if owner and most is not None and alive.count(owner) >= most:
            raise BadInput(f"{alive.count(owner)} of your jobs run or wait already; {most} are the most for one "
                           "person. Stop one, or wait until it has ended.")
        if most_of_all is not None and len(alive) >= most_of_all:
            raise BadInput(f"{len(alive)} jobs run or wait already; {most_of_all} are the most. Try again when some "
                           "have ended.")

    def get(self, job_id: str) -> Job | None:
        """Return a snapshot of a job, or None when there is none (any more)."""
        with self._changed:
            self._sweep()
            job = self._jobs.get(job_id)
            if job is None:
                return None
            return dataclasses.replace(job, latest=dict(job.latest), events=list(job.events), values=list(job.values))

    def jobs(self) -> list[Job]:
        """Return snapshots of all jobs, in the order in which they were submitted."""
        with self._changed:
            known = list(self._jobs)
        return [job for job in map(self.get, known) if job is not None]

    def is_busy(self) -> bool:
        """Return whether a job is running that somebody watches."""
        with self._changed:
            self._sweep()
            return any(job.status == RUNNING and not job.stop.is_set() for job in self._jobs.values())

    def queue_position(self, job_id: str) -> int:
        """Return the place of a job in the queue, 1 for the next; 0 when it is not waiting."""
        with self._changed:
            self._sweep()
            return next((i for i, (job, _) in enumerate(self._queue, 1) if job.id == job_id), 0)

    def touch(self, job_id: str) -> None:
        """Say that somebody is watching a job."""
        with self._changed:
            if job_id in self._jobs:
                self._jobs[job_id].touched = self.clock()

    def stop(self, job_id: str) -> None:
        """Ask a job to end; one that waits ends at once."""
        with self._changed:
            if job_id in self._jobs:
                self._ask_to_stop(self._jobs[job_id])

    def wait(self, job_id: str, timeout: float) -> bool:
        """Wait until a job has something to show: an event other than "started", a value, or its end.

        Args:
            job_id: The job.
            timeout: Most seconds to wait.

        Returns:
            Whether there is something to show.
        """
        def shown() -> bool:
            job = self._jobs.get(job_id)
            return job is None or job.over or bool(job.values) or any(e.kind != "started" for e in job.latest.values())

        with self._changed:
            return self._changed.wait_for(shown, timeout)

    def count_ended(self, job_id: str) -> tuple[int, bool]:
        """Return how many results and errors a job has come to, and whether it is over; it is when nobody knows it."""
        with self._changed:
            job = self._jobs.get(job_id)
            return (0, True) if job is None else (sum(e.kind in ("result", "error") for e in job.events), job.over)

    def close(self) -> None:
        """Stop every job and take no more."""
        with self._changed:
            self._closed = True
            for job in self._jobs.values():
                self._ask_to_stop(job)

    def _ask_to_stop(self, job: Job) -> None:
        if job.over:
            return
        job.stop.set()
        if job.status == QUEUED:
            self._queue = collections.deque(entry for entry in self._queue if entry[0] is not job)
            self._end(job, STOPPED)

    def _sweep(self) -> None:
        """Stop what nobody watches, forget what ended long ago."""
        now = self.clock()
        for job in list(self._jobs.values()):
            if job.finished is not None and now - job.finished > self._keep:
                del self._jobs[job.id]
            elif not job.over and now - job.touched > self._idle:
                self._ask_to_stop(job)

    def _end(self, job: Job, status: str, error: str = "") -> None:
        job.status, job.error, job.finished = status, error, self.clock()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                # A job whose page was closed while it waited is not begun at all.
                self._sweep()
                if not self._queue:
                    self._busy -= 1
                    return
                job, make_events = self._queue.popleft()
                job.status, job.started = RUNNING, self.clock()
            with owners.act_for(job.owner):
                status, error = self._run(job, make_events)
            with self._changed:
                self._end(job, status, error)

    def _run(self, job: Job, make_events: Callable[[threading.Event], Iterable[Any]]) -> tuple[str, str]:
        """Iterate over the work of a job; return how it ended and the error, if there was one."""
        try:
            items = iter(make_events(job.stop))
            try:
                self._drain(job, items)
            finally:
                if isinstance(items, Generator):
                    items.close()
        except RobustError as error:
            return FAILED, str(error)
        except Exception as error:
            if line := describe_refusal(error):
                return FAILED, line
            log.exception("%s job failed: %s", job.kind, job.label)
            return FAILED, BROKEN
        return (STOPPED if job.stop.is_set() else DONE), ""

    def _drain(self, job: Job, items: Iterator[Any]) -> None:
        given_up = None
        for item in items:
            with self._changed:
                self._record(job, item)
                now = self.clock()
                if now - job.touched > self._idle:
                    job.stop.set()
            if job.stop.is_set():
                # The work may still hand over the best it found, but not go on for ever.
                given_up = now if given_up is None else given_up
                if now - given_up > self._grace:
                    return

    def _record(self, job: Job, item: object) -> None:
        job.seen += 1
        if isinstance(item, Event):
            job.latest[item.uid, item.victim] = item
            if item.kind != "progress":
                job.events.append(item)
        else:
            job.values.append(item)
        self._changed.notify_all()
