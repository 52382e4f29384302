"""Data sets that people bring themselves: a CSV, TSV or JSONL file, read, split and stored like any other."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from robust_core.datasets import DATASETS, SPLITS, DataSet, describe, list_own
from robust_core.errors import BadInput, quote
from robust_core.paths import describe_failures, own_data
from robust_core.text import clean

KINDS = ("csv", "tsv", "jsonl")
MOST_CLASSES = 50
_LEAST_TEXTS, _LEAST_OF_CLASS = 20, 5
# Shares of dev and test of each class.
_HELD_OUT = 0.15
_LEAST_LENGTH, _MOST_LENGTH = 10, 400
_TEXT_NAMES = ("text", "sentence", "review", "content", "document", "comment")
_LABEL_NAMES = ("label", "class", "category", "target", "sentiment", "rating")


class Table(NamedTuple):
    """A file with named columns.

    Attributes:
        columns: Names of the columns, in the file's order.
        rows: Its cells as text, by column.
    """

    columns: tuple[str, ...]
    rows: list[dict[str, str]]

    def guess(self) -> tuple[str, str]:
        """Return the columns that most probably hold the texts and the labels: by name, else by what is in them."""
        text = self._named(_TEXT_NAMES) or max(self.columns, key=self._mean_length)
        rest = [name for name in self.columns if name != text] or [text]
        label = self._named(_LABEL_NAMES)
        return text, label if label in rest else min(rest, key=lambda name: len(set(self.values(name))))

    def values(self, column: str) -> list[str]:
        """Return the cells of a column, without blanks around them."""
        return [row[column].strip() for row in self.rows]

    def classes(self, column: str) -> list[str]:
        """Return the distinct labels of a column: numbers by value, other labels by alphabet.

        Raises:
            BadInput: There are too few or too many for labels.
        """
        found = {value for value in self.values(column) if value}
        if not 2 <= len(found) <= MOST_CLASSES:
            raise BadInput(f"The column {column} has {len(found):,} different values; labels have 2 to {MOST_CLASSES}. "
                           "Choose another column.")
        return sorted(found, key=lambda v: (not v.isdecimal(), int(v) if v.isdecimal() else 0, v))

    def _named(self, wanted: Sequence[str]) -> str | None:
        return next((name for want in wanted for name in self.columns if name.strip().lower() == want), None)

    def _mean_length(self, column: str) -> float:
        return sum(map(len, self.values(column))) / len(self.rows)


def read_upload(file_name: str, content: bytes) -> Table:
    """Read a file with named columns: CSV, TSV with a header line, or JSONL with an object a line.

    Raises:
        BadInput: It cannot be read, or has no rows or only one column.
    """
    kind = file_name.rpartition(".")[2].lower()
    if kind not in KINDS:
        raise BadInput(f"{file_name} is no {', '.join(KINDS[:-1])} or {KINDS[-1]} file.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{file_name} is not UTF-8 text; save it as UTF-8 first.") from None
    rows = _read_json_rows(file_name, text) if kind == "jsonl" else _read_rows(file_name, text, kind)
    columns = tuple(dict.fromkeys(name for row in rows for name in row))
    if not rows or len(columns) < 2:
        raise BadInput(f"{file_name} needs a column of texts, a column of labels, and rows below a header line.")
    return Table(columns, [{name: row.get(name, "") for name in columns} for row in rows])


def _read_rows(file_name: str, text: str, kind: str) -> list[dict[str, str]]:
    # A TSV may hold a lone quotation mark, as the data sets do; a CSV quotes what has commas.
    options: dict[str, Any] = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if kind == "tsv" else {"strict": True}
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), **options) if any(line)]
    except csv.Error as error:
        raise BadInput(f"{file_name} cannot be read: {error}.") from None
    header = [name.strip() or f"column {i}" for i, name in enumerate(lines[0], 1)] if lines else []
    for number, line in enumerate(lines[1:], 2):
        if len(line) > len(header):
            raise BadInput(f"Row {number} of {file_name} has {len(line)} cells, its header {len(header)}.")
    return [dict(zip(header, line, strict=False)) for line in lines[1:]]


def _read_json_rows(file_name: str, text: str) -> list[dict[str, str]]:
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise BadInput(f"Line {number} of {file_name} is no JSON object.")
        rows.append({str(name): value if isinstance(value, str) else "" if value is None else json.dumps(value)
                     for name, value in values.items()})
    return rows


def make_plain_name(file_name: str) -> str:
    """Return a name for a data set: small letters, digits and underscores of a file's name."""
    stem = re.sub(r"[^a-z0-9]+", "_", Path(file_name).stem.lower()).strip("_")[:40] or "own"
    return f"own_{stem}" if stem in DATASETS else stem


