"""Trainings as subprocesses: events, Stop, a killed process, resuming, errors in one line."""

import os
import signal
import threading
import time

import pytest

from robust_core import trainings
from robust_core.errors import BadInput
from robust_core.jobs import process
from robust_core.jobs.manager import DONE, FAILED, STOPPED, JobManager
from robust_core.models import cards

LONG = {"dataset": "reviews", "architecture": "cnn", "set": {"epochs": 200, "learning_rate": 0.0}}


@pytest.fixture
def no_less_than_others(monkeypatch):
    """Trainings give way to the app; beside other tests, which keep all processors busy, they would hardly move."""
    monkeypatch.setattr(process, "_NICENESS", 0)


def words(values: dict, *more: str) -> list[str]:
    return ["train", *trainings.parse_spec(values).words, "--device", "cpu", "--events", *more]


def until(events, kind: str) -> list[dict]:
    found = []
    for event in events:
        found.append(event)
        if event["kind"] == kind:
            return found
    raise AssertionError(found)


@pytest.mark.usefixtures("no_less_than_others")
def test_a_training_hands_on_its_events_and_its_model_is_there():
    short = {"dataset": "reviews", "architecture": "cnn", "set": {"epochs": 1}}
    events = list(process.run_command(words(short), threading.Event()))
    assert events[-1]["kind"] == "stored" and events[-1]["row"]["model"] == "reviews/cnn/base"
    assert [e["dev_accuracy"] for e in events if e["kind"] == "epoch"] == [events[-1]["row"]["dev_accuracy"]]
    assert "reviews/cnn/base" in {card.id for card in cards.cards()} and trainings.list_unfinished() == []


@pytest.mark.thorough
@pytest.mark.usefixtures("no_less_than_others")
def test_a_stopped_training_goes_on_where_it_was():
    stop = threading.Event()
    events = process.run_command(words(LONG), stop)
    first = until(events, "epoch")[-1]
    stop.set()
    began = time.monotonic()
    list(events)
    assert time.monotonic() - began < 60
    found, = trainings.list_unfinished()
    assert found.order == trainings.parse_spec(LONG) and found.device == "cpu"
    again = process.run_command(words(found.order.values, "--resume"), threading.Event())
    assert until(again, "epoch")[0]["dev_accuracy"] == first["dev_accuracy"], "told once more, then gone on with"
    again.close()
    trainings.forget_training(found.order)
    assert trainings.list_unfinished() == []


@pytest.mark.thorough
def test_a_killed_training_is_told_in_one_line(monkeypatch):
    started = []
    popen = process.subprocess.Popen
    monkeypatch.setattr(process.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    events = process.run_command(words(LONG), threading.Event())
    until(events, "epoch")
    threads = [int(name) for name in os.listdir(f"/proc/{started[0].pid}/task")]
    assert max(os.getpriority(os.PRIO_PROCESS, thread) for thread in threads) >= 10, "pages go first"
    os.kill(started[0].pid, signal.SIGKILL)
    with pytest.raises(BadInput, match=r"^The training was ended from outside \(SIGKILL\)"):
        list(events)
    assert len(trainings.list_unfinished()) == 1


def test_an_error_of_the_command_is_its_own_line():
    with pytest.raises(BadInput, match="^Unknown data set 'nosuch'"):
        list(process.run_command(["train", "--dataset", "nosuch", "--architecture", "cnn"], threading.Event()))


@pytest.mark.thorough
@pytest.mark.usefixtures("no_less_than_others")
def test_the_manager_of_trainings_runs_stops_and_tells_of_them():
    manager = JobManager(1, grace=60.0)
    job = manager.submit("training", lambda stop: process.run_command(words(LONG), stop), "long")
    bad = manager.submit("training", lambda stop: process.run_command(["train", "--device", "cpu"], stop), "bad")
    assert manager.queue_position(bad) == 1 and manager.wait(job, 300)
    manager.touch(job)
    manager.stop(job)
    for _ in range(3000):
        manager.touch(bad)
        if manager.get(bad).over:
            break
        time.sleep(0.1)
    assert manager.get(job).status == STOPPED and manager.get(job).status != DONE
    assert manager.get(bad).status == FAILED and "needs a data set" in manager.get(bad).error
