"""Judgements on disk: one JSONL file for each judge and source in the person's own folder, only ever added to.

Names are free text and never name a file: a hash of the name does. A line is written in one piece, so that a process
that is killed leaves at most its last line unfinished; such a line is left out, and the next one begins below it.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from robust_core.errors import BadInput, RobustError, shorten
from robust_core.files import check_name, explain_failures, read_bytes
from robust_core.judging.records import Judged, fold_name, read_judgements, to_record
from robust_core.paths import own_judgements
from robust_core.table_files import read_upload

ENDING = ".jsonl"
MOST_BYTES, MOST_FILES = 20_000_000, 500
# Never through a link, and byte for byte, where the system can say so.
_ONLY_THIS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def find_file(source: str, judge: str) -> Path:
    """Return the file of a judge's judgements on a source."""
    name = hashlib.sha256(fold_name(judge).encode(errors="replace")).hexdigest()[:16]
    return own_judgements() / check_name(source, "source") / f"{name}{ENDING}"


def keep_judgement(judged: Judged) -> None:
    """Add a judgement to its judge's file; it is on disk when this returns.

    Raises:
        BadInput: The file is full, there are too many, or it cannot be written.
    """
    path = find_file(judged.source, judged.judge)
    line = (json.dumps(to_record(judged)) + "\n").encode()
    with explain_failures(path, "written"):
        if not path.exists() and len(list(own_judgements().glob(f"*/*{ENDING}"))) >= MOST_FILES:
            raise BadInput(f"{MOST_FILES} files of judgements are the most; export and remove some in "
                           f"{own_judgements().name}/.")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # For reading as well: the last byte says whether the line before was finished.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _ONLY_THIS, 0o600)
        with os.fdopen(handle, "rb+", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size + len(line) > MOST_BYTES:
                raise BadInput(f"A judge's file has at most {MOST_BYTES:,} bytes; go on under another name.")
            if size:
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            os.fsync(handle)


def read_kept(source: str, judge: str | None = None) -> tuple[list[Judged], list[str]]:
    """Return the kept judgements on a source, each line of them, and what cannot be read.

    Args:
        source: Id of the source.
        judge: One judge; all of this person's by default.

    Returns:
        (judgements, a line for each file that is damaged).
    """
    paths = sorted(find_file(source, "").parent.glob(f"*{ENDING}")) if judge is None else [find_file(source, judge)]
    return read_files(path for path in paths[:MOST_FILES] if path.is_file())


def read_files(paths: Iterable[Path]) -> tuple[list[Judged], list[str]]:
    """Return the judgements of kept files, and a line for each that cannot be read."""
    found: list[Judged] = []
    troubles: list[str] = []
    for path in paths:
        try:
            found += read_content(path.name, read_bytes(path, MOST_BYTES))
        except RobustError as error:
            troubles.append(str(error))
    return found, troubles


def read_content(name: str, content: bytes) -> list[Judged]:
    """Return the judgements of a file that the app kept or exported; lines of JSONL that are unfinished are left out.

    Args:
        name: The file's name, whose ending says what it is.
        content: Its bytes.

    Raises:
        BadInput: It holds anything but judgements.
    """
    if name.lower().endswith(ENDING):
        whole = [line for line in content.split(b"\n") if _is_object(line)]
        if not whole and content.strip():
            raise BadInput(f"{shorten(name)} holds no judgements: it has no line that is a JSON object.")
        if not whole:
            return []
        content = b"\n".join(whole)
    return read_judgements(read_upload(name, content), name)


def _is_object(line: bytes) -> bool:
    with contextlib.suppress(ValueError, RecursionError):
        return isinstance(json.loads(line), dict)
    return False
