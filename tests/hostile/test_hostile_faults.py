"""The machine fails: a full disk, a folder nobody may write, a locked or damaged file, a clock set back, kill -9."""

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers.hostile import check_line, expect_line
from helpers.results import result

from robust_core import environment, files, paths, trainings, uploads
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput
from robust_core.files import describe_refusal
from robust_core.jobs.manager import DONE, FAILED, JobManager
from robust_core.models import card_files
from robust_core.runs import Run
from robust_core.store import FILE, ResultStore
from robust_core.tables import Table
from robust_core.train import saving
from robust_core.train.lock import STATE, hold_training, is_training
from ui.train import progress

REFUSALS = [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ENODEV]
SPEC = {"dataset": "reviews", "architecture": "cnn"}
RUN = Run({"name": "textfooler"}, {"m": "f"}, {"dataset": "reviews"}, 0, {}, "cpu")


def write_claim_(folder: Path) -> None:
    write_claim(folder / "claim.json", claim="c", command="c", run="", n=1, seeds=[0], metric="m", value=1.0,
                value_se=0.0, thresholds={}, details={})


def upload(folder: Path) -> None:
    table = Table(("text", "label"), {"text": [f"text {i}" for i in range(40)], "label": ["0", "1"] * 20})
    uploads.add_dataset("mine", table, "text", "label", {"0": "no", "1": "yes"})


WRITERS = {
    "file": lambda folder: files.write_file(folder / "file", b"new"),
    "state": lambda folder: saving.write_state(folder, {"weights": torch.ones(3)}),
    "card": lambda folder: card_files.write_card(paths_card(folder), folder / "a" / "b" / "c", [("w.bin", b"new")]),
    "claim": write_claim_,
    "upload": upload,
    "training": lambda folder: list(trainings.run_training(trainings.parse_spec(SPEC), folder, device="cpu")),
}


def paths_card(folder: Path):
    from robust_core.models.cards import Card

    return Card("reviews/cnn/base", "reviews", "cnn", {"name": "base"}, 0, ("no", "yes"), {}, {}, 0.5, 1, 1.0, "cpu", 1,
                0, {}, {}, "", "1", folder)


def refuse(code: int):
    def call(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return call


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
            and path.name != "lock"}


@pytest.mark.parametrize("writer", [name for name in WRITERS if name != "training"])
@pytest.mark.parametrize("code", REFUSALS)
def test_what_the_disk_refuses_is_one_line_and_leaves_what_was_there(tmp_path, monkeypatch, writer, code):
    (tmp_path / "file").write_bytes(b"old")
    saving.write_state(tmp_path, {"weights": torch.zeros(3)})
    before = files_of(tmp_path)
    monkeypatch.setattr(os, "fsync", refuse(code))
    monkeypatch.setattr(Path, "write_text", refuse(code))
    line = expect_line(lambda: WRITERS[writer](tmp_path), "cannot be written")
    assert code not in (errno.ENOSPC, errno.EDQUOT) or "Free some space" in line
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("step, code", [("mkstemp", errno.ENOSPC), ("mkstemp", errno.EROFS), ("replace", errno.ENOSPC),
                                        ("replace", errno.EACCES), ("mkdir", errno.EROFS), ("mkdir", errno.ENOSPC)])
def test_whichever_step_the_disk_refuses(tmp_path, monkeypatch, writer, step, code):
    target = tmp_path / "new"
    if step != "mkdir":
        target.mkdir()
    if step == "mkdir":
        monkeypatch.setattr(Path, "mkdir", refuse(code))
    elif step == "replace":
        monkeypatch.setattr(os, "replace", refuse(code))
    else:
        monkeypatch.setattr("tempfile.mkstemp", refuse(code))
        monkeypatch.setattr("tempfile.mkdtemp", refuse(code))
    expect_line(lambda: WRITERS[writer](target), "cannot be")
    assert files_of(target) == {} and not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("code", REFUSALS)
def test_a_job_that_meets_a_full_disk_says_so(code, caplog):
    manager = JobManager(start=lambda work: work())
    job = manager.get(manager.submit("corpus", lambda stop: refuse(code)()))
    assert job.status == FAILED
    check_line(job.error)
    assert ("could not be written" in job.error) == bool(describe_refusal(OSError(code, "")))


@pytest.mark.parametrize("words", [["models"], ["models", "--json"], ["train", "--help"]])
def test_an_answer_that_cannot_be_printed(words):
    with open("/dev/full", "w") as full:
        ended = subprocess.run([sys.executable, "-m", "robust_core", *words], stdout=full, stderr=subprocess.PIPE,
                               text=True, env=environment.child_environment(), check=False)
    assert ended.returncode == 2
    check_line(ended.stderr.strip(), "the disk is full")


OPERATIONS = {
    "open": lambda store, folder: ResultStore(folder, wait=0.05).open_run(RUN),
    "open_run": lambda store, folder: store.open_run(RUN),
    "append": lambda store, folder: store.append(RUN.id, result(uid="new")),
    "compare": lambda store, folder: store.compare(RUN.id, {"name": "ig"}, "u", {}),
    "put": lambda store, folder: store.put({"a": 1}),
}


@pytest.fixture
def store(tmp_path):
    made = ResultStore(tmp_path / "runs", wait=0.05)
    made.open_run(RUN)
    made.append(RUN.id, result(uid="old"))
    yield made
    made.close()


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_another_program_writes_into(store, operation, lock):
    other = sqlite3.connect(store.folder / FILE, isolation_level=None)
    other.execute(f"BEGIN {lock}")
    began = time.monotonic()
    line = expect_line(lambda: OPERATIONS[operation](store, store.folder), "another program is writing into it")
    assert "Nothing stored is lost" in line and time.monotonic() - began < 5
    other.execute("COMMIT")
    other.close()
    OPERATIONS[operation](store, store.folder)
    assert "old" in {found.example.uid for found in store.results(RUN.id)}


