"""Tables of a blind reading, as tab-separated files with a line of names."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write rows, the names of the columns first."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows(rows)
