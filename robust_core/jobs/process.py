"""Commands of this program as work for the job manager: a subprocess each, whose events are handed on."""

import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from robust_core.environment import child_environment
from robust_core.errors import BadInput
from robust_core.paths import person_folder

log = logging.getLogger(__name__)
# How far behind the app's own work a child process stands, from 0 to 19.
_NICENESS = 10

_POLL, _USER_ERROR = 0.1, 2


def run_command(words: Sequence[str], stop: threading.Event, *, what: str = "training", grace: float = 60.0
            ) -> Iterator[dict[str, Any]]:
    """Run `python -m robust_core …` and hand on the JSON objects that it prints, one a line.

    It ends with this program, whether or not it is asked to: what it prints then goes nowhere. What it makes belongs
    to the person that this thread works for.

    Args:
        words: The command and its options.
        stop: Set to interrupt it, as Ctrl-C does.
        what: What it is, for messages.
        grace: Seconds between the interruption and the end by force.

    Raises:
        BadInput: It ended with an error; the message is its own line, or says that it died.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "robust_core", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=errors, text=True, encoding="utf-8",
            env=child_environment(PYTHONUNBUFFERED="1", ROBUST_RUNS=str(person_folder())))
        with contextlib.suppress(AttributeError, OSError):
            # Pages and attacks go first: somebody waits for them. Threads that it starts later inherit this.
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        threading.Thread(target=_read_lines, args=(process.stdout, lines), name=what, daemon=True).start()
        try:
            yield from _read_events(process, lines, stop, grace)
            _check_exit(process.wait(), errors, stop, what)
        finally:
            _end(process, grace)


def _read_lines(out: TextIO, lines: "queue.SimpleQueue[str | None]") -> None:
    with contextlib.suppress(ValueError, OSError):
        for line in out:
            lines.put(line)
    lines.put(None)


def _read_events(process: "subprocess.Popen[str]", lines: "queue.SimpleQueue[str | None]", stop: threading.Event,
                 grace: float) -> Iterator[dict[str, Any]]:
    interrupted = None
    while True:
        if stop.is_set():
            if interrupted is None:
                interrupted = time.monotonic()
                _interrupt(process)
            elif time.monotonic() - interrupted > grace:
                process.kill()
        try:
            line = lines.get(timeout=_POLL)
        except queue.Empty:
            continue
        if line is None:
            return
        # A line that was cut off when the process died is none.
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def _interrupt(process: "subprocess.Popen[str]") -> None:
    if os.name == "posix":
        process.send_signal(signal.SIGINT)
    else:
        process.terminate()


def _end(process: "subprocess.Popen[str]", grace: float) -> None:
    """See to it that a process has ended."""
    if process.poll() is None:
        _interrupt(process)
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _check_exit(code: int, errors: TextIO, stop: threading.Event, what: str) -> None:
    if not code or stop.is_set():
        return
    errors.seek(0)
    said = errors.read()[-20_000:].strip()
    if code == _USER_ERROR and said:
        raise BadInput(said.splitlines()[-1])
    log.error("%s ended with %s: %s", what, code, said)
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        raise BadInput(f"The {what} was ended from outside ({name}), as happens when memory runs out.")
    raise BadInput(f"The {what} broke off (exit code {code}); the log of the program tells more.")
