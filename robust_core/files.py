"""Files and names that somebody gave: what the system can hold, of bounded size, and one line for all that goes wrong.

Whatever names a file, a folder or a part of a path comes through here first: options, variables of the environment,
plans, cards, ids of models.
"""

import contextlib
import errno
import gzip
import io
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from robust_core.errors import BadInput, quote, shorten

# Bytes of a path, of one part of it, and of a name that becomes a part of it beside others.
_LONGEST_PATH, _LONGEST_PART, LONGEST_NAME = 4000, 255, 200
# What no system's file may be called, or means something else than a name.
_NO_NAME = frozenset('/\\:*?"<>|')
MOST_JSON = 10_000_000
MOST_CHARACTERS, MOST_LINE, MOST_COLUMNS, MOST_ROWS = 1_000_000_000, 1_000_000, 1_000, 2_000_000
# Text packs to a tenth or so. What unpacks to more than this is no text, however small it is.
_MOST_UNPACKED, _ALWAYS_UNPACKED = 200, 10_000_000


def check_path(value: object, what: str = "path") -> Path:
    """Return a path that the system can hold; whether anything lies there is not asked.

    Args:
        value: Text or a path.
        what: What it is, for the message.

    Raises:
        BadInput: It is neither, is too long, or holds a character that no path can hold.
    """
    if not isinstance(value, str | os.PathLike):
        raise BadInput(f"The {what} must be a text, not {quote(value)}.")
    try:
        encoded = os.fsencode(value)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise BadInput(f"The {what} {quote(os.fspath(value))} holds a character that no path can hold.")
    if len(encoded) > _LONGEST_PATH or any(len(part) > _LONGEST_PART for part in encoded.split(os.fsencode(os.sep))):
        raise BadInput(f"The {what} {quote(os.fspath(value), 60)} is too long for a path.")
    return Path(value)


def check_name(value: object, what: str = "name") -> str:
    """Return a name that may become one part of a path, and leads nowhere else.

    Args:
        value: The name.
        what: What it names, for the message.

    Raises:
        BadInput: It is empty or too long, begins with a dot, or holds a slash or another character that has a meaning
            in paths.
    """
    if not isinstance(value, str):
        raise BadInput(f"The {what} must be a text, not {quote(value)}.")
    if not value or not value.isprintable() or value[0] in ". " or value[-1] in ". " or _NO_NAME & {*value[:1000]}:
        raise BadInput(f"{quote(value)} cannot be a {what}: use letters, digits, - and _, and no slash.")
    if len(value.encode()) > LONGEST_NAME:
        raise BadInput(f"The {what} {quote(value, 60)} is too long: {LONGEST_NAME} bytes are the most.")
    return value


def join_inside(root: Path, name: str, what: str = "name") -> Path:
    """Return the path of a name with slashes, such as a model's id, below a folder: never one outside it.

    Raises:
        BadInput: A part of the name cannot be one of a path.
    """
    return root.joinpath(*(check_name(part, what) for part in str(name).split("/")))


@contextlib.contextmanager
def explain_failures(path: object, what: str = "used") -> Iterator[None]:
    """Turn what the system says about a file into BadInput.

    Args:
        path: What is read or written.
        what: What cannot be done: it cannot be "used", "written", …
    """
    try:
        yield
    except OSError as error:
        why = describe_failure(error) if what == "written" else _read_reason(error)
        raise BadInput(f"{quote(str(path))} cannot be {what}: {why}.") from None


_FAILURES = {
    errno.ENOSPC: "the disk is full. Free some space, then go on; what was stored before is kept",
    errno.EDQUOT: "your share of the disk is used up. Free some space, then go on; what was stored before is kept",
    errno.EROFS: "the disk can only be read. Set ROBUST_RUNS to a folder that can be written",
    errno.EACCES: "you may not write there. Set ROBUST_RUNS to a folder that can be written",
    errno.EPERM: "you may not write there. Set ROBUST_RUNS to a folder that can be written",
}


def describe_failure(error: OSError) -> str:
    """Return why something cannot be written, without the path; of a disk that takes no more, what to do about it."""
    return _FAILURES.get(error.errno or 0) or _read_reason(error)


def _read_reason(error: OSError) -> str:
    return shorten(error.strerror or str(error) or type(error).__name__)


def describe_refusal(error: BaseException) -> str:
    """Say in one line why the disk refused to write, whatever it was; empty where that is not what went wrong."""
    why = _FAILURES.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return f"Something could not be written: {why}." if why else ""


