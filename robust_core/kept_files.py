"""Files that people bring along for trainings, beside data sets: texts without labels, and swap sets.

They are checked, and kept in the folder of the person, so that a training that is resumed finds them again. Each keeps
its name there, made plain, with a part of the SHA-256 of its content: equal contents are kept once.
"""

import contextlib
import hashlib
import io
from pathlib import Path

from robust_core.errors import BadInput, shorten
from robust_core.files import bound_lines, check_target, write_file
from robust_core.paths import own_files
from robust_core.resources.swap_sets import read_swap_set
from robust_core.uploads import make_plain_name

TEXTS, SWAPS = ".txt", ".json"
MOST_BYTES = 20_000_000


def find_place(file_name: str, kind: str, content: bytes) -> Path:
    """Return the absolute path under which a file is kept, or will be.

    Args:
        file_name: Its own name.
        kind: TEXTS or SWAPS.
        content: Its bytes.
    """
    name = f"{make_plain_name(file_name)}-{hashlib.sha256(content).hexdigest()[:12]}{kind}"
    return (own_files() / name).absolute()


def keep_texts(file_name: str, content: bytes) -> Path:
    """Keep texts without labels, one a line; return the absolute path of the file.

    Raises:
        BadInput: It is larger than 20,000,000 bytes, is no UTF-8 text, has a line that is too long, holds no text, or
            cannot be written.
    """
    path, name = find_place(file_name, TEXTS, content), shorten(file_name)
    if path.is_file():
        return path
    _check_size(name, content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name} is no UTF-8 text: it needs one text in each line.") from None
    if "\0" in text or not any([line.strip() for line in bound_lines(io.StringIO(text), name)]):
        raise BadInput(f"{name} holds no texts: it needs one in each line.")
    return _write(path, content)


def keep_swaps(file_name: str, content: bytes) -> Path:
    """Keep a file of swaps (`resources.swap_sets`); return the absolute path of the file.

    Raises:
        BadInput: It is too large, is none of swaps, or cannot be written.
    """
    path = find_place(file_name, SWAPS, content)
    if path.is_file():
        return path
    _check_size(shorten(file_name), content)
    try:
        read_swap_set(str(_write(path, content)))
    except BadInput as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise BadInput(str(error).replace(path.name, shorten(file_name))) from None
    return path


def list_kept(kind: str) -> dict[str, Path]:
    """Return the files of a kind (TEXTS, SWAPS) that are kept for the person, by name, with their absolute paths."""
    return {path.name: path.absolute() for path in sorted(own_files().glob(f"*{kind}")) if path.is_file()}


def _check_size(name: str, content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise BadInput(f"{name} is too large: {MOST_BYTES:,} bytes are the most.")


def _write(path: Path, content: bytes) -> Path:
    check_target(path.parent).mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    return path