def add_dataset(name: str, table: Table, text: str, label: str, names: Mapping[str, str]) -> DataSet:
    """Store a table as a data set, with 15 % of each class held out as dev and as many as test.

    Repeated texts count once and rows without a text or label not at all, so that no text lies in two splits.

    Args:
        name: Name in model ids.
        table: The rows.
        text: Column of the texts.
        label: Column of the labels.
        names: Label names, by label; labels of the same name are one class.

    Returns:
        What is known of it; the same table under the same name is stored once.

    Raises:
        BadInput: The name cannot be used, texts are too few, or another table has the name.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,50}", name) or name in DATASETS:
        raise BadInput(f"{quote(name)} cannot name a data set of your own: use small letters, digits and underscores"
                       f"{', and no name of a known one' if name in DATASETS else ''}.")
    if text == label:
        raise BadInput("Texts and labels are in different columns; choose another one for the labels.")
    labels = tuple(dict.fromkeys(clean(names[value]) for value in table.classes(label)))
    if len(labels) < 2 or not all(labels):
        raise BadInput("Every class needs a name, and there must be two at least.")
    found: dict[str, int] = {}
    for words, value in zip(table.values(text), table.values(label), strict=True):
        if value and (cleaned := clean(words)):
            found.setdefault(cleaned, labels.index(clean(names[value])))
    _check(found, labels)
    splits = _split_rows(found)
    digest = hashlib.sha256(json.dumps([splits, labels]).encode()).hexdigest()
    if (own_data() / name).exists():
        if name in list_own() and _hash_rows(own_data() / name) == digest:
            return describe(name)
        raise BadInput(f"A data set called {name} is there already, with other texts; choose another name.")
    lengths = sorted(len(words.split()) for words in found)
    about = {"title": name.replace("_", " ").capitalize(), "labels": labels, "source": "Brought by the user",
             "length": min(max(lengths[int(0.95 * (len(lengths) - 1))] + 4, _LEAST_LENGTH), _MOST_LENGTH),
             "sha256": digest}
    _store(own_data() / name, splits, about)
    return describe(name)


def _check(found: Mapping[str, int], labels: Sequence[str]) -> None:
    if len(found) < _LEAST_TEXTS:
        raise BadInput(f"{len(found)} different labelled texts are too few; {_LEAST_TEXTS} are the least.")
    counts = Counter(found.values())
    for i, name in enumerate(labels):
        if counts[i] < _LEAST_OF_CLASS:
            raise BadInput(f"The class {name} has {counts[i]} texts; {_LEAST_OF_CLASS} are the least.")


def _split_rows(found: Mapping[str, int]) -> dict[str, list[tuple[str, int]]]:
    splits: dict[str, list[tuple[str, int]]] = {split: [] for split in SPLITS}
    for label in sorted(set(found.values())):
        texts = sorted(text for text, own_label in found.items() if own_label == label)
        Random(f"split-{label}").shuffle(texts)
        held = max(1, round(_HELD_OUT * len(texts)))
        for i, text in enumerate(texts):
            splits["dev" if i < held else "test" if i < 2 * held else "train"].append((text, label))
    return splits


def _hash_rows(folder: Path) -> str:
    return json.loads((folder / "about.json").read_text(encoding="utf-8")).get("sha256", "")


def _store(folder: Path, splits: Mapping[str, Sequence[tuple[str, int]]], about: Mapping[str, Any]) -> None:
    """Write a data set into a folder that is renamed into place when it is complete; nothing is left where it fails."""
    with describe_failures(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
        try:
            for split, rows in splits.items():
                lines = ["text\tlabel", *(f"{text}\t{label}" for text, label in rows)]
                (temporary / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
            (temporary / "about.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
            os.replace(temporary, folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
