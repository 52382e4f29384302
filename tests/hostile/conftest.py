"""Hostile inputs: each test writes only to its own folder, reaches nobody, and ends in time and within memory."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hostile import Watch

# Seconds for one test, and bytes by which the memory of the process may grow in it, at its highest.
LONGEST, MOST_BYTES = 30.0, 700_000_000
# Where captum's plotting library puts its settings when it is first imported.
os.environ.setdefault("MPLCONFIGDIR", tempfile.mkdtemp(prefix="matplotlib-"))
WATCH = Watch()


def read_memory(what: str) -> int:
    """Return a figure of this process's memory in bytes: VmRSS, what it holds, or VmHWM, the most it has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{what}:"))


def reset_peak() -> int:
    """Let the most that is held begin anew at what is held now, which is returned."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return read_memory("VmHWM")


@pytest.fixture(autouse=True)
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that writes outside its folder, connects to anything, takes too long or too much memory."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    WATCH.private = [tmp_path, Path(os.environ["MPLCONFIGDIR"])]
    began, before = time.monotonic(), reset_peak()
    WATCH.seen, WATCH.on = [], True
    yield
    WATCH.on = False
    assert WATCH.seen == []
    assert time.monotonic() - began < LONGEST
    assert read_memory("VmHWM") - before <= MOST_BYTES


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small classifier of the library, whole and right."""
    from helpers.model_folders import classify
    from helpers.models import write_hugging_face

    made = write_hugging_face(tmp_path_factory.mktemp("whole") / "bert", "bert")
    classify(made)
    return made


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of it to be broken."""
    return Path(shutil.copytree(whole, tmp_path / "work" / "bert"))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of each kind, whole and right."""
    from helpers.checkpoints import write_shelf

    return write_shelf(tmp_path_factory.mktemp("shelf"))


@pytest.fixture
def root(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A copy of them to be broken, in the place of the shipped ones; of a test of one kind only that."""
    from helpers.checkpoints import KINDS

    made = tmp_path / "work" / "checkpoints"
    kind = request.node.callspec.params.get("kind") if hasattr(request.node, "callspec") else None
    place = {"word model": "sst2/cnn"}.get(kind, KINDS[kind][0]) if kind else "."
    shutil.copytree(shelf / place, made / place)
    monkeypatch.setenv("ROBUST_CHECKPOINTS", str(made))
    return made
