"""Workers in other processes: the same outcomes as in one, nothing lost or doubled by kills, nothing that listens."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.sweeps import count_results, list_listeners, make_tasks, write_plan

from bench.kill import outcomes
from robust_core.environment import child_environment
from robust_core.errors import Incompatible
from robust_core.events import Event
from robust_core.store import ResultStore
from robust_core.sweep import processes
from robust_core.sweep.fill import fill_store
from robust_core.sweep.merge import merge_stores
from robust_core.sweep.processes import Processes
from robust_core.sweep.shards import Part
from robust_core.sweep.work import describe_worker


def fill(tasks, folder: Path, **options) -> list[Event]:
    return list(fill_store(tasks, ResultStore(folder), threading.Event(), device="cpu", **options))


def is_running(pid: int) -> bool:
    """Whether a process runs; one that ended and is still to be waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_workers_find_what_one_process_finds_and_listen_nowhere(data, tmp_path):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json", explainers=["loo"]), data)
    fill(tasks, tmp_path / "one")
    executor, listeners = Processes(2, device="cpu"), []
    events = fill_store(tasks, ResultStore(tmp_path / "two"), threading.Event(), device="cpu", executor=executor)
    for event in events:
        if event.kind == "stored":
            assert len(executor.pids) <= 2
            listeners += list_listeners(executor.pids)
    assert not listeners and not executor.pids
    one, two = outcomes(tmp_path / "one"), outcomes(tmp_path / "two")
    assert len(one) == 40 and {record["status"] for record in one.values()} >= {"skipped", "succeeded"}
    assert one == two
    run, method, count = ResultStore(tmp_path / "one").explained()[0]
    assert count > 5 and ResultStore(tmp_path / "two").explained() == [(run, method, count)]


def test_a_worker_that_is_killed_loses_and_doubles_nothing(data, tmp_path):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json"), data)
    fill(tasks, tmp_path / "one")
    executor, stored, killed = Processes(2, device="cpu"), [], 0
    for event in fill_store(tasks, ResultStore(tmp_path / "two"), threading.Event(), device="cpu", executor=executor):
        if event.kind == "stored":
            stored.append(event.uid)
            if len(stored) in (2, 12):
                os.kill(executor.pids[0], signal.SIGKILL)
                killed += 1
    assert killed == 2 and len(stored) == len(set(stored)) == 40
    assert outcomes(tmp_path / "one") == outcomes(tmp_path / "two")


def start(plan: Path, data: Path, runs: Path) -> "subprocess.Popen[bytes]":
    """Start a sweep with two workers, and wait until it has stored something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "robust_core", "sweep", str(plan), "--workers", "2", "--device", "cpu", "--data-dir",
         str(data)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=child_environment(ROBUST_RUNS=str(runs)))
    until = time.monotonic() + 120
    while count_results(runs) < 3:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    return process


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_parent_that_is_killed_or_interrupted_goes_on_where_it_was(data, tmp_path):
    plan = write_plan(tmp_path / "plan.json", attacks=["pwws", "textfooler"])
    _, tasks = make_tasks(plan, data)
    fill(tasks, tmp_path / "one")
    process = start(plan, data, tmp_path / "two")
    workers = children(process.pid)
    process.kill()
    process.wait()
    until = time.monotonic() + 10
    while any(map(is_running, workers)):
        assert time.monotonic() < until, "a worker outlives its parent"
        time.sleep(0.05)
    before = count_results(tmp_path / "two")
    assert len(workers) == 2 and 3 <= before < 80

    process = start(plan, data, tmp_path / "two")
    workers = children(process.pid)
    while count_results(tmp_path / "two") == before:
        time.sleep(0.02)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    # One second on a machine that is free; the tests share theirs.
    assert process.returncode == 130 and time.monotonic() - began < 3, said
    assert not any(map(is_running, workers))
    kept = outcomes(tmp_path / "two")
    assert before < len(kept) <= 80

    fill(tasks, tmp_path / "two", workers=2)
    assert outcomes(tmp_path / "one") == outcomes(tmp_path / "two")


def test_a_worker_with_other_versions_gets_no_work(data, tmp_path, monkeypatch):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json"), data)
    hello = describe_worker("cpu")
    lines = (f"import json; print(json.dumps({hello | {'versions': hello['versions'] | {'torch': '0.1'}}!r}), flush="
             "True); raise SystemExit(len(input()))")
    monkeypatch.setattr(processes, "_COMMAND", (sys.executable, "-c", lines))
    with pytest.raises(Incompatible, match=r"other versions than this process: torch 0\.1 instead of"):
        fill(tasks, tmp_path / "two", workers=2)
    assert not count_results(tmp_path / "two")


def test_an_error_of_a_worker_ends_the_sweep_with_its_own_line(data, tmp_path):
    _, tasks = make_tasks(write_plan(tmp_path / "plan.json"), data)
    # The card in force when the work was planned is not the one that a worker finds.
    card = tmp_path / "checkpoints" / "sst2" / "cnn" / "base" / "card.json"
    card.write_text(card.read_text().replace('"length": 50', '"length": 40'))
    with pytest.raises(Incompatible, match="other files or versions than this process: models sst2/cnn/base"):
        fill(tasks, tmp_path / "two", workers=2)
    assert not count_results(tmp_path / "two")


@pytest.mark.thorough
def test_a_shipped_model_comes_out_the_same_in_two_processes_and_in_three_parts(tmp_path):
    path = write_plan(tmp_path / "plan.json", attacks=["textfooler"],
                      data=[{"dataset": "reviews", "n": 24}])
    _, tasks = make_tasks(path, tmp_path)
    fill(tasks, tmp_path / "one")
    fill(tasks, tmp_path / "two", workers=2)
    for number in (1, 2, 3):
        fill(tasks, tmp_path / str(number), part=Part(number, 3))
    merged = merge_stores([tmp_path / "1", tmp_path / "2", tmp_path / "3"], ResultStore(tmp_path / "merged"))
    one = outcomes(tmp_path / "one")
    assert [part.new for part in merged] == [part.results for part in merged] and len(one) == 24
    assert sum(record["status"] == "succeeded" for record in one.values()) > 5
    assert one == outcomes(tmp_path / "two") == outcomes(tmp_path / "merged")
