"""Freed memory goes back to the system while nobody waits, and not before."""

import sys
import threading
import time
from pathlib import Path

import pytest

from robust_core.jobs import memory


def test_it_waits_until_nobody_waits(monkeypatch):
    busy, given, stop = [True], threading.Event(), threading.Event()
    monkeypatch.setattr(memory, "give_back", given.set)
    memory.give_back_when_idle(lambda: busy[0], 0.01, stop)
    assert not given.wait(0.1)
    busy[0] = False
    assert given.wait(5)
    stop.set()
    time.sleep(0.05)
    given.clear()
    assert not given.wait(0.1), "the thread has ended"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_free_pages_go_back():
    def read() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    # Small pieces, every hundredth of which stays, so that the heap cannot shrink from its end.
    pieces = [bytes(2000) for _ in range(100_000)]
    full = read()
    kept = pieces[::100]
    del pieces
    memory.give_back()
    assert read() < full - 100_000_000 and len(kept) == 1000
