"""The job manager: order, snapshots, stopping, closed tabs, expiry and errors, on a clock that the test moves."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from robust_core.errors import BadInput
from robust_core.events import Event
from robust_core.jobs.manager import Job, JobManager


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """Workers that run when the test says so."""

    def __init__(self) -> None:
        self.works: list[Callable[[], None]] = []

    def __call__(self, work: Callable[[], None]) -> None:
        self.works.append(work)

    def run(self) -> None:
        """Run the worker that was started first."""
        self.works.pop(0)()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def at_once(work: Callable[[], None]) -> None:
    """Run a worker in the thread that starts it."""
    work()


def found(manager: JobManager, job_id: str) -> Job:
    """Return a job that is there."""
    job = manager.get(job_id)
    assert job is not None
    return job


def events(*kinds: str) -> Callable[[threading.Event], Iterator[Event]]:
    """Return work that yields events of these kinds about one example and victim."""
    return lambda stop: (Event(kind, "u", "v", {"queries": i}) for i, kind in enumerate(kinds))


def test_a_job_keeps_steps_and_results_and_only_the_latest_progress(clock: Clock) -> None:
    manager = JobManager(clock=clock, start=at_once)
    job_id = manager.submit("attack", events("started", "progress", "step", "progress", "progress", "result"), "a film")
    job = found(manager, job_id)
    assert (job.kind, job.label, job.status, job.error, job.over) == ("attack", "a film", "done", "", True)
    assert [event.kind for event in job.events] == ["started", "step", "result"]
    assert job.latest["u", "v"].data == {"queries": 5}
    assert job.seen == 6


def test_verdicts_are_counted_while_a_job_runs_and_an_unknown_job_is_over(clock: Clock) -> None:
    manager, counts = JobManager(clock=clock, start=at_once), []

    def work(stop: threading.Event) -> Iterator[Event]:
        for kind in ("started", "error", "step", "result"):
            yield Event(kind, "u", "v", {})
            counts.append(manager.count_ended(manager.jobs()[0].id))

    job_id = manager.submit("attack", work)
    assert counts == [(0, False), (1, False), (1, False), (2, False)]
    assert manager.count_ended(job_id) == (2, True) and manager.count_ended("nobody's") == (0, True)


def test_values_that_are_no_events_are_kept_in_order(clock: Clock) -> None:
    manager = JobManager(clock=clock, start=at_once)
    job = found(manager, manager.submit("explain", lambda stop: iter([1, "two", {"three": 3}])))
    assert job.values == [1, "two", {"three": 3}]
    assert job.results == []


def test_a_snapshot_does_not_change_with_the_job(clock: Clock) -> None:
    taken: list[Job] = []

    def work(stop: threading.Event) -> Iterator[Event]:
        yield Event("started", "u", "v")
        clock.now += 2.5
        taken.append(found(manager, manager.jobs()[0].id))
        yield Event("step", "u", "v")

    manager = JobManager(clock=clock, start=at_once)
    job_id = manager.submit("attack", work)
    assert (taken[0].status, taken[0].seen, len(taken[0].events)) == ("running", 1, 1)
    assert taken[0].latest["u", "v"].kind == "started"
    assert taken[0].seconds(clock.now) == 2.5
    clock.now += 100
    assert found(manager, job_id).seconds(clock.now) == 2.5


def test_jobs_wait_in_order_for_a_free_worker(clock: Clock) -> None:
    desk, order = Desk(), []
    manager = JobManager(workers=2, clock=clock, start=desk)

    def work(name: str) -> Callable[[threading.Event], Iterator[int]]:
        def make(stop: threading.Event) -> Iterator[int]:
            order.append(name)
            yield 1
        return make

    ids = [manager.submit("attack", work(name)) for name in "abcd"]
    assert len(desk.works) == 2, "no more workers than allowed"
    assert [manager.queue_position(i) for i in ids] == [1, 2, 3, 4]
    manager.stop(ids[1])
    assert [manager.queue_position(i) for i in ids] == [1, 0, 2, 3]
    assert found(manager, ids[1]).status == "stopped"
    desk.run()
    assert order == ["a", "c", "d"]
    assert [found(manager, i).status for i in ids] == ["done", "stopped", "done", "done"]
    desk.run()
    manager.submit("attack", work("e"))
    desk.run()
    assert order[-1] == "e"


def test_the_queue_is_bounded(clock: Clock) -> None:
    manager = JobManager(workers=1, waiting=2, clock=clock, start=Desk())
    for _ in range(2):
        manager.submit("attack", events())
    with pytest.raises(BadInput, match="2 jobs are waiting"):
        manager.submit("attack", events())


def test_stop_reaches_the_work_which_hands_over_what_it_has(clock: Clock) -> None:
    def work(stop: threading.Event) -> Iterator[Event]:
        yield Event("progress", "u", "v")
        manager.stop(manager.jobs()[0].id)
        assert stop.is_set()
        yield Event("result", "u", "v", {"best": "so far"})

    manager = JobManager(clock=clock, start=at_once)
    job = found(manager, manager.submit("attack", work))
    assert job.status == "stopped"
    assert job.events[-1].data == {"best": "so far"}


def test_work_that_does_not_listen_is_cut_off_after_the_grace(clock: Clock) -> None:
    closed = []

    def work(stop: threading.Event) -> Iterator[int]:
        try:
            while True:
                stop.set()
                clock.now += 0.5
                yield 1
        finally:
            closed.append(True)

    manager = JobManager(clock=clock, start=at_once, grace=2.0)
    job = found(manager, manager.submit("attack", work))
    assert job.status == "stopped"
    assert len(job.values) == 6
    assert closed == [True]


def test_a_running_job_that_nobody_watches_is_stopped(clock: Clock) -> None:
    def work(stop: threading.Event) -> Iterator[int]:
        for i in range(100):
            if stop.is_set():
                return
            clock.now += 10
            if i < 5:
                manager.touch(manager.jobs()[0].id)
            yield i

    manager = JobManager(clock=clock, start=at_once, idle=30)
    job = found(manager, manager.submit("attack", work))
    assert job.status == "stopped"
    assert job.values == list(range(9)), "five watched rounds, then 40 seconds alone"


def test_a_silent_job_is_stopped_by_any_look_at_the_manager(clock: Clock) -> None:
    desk = Desk()
    manager = JobManager(workers=1, clock=clock, start=desk)
    silent, other = manager.submit("attack", events("step")), manager.submit("attack", events("step"))
    clock.now += 31
    manager.touch(other)
    assert manager.queue_position(other) == 1, "the one before it was never begun"
    assert found(manager, silent).status == "stopped"
    desk.run()
    assert found(manager, silent).events == []
    assert found(manager, other).status == "done"


def test_finished_jobs_are_forgotten_after_an_hour(clock: Clock) -> None:
    manager = JobManager(clock=clock, start=at_once)
    job_id = manager.submit("attack", events("step"))
    clock.now += 3599
    assert manager.get(job_id) is not None
    clock.now += 2
    assert manager.get(job_id) is None
    assert manager.jobs() == []


def test_an_unknown_job_is_no_error(clock: Clock) -> None:
    manager = JobManager(clock=clock)
    assert manager.get("x") is None
    assert manager.queue_position("x") == 0
    manager.touch("x")
    manager.stop("x")
    assert manager.wait("x", 0)


def broken(error: Exception) -> Callable[[threading.Event], Iterator[int]]:
    """Return work that yields once and then fails."""
    def make(stop: threading.Event) -> Iterator[int]:
        yield 1
        raise error
    return make


def test_an_error_for_users_is_shown_as_it_is(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    manager = JobManager(clock=clock, start=at_once)
    job = found(manager, manager.submit("attack", broken(BadInput("The text is empty."))))
    assert (job.status, job.error, job.values) == ("failed", "The text is empty.", [1])
    assert not caplog.records


def test_a_bug_is_logged_with_its_traceback_and_shown_in_one_line(clock: Clock,
                                                                  caplog: pytest.LogCaptureFixture) -> None:
    manager = JobManager(clock=clock, start=at_once)
    with caplog.at_level(logging.ERROR):
        job = found(manager, manager.submit("attack", broken(KeyError("secret"))))
        before_it_began = found(manager, manager.submit("attack", lambda stop: 1 / 0))  # type: ignore[arg-type,return-value]
    for one in (job, before_it_began):
        assert one.status == "failed"
        assert "secret" not in one.error
        assert "\n" not in one.error
    assert "KeyError: 'secret'" in caplog.text
    assert "Traceback" in caplog.text
    assert found(manager, manager.submit("attack", events("step"))).status == "done", "the worker goes on"


def test_ids_cannot_be_guessed(clock: Clock) -> None:
    manager = JobManager(clock=clock, start=at_once)
    ids = {manager.submit("attack", events()) for _ in range(50)}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 16


def test_real_threads_wait_stop_and_close() -> None:
    manager = JobManager(workers=2)
    go = threading.Event()

    def work(stop: threading.Event) -> Iterator[Any]:
        yield Event("started", "u", "v")
        assert go.wait(10)
        yield Event("step", "u", "v")
        while not stop.wait(0.01):
            yield Event("progress", "u", "v")
        yield Event("result", "u", "v")

    ids = [manager.submit("attack", work) for _ in range(3)]
    assert not manager.wait(ids[0], 0.05), "started is nothing to show"
    assert manager.queue_position(ids[2]) == 1
    begun = time.perf_counter()
    go.set()
    assert manager.wait(ids[0], 10)
    assert manager.wait(ids[1], 10)
    manager.stop(ids[0])
    assert manager.wait(ids[2], 10), "the freed worker takes the next one"
    assert found(manager, ids[0]).events[-1].kind == "result"
    manager.close()
    until = time.perf_counter() + 10
    while not all(job.over for job in manager.jobs()) and time.perf_counter() < until:
        time.sleep(0.01)
    assert [job.status for job in manager.jobs()] == ["stopped"] * 3
    assert time.perf_counter() - begun < 5
    with pytest.raises(BadInput, match="shutting down"):
        manager.submit("attack", work)
