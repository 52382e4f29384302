"""Freed memory goes back to the system: glibc keeps what many threads have freed, so that a server only grows."""

import contextlib
import ctypes
import threading
from collections.abc import Callable


def give_back() -> None:
    """Give the pages that nothing uses back to the system; without glibc nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def give_back_when_idle(is_busy: Callable[[], bool], every: float = 60.0, stop: threading.Event | None = None) -> None:
    """Give memory back again and again, in a thread of its own, whenever nobody waits for anything.

    Args:
        is_busy: Says whether somebody waits for work.
        every: Seconds between two looks.
        stop: Ends the thread when set; without one it ends with the program.
    """
    ends = stop or threading.Event()

    def work() -> None:
        while not ends.wait(every):
            if not is_busy():
                give_back()

    threading.Thread(target=work, name="memory", daemon=True).start()