@pytest.mark.parametrize("operation", ["append", "put", "compare"])
def test_a_store_on_a_full_disk(store, operation):
    with store._connection() as db:
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")
    big = {"append": lambda: store.append(RUN.id, result(uid="new", perturbed="word " * 20_000)),
           "put": lambda: store.put({"a": "x" * 100_000}),
           "compare": lambda: store.compare(RUN.id, {"name": "ig"}, "u", {"a": "x" * 100_000})}[operation]
    expect_line(big, "the disk is full", "nothing stored is lost")
    with store._connection() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    assert [found.example.uid for found in store.results(RUN.id)] == ["old"]
    big()


@pytest.mark.parametrize("message", ["attempt to write a readonly database", "unable to open database file",
                                     "disk I/O error"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_cannot_be_written(store, monkeypatch, operation, message):
    def connect(*args, **kwargs):
        raise sqlite3.OperationalError(message)

    store.close()
    monkeypatch.setattr(sqlite3, "connect", connect)
    expect_line(lambda: OPERATIONS[operation](store, store.folder), message, "Set ROBUST_RUNS")


def unfinished(state: bytes | None = b"", order: bytes | None = None) -> trainings.TrainingSpec:
    spec = trainings.parse_spec(SPEC)
    spec.state.mkdir(parents=True, exist_ok=True)
    asked = {"order": spec.values, "device": "cpu", "data_dir": None}
    (spec.state / "order.json").write_bytes(json.dumps(asked).encode() if order is None else order)
    if state is not None:
        (spec.state / STATE).write_bytes(state)
    return spec


@pytest.mark.parametrize("when", [4e9, 1e9, 0.0, 2.0**31, 1.8e9])
def test_a_state_from_the_future_or_long_ago_is_listed(when):
    spec = unfinished()
    os.utime(spec.state / STATE, (when, when))
    found, = trainings.list_unfinished()
    assert found.saved == when
    assert progress._describe_saved(found.saved).startswith("saved ") and "-" not in progress._describe_saved(when)


@pytest.mark.parametrize("seconds", [-1e9, -3600.0, -0.5, 3600.0])
def test_a_clock_that_jumps_stops_no_job(monkeypatch, seconds):
    manager, go = JobManager(idle=5.0), threading.Event()
    job = manager.submit("attack", lambda stop: iter([go.wait(20)]))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + seconds)
    assert not manager.get(job).stop.is_set() and 0 <= manager.get(job).seconds(manager.clock()) < 5
    go.set()
    assert manager.wait(job, 10)
    until = time.monotonic() + 10
    while not manager.get(job).over and time.monotonic() < until:
        time.sleep(0.01)
    assert manager.get(job).status == DONE


@pytest.mark.parametrize("order", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"1", b'{"order": 1}', b'{"order": {}}',
                                   b'{"order": {"dataset": "nosuch", "architecture": "cnn"}, "device": 1}',
                                   b'{"order": null, "device": null, "data_dir": null}', b"[" * 100_000])
def test_a_damaged_order_is_left_out(order):
    unfinished(order=order)
    assert trainings.list_unfinished() == []


@pytest.mark.parametrize("kind", ["folder", "fifo", "link", "dangling"])
@pytest.mark.parametrize("name", ["order.json", STATE, "lock"])
def test_something_else_in_place_of_a_file(tmp_path, name, kind):
    spec = unfinished()
    path = spec.state / name
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        (tmp_path / "elsewhere").write_text("elsewhere")
        path.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    trainings.list_unfinished()
    if name == "lock" and kind != "fifo":
        expect_line(lambda: hold_training(spec.state, spec.id).__enter__(), "cannot be written")
    assert kind != "link" or (tmp_path / "elsewhere").read_text() == "elsewhere"


HOLD = ("import sys, time; from pathlib import Path; from robust_core.train.lock import hold_training\n"
        "with hold_training(Path(sys.argv[1]), 'x'): print('held', flush=True); time.sleep(60)")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_running_training_cannot_be_begun_twice_discarded_or_listed_until_it_dies(how):
    spec = unfinished()
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(spec.state)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, env=environment.child_environment())
    try:
        assert holder.stdout.readline() == "held\n"
        assert is_training(spec.state) and trainings.list_unfinished() == []
        for call in (lambda: trainings.forget_training(spec),
                     lambda: list(trainings.run_training(spec, paths.own_checkpoints(), device="cpu"))):
            expect_line(call, "'reviews/cnn/base' is being trained already")
        assert (spec.state / STATE).exists()
    finally:
        holder.send_signal(how)
        holder.wait(20)
    assert not is_training(spec.state) and len(trainings.list_unfinished()) == 1
    trainings.forget_training(spec)
    assert trainings.list_unfinished() == []


@pytest.mark.parametrize("state", [None, b"", b"\0" * 8, b"\xff" * 100, b"{}" * 50, (2**63).to_bytes(8, "little")])
def test_a_training_killed_before_or_while_it_was_saved(state):
    spec = unfinished(state)
    (spec.state / f".{STATE}.half").write_bytes(b"half")
    found, = trainings.list_unfinished()
    assert (found.saved is None) == (state is None)
    try:
        assert saving.read_state(spec.state) is None
    except BadInput as error:
        check_line(str(error), "cannot be read")
    trainings.forget_training(spec)
    assert [path.name for path in spec.state.iterdir()] in (["lock"], [])
