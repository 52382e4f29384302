"""What must hold whatever somebody types, loads or links to: one short line, no file outside, no request, no hang."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from helpers.cli import invoke
from robust_core.errors import LONGEST_MESSAGE, RobustError

T = TypeVar("T")
# Events of sys.audit that change files, by the positions of the paths they name.
_CHANGES = {"os.rename": (0, 1), "os.mkdir": (0,), "os.remove": (0,), "os.rmdir": (0,), "os.link": (1,),
            "os.symlink": (1,), "os.truncate": (0,), "shutil.rmtree": (0,), "os.chmod": (0,)}
_RUNS_CODE = ("os.system", "pickle.find_class")
_WRITES = set("wax+")


def expect_line(call: Callable[[], T], *parts: str) -> str:
    """Return the one line with which a call refuses; anything but a RobustError fails the test."""
    try:
        answer = call()
    except RobustError as error:
        return check_line(str(error), *parts)
    raise AssertionError(f"expected a refusal, got {str(answer)[:200]}")


def answer_or_line(call: Callable[[], T]) -> T | str:
    """Return what a call answers, or the one line with which it refuses."""
    try:
        return call()
    except RobustError as error:
        return check_line(str(error))


def check_line(line: str, *parts: str) -> str:
    """Assert that a message is one plain line of bounded length, and return it."""
    assert line and len(line) <= LONGEST_MESSAGE, line
    assert len(line.splitlines()) == 1 and all(c.isprintable() for c in line), line
    assert "Traceback" not in line and "Error:" not in line, line
    for part in parts:
        assert part in line, line
    return line


def run_command(*words: str, stdin: str | bytes = b"") -> tuple[int, str, str]:
    """Run a command; where it refuses, with exit code 2, stderr is one plain line and stdout is empty.

    Returns:
        (exit code, stdout, stderr).
    """
    result = invoke(*words, stdin=stdin)
    if result.exit_code == 2:
        assert result.stdout == ""
        check_line(result.stderr.rstrip("\n"))
    assert "Traceback" not in result.stderr
    return result.exit_code, result.stdout, result.stderr


def _is_called_by(part: str) -> bool:
    """Return whether a file whose path holds `part` is among the callers."""
    frame = sys._getframe()
    while frame is not None:
        if part in frame.f_code.co_filename.replace("\\", "/"):
            return True
        frame = frame.f_back
    return False


class Watch:
    """Notes every change of a file outside the private folders, every connection, and every command or pickle.

    Attributes:
        private: Folders in which files may be written.
        seen: What was noted, a line each.
        on: Whether it notes anything.
    """

    def __init__(self) -> None:
        self.private: list[Path] = []
        self.seen: list[str] = []
        self.on = False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = args
            # Numbers are files that are open already; flags 3 are O_WRONLY and O_RDWR.
            written = set(mode) & _WRITES if isinstance(mode, str) else isinstance(flags, int) and flags & 3
            if written and not isinstance(path, int):
                self._note(event, path)
        elif event in _CHANGES:
            for at in _CHANGES[event]:
                self._note(event, args[at])
        elif event == "pickle.find_class" and _is_called_by("streamlit/runtime/caching"):
            # Streamlit's own cache in memory, written by itself.
            return
        elif event in _RUNS_CODE or event == "socket.connect":
            self.seen.append(f"{event} {args[1:] if event == 'socket.connect' else args}")

    def _note(self, event: str, path: Any) -> None:  # noqa: ANN401 (text, bytes or a path)
        if isinstance(path, int):
            return
        where = Path(path.decode(errors="replace") if isinstance(path, bytes) else path).absolute()
        # As it would be followed by the system, without asking the disk about each link.
        parts: list[str] = []
        for part in where.parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        where = Path(*parts)
        # Bytecode, and what hypothesis notes of the constants in the code.
        kept = {"__pycache__", ".hypothesis", "constants"} & {*parts}
        usual = where.is_relative_to("/dev") or kept or where.suffix == ".pyc"
        if not usual and not any(where.is_relative_to(folder) for folder in self.private):
            self.seen.append(f"{event} {where}")

