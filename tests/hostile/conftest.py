"""Hostile inputs: each test writes only to its own folder, reaches nobody, and ends in time and within memory."""

import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hostile import Watch

# Seconds for one test, and bytes that the process may ever have held; ru_maxrss counts KiB on Linux.
LONGEST, MOST_BYTES = 30.0, 1_500_000_000
WATCH = Watch()


@pytest.fixture(autouse=True)
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that writes outside its folder, connects to anything, takes too long or too much memory."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    WATCH.private, WATCH.seen, WATCH.on = [tmp_path], [], True
    began = time.monotonic()
    yield
    WATCH.on = False
    assert WATCH.seen == []
    assert time.monotonic() - began < LONGEST
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 <= MOST_BYTES


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
