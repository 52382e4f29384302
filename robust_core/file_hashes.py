"""SHA-256 of files, and whether a file is still what this process has read."""

import functools
import hashlib
from pathlib import Path

from robust_core.errors import BadInput
from robust_core.files import short_name

# Size and time of the last change of files as they were read.
_READ: dict[Path, tuple[int, int]] = {}


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_once(path: Path) -> str:
    """Return what `sha256` does; the file is read again only after its size or the time of its last change differs.

    Raises:
        BadInput: It has changed since `mark_read`: what this process computes rests on what the file held before.
    """
    path, state = path.absolute(), _read_state(path)
    if _READ.get(path, state) != state:
        raise BadInput(f"{short_name(path)} has changed since this program read it; start the program again.")
    return _hash_file(path, state)


def mark_read(path: Path) -> None:
    """Remember how a file is now that this process reads it and keeps what it holds."""
    _READ.setdefault(path.absolute(), _read_state(path))


def _read_state(path: Path) -> tuple[int, int]:
    """Return the size of a file and the time of its last change."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=512)
def _hash_file(path: Path, state: tuple[int, int]) -> str:
    del state
    return sha256(path)
