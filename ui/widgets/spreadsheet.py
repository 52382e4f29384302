"""Tables for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Sequence

# A spreadsheet takes a cell that begins with one of these for a formula.
_FORMULA = tuple("=+-@\t\r")


def write_csv(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Return a CSV table; typed text that a spreadsheet would take for a formula gets an apostrophe before it."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_make_harmless(cell) for cell in line] for line in lines)
    return buffer.getvalue()


def _make_harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
