"""Reading the rows of a split: a TSV with a header line, or what `public_layouts` finds."""

import collections
from collections.abc import Iterator
from pathlib import Path

from robust_core import public_layouts
from robust_core.errors import BadInput, shorten
from robust_core.files import MOST_COLUMNS, read_lines
from robust_core.public_layouts import Row, Source

# Characters of a file's lines that are kept while it is read to its end.
_KEPT = 40_000_000


def _is_table(path: Path) -> bool:
    return path.name.removesuffix(".gz").endswith(".tsv")


def name_row(source: Source, place: int) -> str:
    """Return what the row at a place is called in messages: a line of a table, where the header is the first."""
    return f"Line {place + 2}" if _is_table(source.path) else f"Text {place + 1:,}"


def read_rows(source: Source, where: str) -> Iterator[tuple[int, Row]]:
    """Yield text and label of each row as they lie there, with its place, which counts from 0.

    Args:
        source: Where they lie.
        where: What that is called in messages.

    Raises:
        BadInput: The file cannot be read, is too large, or lacks a column.
    """
    if not _is_table(source.path):
        yield from public_layouts.read_rows(source)
        return
    lines = _read_to_end(source.path)
    head = split_header(next(lines, ""), where)
    if "text" not in head or "label" not in head:
        raise BadInput(f"{shorten(where)} needs a header line with the columns text and label.")
    text_at, label_at = head.index("text"), head.index("label")
    for place, line in enumerate(lines):
        columns = line.split("\t")
        if len(columns) <= max(text_at, label_at):
            raise BadInput(f"{name_row(source, place)} of {where} has too few columns.")
        yield place, (columns[text_at], columns[label_at])


def read_texts(source: Source, where: str) -> Iterator[str]:
    """Yield the texts of the rows, whatever else they have; raises what `read_rows` raises."""
    if not _is_table(source.path):
        yield from (text for _, (text, _) in public_layouts.read_rows(source))
        return
    lines = read_lines(source.path)
    head = split_header(next(lines, ""), where)
    if "text" not in head:
        raise BadInput(f"{shorten(where)} needs a header line with the column text.")
    at = head.index("text")
    yield from (cells[at] for line in lines if len(cells := line.split("\t")) > at)


def count_rows(source: Source) -> int:
    """Return the number of rows, without their texts where that is possible; raises what `read_rows` raises."""
    if not _is_table(source.path):
        return public_layouts.count_rows(source)
    return max(0, sum(1 for _ in read_lines(source.path)) - 1)


def _read_to_end(path: Path) -> Iterator[str]:
    """Return the lines of a file that has been read to its end: one that is too large is refused before it is used.

    Lines are kept meanwhile, unless they are too many to be kept: then they are read again.
    """
    lines, kept, room = read_lines(path), [], _KEPT
    for line in lines:
        kept.append(line)
        room -= len(line) + 1
        if room < 0:
            break
    else:
        return iter(kept)
    kept.clear()
    collections.deque(lines, 0)
    return read_lines(path)


def split_header(line: str, where: str) -> list[str]:
    """Return the names of the columns of a table.

    Raises:
        BadInput: There are more than any data set has.
    """
    if line.count("\t") >= MOST_COLUMNS:
        raise BadInput(f"{shorten(where)} has {line.count(chr(9)) + 1:,} columns; {MOST_COLUMNS:,} are the most.")
    return line.split("\t")
