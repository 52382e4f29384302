"""Tables as people have them: CSV and TSV of any dialect, JSONL, JSON and Parquet, read as a stream and within bounds.

What cannot be told from the file is not guessed in silence: the reader says whether it took the first line for names
of columns, and refuses files of pairs of texts where these are not asked for.
"""

import contextlib
import csv
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from robust_core import parquet_reader
from robust_core.errors import BadInput, first_sentence, quote, shorten
from robust_core.files import MOST_COLUMNS, bound_lines, explain_failures
from robust_core.tables import LABEL_NAMES, NUMBER, TEXT_NAMES, Table, fold_label

KINDS = ("csv", "tsv", "jsonl", "json", "parquet")
MOST_BYTES, MOST_JSON_ARRAY, MOST_CELLS = 200_000_000, 20_000_000, 10_000_000
# Wall time for the process that reads Parquet; it limits its own processor time.
_PARQUET_SECONDS, _LONGEST_SAID = 120, 2_000
_DELIMITERS = (",", ";", "\t", "|")
# Lines and characters that the dialect and the header are told by, and the longest name of a column.
_SAMPLE, _SAMPLE_CHARACTERS, _LONGEST_NAME = 1_000, 2_000_000, 80
# More words than this, and it is a text and no name; usual names count alone or as part of such as review_text.
_WORDS_OF_NAME = 3
# Columns that together are one input, as in SNLI, QNLI and BoolQ, and what is numbered 1 and 2, or a and b, as in MRPC.
_PAIRS = (("premise", "hypothesis"), ("question", "sentence"), ("question", "passage"), ("query", "passage"),
          ("query", "document"), ("claim", "evidence"),
          *((f"{stem}{sign}{first}", f"{stem}{sign}{second}") for stem in (*TEXT_NAMES, "question", "query", "q", "s")
            for sign in ("", "_", " ", "-") for first, second in ("12", "ab")))
# A first line by which spreadsheets are told the delimiter.
_SEP = re.compile(r'"?sep=([^\w\s"]|\t)"?\s*', re.IGNORECASE)


def read_upload(file_name: str, content: bytes, header: bool | None = None, *, pairs: bool = False) -> Table:
    """Read a file with columns: CSV or TSV of any usual delimiter, JSONL, a JSON array of objects, or Parquet.

    Args:
        file_name: Its name, whose ending says what it is.
        content: Its bytes.
        header: Whether the first line of a CSV or TSV names the columns; told from the file by default.
        pairs: Whether two columns may be one input, such as a premise and a hypothesis.

    Raises:
        BadInput: It cannot be read, is too large, has no rows or only one column, or holds pairs that are not wanted.
    """
    if not isinstance(file_name, str) or not isinstance(content, bytes | bytearray | memoryview):
        raise BadInput("A file has a name, a text, and its content as bytes.")
    if len(content) > MOST_BYTES:
        raise BadInput(f"{shorten(file_name)} is too large: {MOST_BYTES:,} bytes are the most.")
    return _read_stream(file_name, io.BytesIO(content), header, pairs)


def read_table_file(path: Path, header: bool | None = None, *, pairs: bool = False) -> Table:
    """Read what `read_upload` reads from a file on disk, without holding it in memory.

    Raises:
        BadInput: As `read_upload`, or there is no such file.
    """
    with explain_failures(path.name):
        if not path.is_file():
            raise BadInput(f"There is no file {quote(str(path))}.")
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{shorten(path.name)} is too large: {MOST_BYTES:,} bytes are the most.")
        with path.open("rb") as file:
            return _read_stream(path.name, file, header, pairs)


def _read_stream(name: str, file: BinaryIO, header: bool | None, pairs: bool) -> Table:
    kind, name = name.rpartition(".")[2].lower(), shorten(name)
    if kind not in KINDS:
        raise BadInput(f"{name} is no {', '.join(KINDS[:-1])} or {KINDS[-1]} file.")
    if kind == "parquet":
        with _unpack_parquet(name, file) as lines:
            return _read_rows(name, "jsonl", lines, None, pairs)
    return _read_rows(name, kind, file, header, pairs)


