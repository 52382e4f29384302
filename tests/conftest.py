"""Every test: no network but this machine's own, no textattack, own folder of runs."""

import importlib.abc
import importlib.metadata
import os
import socket
import sys
from pathlib import Path

import pytest

# Tests run in one process a core: threads of their own would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
REAL_CONNECT = socket.socket.connect
LOCAL = ("127.0.0.1", "::1", "localhost")


def local_only(self: socket.socket, address) -> None:
    """Connect, if the address is this machine's own."""
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
        raise AssertionError(f"a test tried to reach {address[0]}")
    REAL_CONNECT(self, address)


class NoTextAttack(importlib.abc.MetaPathFinder):
    """Nothing needs textattack to be importable."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("textattack", "flair"):
            raise ModuleNotFoundError(f"{name} is blocked in tests", name=name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the package textattack where it is not installed, as after requirements-slim.txt."""
    try:
        importlib.metadata.version("textattack")
    except importlib.metadata.PackageNotFoundError:
        for item in items:
            if item.get_closest_marker("textattack"):
                item.add_marker(pytest.mark.skip(reason="needs textattack, which requirements-slim.txt leaves out"))


sys.meta_path.insert(0, NoTextAttack())
socket.socket.connect = local_only


@pytest.fixture(autouse=True)
def looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a page see at once what a test puts among the checkpoints."""
    if "ui.shared.catalogue" in sys.modules:
        monkeypatch.setattr(sys.modules["ui.shared.catalogue"], "_MOMENT", 0.0)


@pytest.fixture(autouse=True)
def own_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Send what a test stores to a folder of its own; the app is one person's, wherever the test runs."""
    monkeypatch.setenv("ROBUST_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("ROBUST_SHARED", "0")
    return tmp_path / "runs"
