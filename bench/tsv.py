"""Tables of a blind reading, as tab-separated files with a line of names."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from robust_core.errors import BadInput


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows, the names of the columns first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)


def read_rows(path: Path, how: str) -> list[dict[str, str]]:
    """Return each row by the names of its columns.

    Args:
        path: The file.
        how: What writes it, for the message.

    Raises:
        BadInput: It is not there.
    """
    if not path.is_file():
        raise BadInput(f"{path.name} is not here: {how}")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
