"""Hostile inputs: each test writes only to its own folder, reaches nobody, and ends in time and within memory."""

import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hostile import Watch

# Seconds for one test, and bytes that the process may ever have held; ru_maxrss counts KiB on Linux.
LONGEST, MOST_BYTES = 30.0, 1_500_000_000
# Where captum's plotting library puts its settings when it is first imported.
os.environ.setdefault("MPLCONFIGDIR", tempfile.mkdtemp(prefix="matplotlib-"))
WATCH = Watch()


@pytest.fixture(autouse=True)
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that writes outside its folder, connects to anything, takes too long or too much memory."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    WATCH.private = [tmp_path, Path(os.environ["MPLCONFIGDIR"])]
    WATCH.seen, WATCH.on = [], True
    began = time.monotonic()
    yield
    WATCH.on = False
    assert WATCH.seen == []
    assert time.monotonic() - began < LONGEST
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 <= MOST_BYTES