@contextlib.contextmanager
def _unpack_parquet(name: str, file: BinaryIO) -> Iterator[BinaryIO]:
    """Give the rows of a Parquet file as JSON lines, made by a process of its own under limits (`parquet_reader`)."""
    with tempfile.TemporaryFile() as lines, tempfile.TemporaryFile() as said:
        problem = "it does not come to an end"
        try:
            child = subprocess.run([sys.executable, "-I", parquet_reader.__file__], input=file.read(), stdout=lines,
                                   stderr=said, timeout=_PARQUET_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise BadInput(f"{name} cannot be read as Parquet: {problem}.") from None
        if child.returncode:
            said.seek(0)
            told = said.read(_LONGEST_SAID).decode(errors="replace")
            problem = first_sentence(ValueError(told)) if child.returncode == 3 else "it takes too much time or memory"
            raise BadInput(f"{name} cannot be read as Parquet: {problem}.")
        lines.seek(0)
        yield lines


def _read_rows(name: str, kind: str, file: BinaryIO, header: bool | None, pairs: bool) -> Table:
    named: bool | None = True
    try:
        with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
            if kind.startswith("json"):
                columns = _collect(name, _read_objects(name, text))
            else:
                names, rows, named = _read_cells(name, text, kind, header)
                columns = _collect(name, (zip(names, row, strict=False) for row in rows), names)
    except UnicodeDecodeError:
        raise BadInput(f"{name} is not UTF-8 text; save it as UTF-8 first.") from None
    if len(columns) < 2 or not any(columns.values()):
        raise BadInput(f"{name} needs a column of texts, a column of labels, and rows below a header line.")
    if not pairs and (found := find_pair(columns)):
        raise BadInput(f"{name} holds pairs of texts ({found[0]} and {found[1]}). Only single texts can be read: put "
                       "what is to be classified into one column, and take the other one out.")
    return Table(tuple(columns), columns, named)


def find_pair(columns: Iterable[str]) -> tuple[str, str] | None:
    """Return two columns that together are one input, by their usual names; None where there are none."""
    known = {column.strip().lower() for column in columns}
    return next((pair for pair in _PAIRS if pair[0] in known and pair[1] in known), None)


def _collect(name: str, rows: Iterable[Iterable[tuple[str, str]]], columns: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the cells of rows by column, within bounds; a column grows only as far as its last cell needs it."""
    found: dict[str, list[str]] = {column: [] for column in columns}
    cells = count = 0
    for row in rows:
        for column, value in row:
            values = found.setdefault(column, [])
            if len(values) > count:  # long names that are cut alike
                continue
            cells += count + 1 - len(values)
            if len(found) > MOST_COLUMNS:
                raise BadInput(f"{name} has more than {MOST_COLUMNS:,} columns.")
            if cells > MOST_CELLS:
                raise BadInput(f"{name} is too large: it has more than {MOST_CELLS:,} cells.")
            values += [""] * (count - len(values))
            values.append(value)
        count += 1
    if len(found) * count > MOST_CELLS:
        raise BadInput(f"{name} is too large: {count:,} rows of {len(found):,} columns are more than "
                       f"{MOST_CELLS:,} cells.")
    for values in found.values():
        values += [""] * (count - len(values))
    return found


def _read_objects(name: str, text: TextIO) -> Iterator[Iterator[tuple[str, str]]]:
    """Yield the values of JSON objects: one a line, or all in one array; which of the two is told by the first sign."""
    array = text.read(_SAMPLE).lstrip().startswith("[")
    text.seek(0)
    if not array:
        for number, line in enumerate(bound_lines(text, name), 1):
            if line.strip():
                yield _list_values(_parse(line), f"Line {number:,} of {name}")
        return
    whole = text.read(MOST_JSON_ARRAY + 1)
    if len(whole) > MOST_JSON_ARRAY:
        raise BadInput(f"{name} is too large for a JSON array: {MOST_JSON_ARRAY:,} characters are the most; save an "
                       "object a line (JSONL).")
    objects = _parse(whole)
    if not isinstance(objects, list):
        raise BadInput(f"{name} cannot be read as a JSON array of objects.")
    for number, values in enumerate(objects, 1):
        yield _list_values(values, f"Entry {number:,} of {name}")


def _parse(text: str) -> Any:  # noqa: ANN401 (whatever the file holds; None if it is no JSON)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _list_values(values: object, where: str) -> Iterator[tuple[str, str]]:
    if not isinstance(values, dict):
        raise BadInput(f"{where} is no JSON object that can be read.")
    for name, value in values.items():
        if value is not None:
            try:
                cell = value if isinstance(value, str) else json.dumps(value)
            except RecursionError:
                raise BadInput(f"{where} is nested too deep.") from None
            yield shorten(name, _LONGEST_NAME) or "column", cell.strip()


def _read_cells(name: str, text: TextIO, kind: str, header: bool | None
                ) -> tuple[list[str], Iterator[list[str]], bool | None]:
    """Return the names of the columns, the rows below them, and whether the first line holds the names."""
    lines = bound_lines(text, name)
    sample: list[str] = []
    room = _SAMPLE_CHARACTERS
    while len(sample) < _SAMPLE and room > 0 and (line := next(lines, "")):
        sample.append(line)
        room -= len(line)
    given = _SEP.fullmatch(sample[0]) if sample else None
    if given is not None:
        sample = sample[1:]
    delimiter = given[1] if given is not None else _choose_delimiter(sample, kind)
    rows = _split_rows(name, _chain(sample, lines), delimiter, kind)
    some = [row for _, row in zip(sample, rows, strict=False)]
    if not some:
        return [], iter(()), True
    named = _looks_named(some) if header is None else header
    names = _name_columns(some[0]) if named else [f"column {i}" for i, _ in enumerate(some[0], 1)]
    if len(names) > MOST_COLUMNS:
        raise BadInput(f"{name} has {len(names):,} columns; {MOST_COLUMNS:,} are the most.")
    return names, _check_rows(name, _chain(some[1:] if named else some, rows), len(names), 2 if named else 1), named


def _chain(first: Sequence[Any], rest: Iterator[Any]) -> Iterator[Any]:
    yield from first
    yield from rest


def _split_rows(name: str, lines: Iterator[str], delimiter: str, kind: str) -> Iterator[list[str]]:
    options: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if _is_plain(kind, delimiter) else {"strict": True}
    try:
        for row in csv.reader(lines, delimiter=delimiter, **options):
            if any(row):
                yield [cell.strip() for cell in row]
    except csv.Error as error:
        why = shorten(str(error))
        if "field limit" in why:
            why = f"a cell has more than {csv.field_size_limit():,} characters"
        raise BadInput(f"{name} cannot be read: {why}.") from None


def _check_rows(name: str, rows: Iterator[list[str]], width: int, first: int) -> Iterator[list[str]]:
    for number, row in enumerate(rows, first):
        if len(row) > width and any(row[width:]):
            raise BadInput(f"Row {number:,} of {name} has {len(row):,} cells, the first one {width:,}.")
        yield row[:width]


def _choose_delimiter(sample: Sequence[str], kind: str) -> str:
    """Return the sign that splits most rows into as many cells as the first one, two at least.

    Differs from csv.Sniffer, which takes letters and blanks of prose for delimiters.
    """
    usual = "\t" if kind == "tsv" else ","
    best, chosen = 0.0, usual
    for delimiter in sorted(_DELIMITERS, key=lambda sign: sign != usual):
        widths: list[int] = []
        with contextlib.suppress(csv.Error):
            quoting = csv.QUOTE_NONE if _is_plain(kind, delimiter) else csv.QUOTE_MINIMAL
            for row in csv.reader(sample, delimiter=delimiter, quoting=quoting):
                widths += [len(row)] if row else []
        share = widths.count(widths[0]) / len(widths) if widths and widths[0] > 1 else 0.0
        if share > best:
            best, chosen = share, delimiter
    return chosen


def _is_plain(kind: str, delimiter: str) -> bool:
    """Return whether quotation marks are only signs: a TSV may hold a lone one, a CSV quotes what has commas."""
    return kind == "tsv" and delimiter == "\t"


def _name_columns(cells: Sequence[str]) -> list[str]:
    """Return the names of a header line, each once: empty ones by number, repeated ones with a number."""
    names: list[str] = []
    for i, cell in enumerate(cells, 1):
        name = shorten(cell, _LONGEST_NAME) or f"column {i}"
        names.append(f"{name[:_LONGEST_NAME - 8]} ({i})" if name in names else name)
    return names


def _looks_named(rows: Sequence[Sequence[str]]) -> bool | None:
    """Return whether the first row names the columns; None where nothing in the rows tells.

    It does not if a cell comes back below it. Else it does if a cell is a usual name; it does not if a cell is a number
    or has many words. Else it does if a cell stands above numbers, or above labels that come again and again.
    """
    head, below = rows[0], rows[1:]
    known = {*TEXT_NAMES, *LABEL_NAMES, *(name for pair in _PAIRS for name in pair), "id", "idx", "index"}
    columns = [{fold_label(row[i]) for row in below if i < len(row)} for i in range(len(head))]
    pairs = [(cell, column) for cell, column in zip(head, columns, strict=True) if cell and column]
    if any(fold_label(cell) in column for cell, column in pairs):
        return False
    if any(known & {cell.lower(), *re.split(r"[^a-z\d]+", cell.lower() if " " not in cell else "")} for cell in head):
        return True
    if any(NUMBER.fullmatch(cell) or len(cell.split()) > _WORDS_OF_NAME for cell, _ in pairs):
        return False
    told = any(all(map(NUMBER.fullmatch, column)) or 4 * len(column) <= len(below) for _, column in pairs)
    return True if told else None