def check_target(path: Path) -> Path:
    """Return the path of a folder to be written to, made or not; asked before the long work whose result goes there.

    Raises:
        BadInput: It cannot be made, or nothing can be written to it.
    """
    with explain_failures(path, "written"):
        near = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
        # Whether something can be written is not told by permissions alone: read-only and virtual file systems.
        tempfile.TemporaryFile(dir=near).close()
    return path


def check_target_file(path: Path) -> Path:
    """Return the path of a file to be written; asked before the long work whose result goes there.

    Raises:
        BadInput: It is a folder, or its folder cannot be made or written to.
    """
    if path.is_dir():
        raise BadInput(f"{quote(str(path))} is a folder; name a file.")
    check_target(path.parent)
    return path


def read_bytes(path: Path, most: int) -> bytes:
    """Read an ordinary file of bounded size.

    Raises:
        BadInput: There is none, it is a folder, a pipe or a device, or it is longer than `most` bytes.
    """
    with explain_failures(path.name), _open(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BadInput(f"{shorten(path.name)} is too long: {most:,} bytes are the most.")
    return data


def _open(path: Path) -> io.BufferedReader:
    """Open an ordinary file; a pipe would be waited for, a device never ends."""
    if not path.is_file():
        why = "is a folder" if path.is_dir() else "is no ordinary file" if path.exists() else "is not there"
        raise BadInput(f"{shorten(path.name)} cannot be read: it {why}.")
    return path.open("rb")


def read_json(path: Path, most: int = MOST_JSON) -> Any:  # noqa: ANN401 (whatever the file holds)
    """Read a JSON file of bounded size.

    Raises:
        BadInput: It cannot be read, is too long, or holds no JSON, or JSON that is nested too deep.
    """
    data = read_bytes(path, most)
    try:
        return json.loads(data)
    except RecursionError:
        raise BadInput(f"{shorten(path.name)} cannot be read: it is nested too deep.") from None
    except ValueError as error:
        raise BadInput(f"{shorten(path.name)} cannot be read as JSON: {shorten(str(error))}.") from None


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, packed or not, without their ends; empty lines at the end are left out.

    Raises:
        BadInput: It is no ordinary file, is not UTF-8, is damaged, or is larger than a data set can be.
    """
    blank = 0
    try:
        with _open(path) as raw:
            packed = path.suffix == ".gz"
            size = os.fstat(raw.fileno()).st_size
            most = min(MOST_CHARACTERS, _MOST_UNPACKED * size + _ALWAYS_UNPACKED) if packed else MOST_CHARACTERS
            # Spreadsheets begin a file with a byte-order mark: utf-8-sig drops it.
            with io.TextIOWrapper(gzip.GzipFile(fileobj=raw) if packed else raw, "utf-8-sig") as file:
                for line in bound_lines(file, path.name, most):
                    line = line.removesuffix("\n")
                    if not line:
                        blank += 1
                        continue
                    yield from [""] * blank
                    blank = 0
                    yield line
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        why = _read_reason(error) if isinstance(error, OSError) else shorten(str(error))
        raise BadInput(f"{shorten(path.name)} cannot be read as UTF-8 text: {why}.") from None


def bound_lines(file: TextIO, name: str, most: int = MOST_CHARACTERS) -> Iterator[str]:
    """Yield the lines of an open text with their ends, none of them, nor all together, longer than may be.

    Args:
        file: The text.
        name: What it is called in messages.
        most: Characters that it may have.

    Raises:
        BadInput: A line is too long, there are too many, or the whole is too long.
    """
    total = 0
    for number in range(1, MOST_ROWS + 3):
        line = file.readline(MOST_LINE + 1)
        if not line:
            return
        total += len(line)
        if len(line) > MOST_LINE:
            raise BadInput(f"Line {number:,} of {shorten(name)} is too long: {MOST_LINE:,} characters are the most.")
        if total > most:
            raise BadInput(f"{shorten(name)} is too large: it unpacks to more than {most:,} characters.")
        yield line
    raise BadInput(f"{shorten(name)} has too many lines: {MOST_ROWS:,} rows are the most.")


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; it is readable to whoever may read the card beside it.

    Raises:
        BadInput: The disk is full, or may not be written; what was there before stays.
    """
    with explain_failures(path, "written"):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            card = path.parent / "card.json"
            if card.exists():
                shutil.copymode(card, temporary)
            else:
                os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def short_name(folder: Path) -> str:
    """Name a folder by its last parts, without the machine's own path."""
    return shorten("/".join(folder.parts[-3:]).replace("//", "/") or ".")
