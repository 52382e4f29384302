"""Texts as they are published: folders (IMDB), CSV without a header (Yelp, Yahoo), Hugging Face's Parquet, CSV, JSONL.

`datasets` reads its own layout, a TSV a split, wherever there is one; else what is found here. Published without a dev
split, a tenth of train, 5,000 texts at most, is drawn as dev, always the same one of the same files; train is the rest.

Sources: https://ai.stanford.edu/~amaas/data/sentiment/ (aclImdb_v1.tar.gz) and
https://huggingface.co/datasets/stanfordnlp/imdb;
yelp_review_polarity_csv and yahoo_answers_csv of Zhang et al. 2015,
https://huggingface.co/datasets/fancyzhx/yelp_polarity and
https://huggingface.co/datasets/community-datasets/yahoo_answers_topics.
"""

import contextlib
import csv
import io
import itertools
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from robust_core.errors import BadInput, list_names, shorten
from robust_core.files import MOST_CHARACTERS, MOST_LINE, MOST_ROWS, bound_lines, explain_failures, read_bytes

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

# A text and its label, a number or a name, as they stand in the files.
Row = tuple[str, str]
# Share of train that is held out as dev, and its most texts.
_HELD_OUT, _MOST_HELD_OUT = 10, 5000
_CLASSES = ("neg", "pos")
# What a split is called where somebody publishes it, and the folders that its archive or repository has.
_SPLIT_NAMES = {"dev": ("dev", "validation", "valid"), "train": ("train",), "test": ("test",)}
_FOLDERS = {"imdb": ("aclImdb", "imdb", "imdb/aclImdb", "imdb/plain_text"),
            "yelp_polarity": ("yelp_polarity", "yelp_polarity/plain_text", "yelp_review_polarity_csv",
                              "yelp_polarity/yelp_review_polarity_csv"),
            "yahoo_answers": ("yahoo_answers", "yahoo_answers/yahoo_answers_topics", "yahoo_answers_topics",
                              "yahoo_answers_csv", "yahoo_answers/yahoo_answers_csv")}
NAMES = tuple(_FOLDERS)


class Columns(NamedTuple):
    """Names of the columns of texts, which are put together with blanks between, and of the label."""

    texts: tuple[str, ...]
    label: str


_REVIEWS = Columns(("text",), "label")
# Question and answer: https://huggingface.co/datasets/community-datasets/yahoo_answers_topics
_ANSWERS = Columns(("question_title", "question_content", "best_answer"), "topic")
# Rows without a header: how many cells follow the class, which counts from 1, and how many classes there are then.
_CLASSES_OF = {1: 2, 3: 10}


class Source(NamedTuple):
    """Where the rows of a split lie.

    Attributes:
        path: A folder of the folders neg and pos; a CSV or JSONL file; or the first of the Parquet files.
        part: Which part of the rows is meant, where dev is drawn from train: train or dev; empty for all.
    """

    path: Path
    part: str = ""


def find_source(folder: Path, name: str, split: str) -> Source | None:
    """Return where a split lies in a folder of data sets; None where it is in none of the layouts that are known.

    Args:
        folder: The folder.
        name: imdb, yelp_polarity or yahoo_answers; others have no layout here.
        split: train, dev or test.
    """
    def find(*names: str) -> Path | None:
        places = (folder / part for part in _FOLDERS.get(name, ()))
        return next((found for place in places for called in names if (found := _find(place, called))), None)

    own = find(*_SPLIT_NAMES[split])
    if split == "dev" and own is None:
        train = find(*_SPLIT_NAMES["train"])
        return Source(train, "dev") if train else None
    drawn = split == "train" and find(*_SPLIT_NAMES["dev"]) is None
    return Source(own, "train" if drawn else "") if own else None


def _find(place: Path, called: str) -> Path | None:
    """Return the folder of classes, or the file, of a split of that name."""
    folder = place / called
    if all((folder / name).is_dir() for name in _CLASSES):
        return folder
    for path in (place / f"{called}.parquet", *sorted(place.glob(f"{called}-00000-of-*.parquet")),
                 place / f"{called}.csv", place / f"{called}.jsonl"):
        if path.is_file():
            return path
    return None


def read_rows(source: Source) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a split, each with its place in the files.

    Raises:
        BadInput: They cannot be read, are too many, or lack a column.
    """
    read = _choose_reader(source.path)
    dev = draw_dev(count_all(source.path)) if source.part else frozenset()
    total = 0
    for place, row in enumerate(read(source.path)):
        total += len(row[0])
        if total > MOST_CHARACTERS or place >= MOST_ROWS:
            raise BadInput(f"{shorten(source.path.name)} is too large: {MOST_ROWS:,} texts of {MOST_CHARACTERS:,} "
                           "characters together are the most.")
        if not source.part or (place in dev) == (source.part == "dev"):
            yield place, row


def count_rows(source: Source) -> int:
    """Return how many rows a split has; raises what `read_rows` raises."""
    rows = count_all(source.path)
    dev = len(draw_dev(rows))
    return {"dev": dev, "train": rows - dev}.get(source.part, rows)


def draw_dev(rows: int) -> frozenset[int]:
    """Return the places of the rows of train that are held out as dev: of so many rows always the same."""
    most = min(rows // _HELD_OUT, _MOST_HELD_OUT)
    return frozenset(np.random.default_rng(0).permutation(rows)[:most].tolist())


def count_all(path: Path) -> int:
    """Return how many rows there are in a folder of classes or a file; raises what `read_rows` raises."""
    if path.is_dir():
        return sum(1 for _ in _list_files(path))
    if path.suffix == ".parquet":
        return _count_parquet(path)
    return sum(1 for _ in _choose_reader(path)(path))


def _choose_reader(path: Path) -> Callable[[Path], Iterator[Row]]:
    if path.is_dir():
        return _read_folders
    return {".parquet": _read_parquet, ".jsonl": _read_jsonl}.get(path.suffix, _read_csv)


def _find_columns(names: Collection[str]) -> Columns | None:
    """Return which columns hold texts and labels; None where they are not there."""
    return next((known for known in (_REVIEWS, _ANSWERS) if {*known.texts, known.label} <= {*names}), None)


def _choose_columns(names: Collection[str], where: str) -> Columns:
    """Return which columns hold texts and labels.

    Raises:
        BadInput: They are not there.
    """
    columns = _find_columns(names)
    if columns is not None:
        return columns
    raise BadInput(f"{where} needs the columns text and label, or {list_names((*_ANSWERS.texts, _ANSWERS.label))}.")


def _join(cells: list[str]) -> str:
    return " ".join(filter(None, cells))


def _list_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for label, name in enumerate(_CLASSES):
        yield from ((path, str(label)) for path in sorted((folder / name).glob("*.txt")))


def _read_folders(folder: Path) -> Iterator[Row]:
    for path, label in _list_files(folder):
        try:
            yield read_bytes(path, MOST_LINE).decode("utf-8"), label
        except UnicodeDecodeError:
            raise BadInput(f"{shorten(path.name)} of {folder.name} is not UTF-8 text.") from None


def _read_csv(path: Path) -> Iterator[Row]:
    """Read text and label by a header; without one the class, from 1, and the texts, with new lines written out."""
    name = shorten(path.name)
    try:
        with explain_failures(name), path.open("rb") as raw:
            rows = csv.reader(bound_lines(io.TextIOWrapper(raw, "utf-8-sig", newline=""), name), strict=True)
            head = next(rows, [])
            lower = [cell.strip().lower() for cell in head]
            columns = _find_columns(lower)
            if columns is not None:
                texts, label = [lower.index(column) for column in columns.texts], lower.index(columns.label)
                yield from ((_join([row[place] for place in texts]), row[label]) for row in rows
                            if len(row) > max(*texts, label))
                return
            classes = _CLASSES_OF.get(len(head) - 1, 0)
            for row in itertools.chain([head], rows):
                if not row or len(row) != len(head) or row[0] not in map(str, range(1, classes + 1)):
                    raise BadInput(f"{name} needs a header line with text and label, or else a class, 1 or 2, and a "
                                   "text in each row, or a class, 1 to 10, with title, question and answer.")
                yield _join([cell.replace("\\n", " ") for cell in row[1:]]), str(int(row[0]) - 1)
    except (csv.Error, UnicodeDecodeError) as error:
        raise BadInput(f"{name} cannot be read as CSV in UTF-8: {shorten(str(error))}.") from None


@contextlib.contextmanager
def _open_parquet(path: Path) -> "Iterator[ParquetFile]":
    """Open a Parquet file of texts and labels; whatever is wrong with it becomes one line."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    name = shorten(path.name)
    try:
        with explain_failures(name), path.open("rb") as raw, ParquetFile(raw) as file:
            _choose_columns(file.schema_arrow.names, name)
            yield file
    except ArrowException as error:
        raise BadInput(f"{name} cannot be read as Parquet: {shorten(str(error))}.") from None


def _list_parts(path: Path) -> list[Path]:
    """Return the files that a split is split into; the first one is given."""
    return sorted(path.parent.glob(path.name.replace("-00000-of-", "-*-of-")))


def _read_parquet(path: Path) -> Iterator[Row]:
    for part in _list_parts(path):
        with _open_parquet(part) as file:
            texts, label = _choose_columns(file.schema_arrow.names, part.name)
            for batch in file.iter_batches(columns=[*texts, label]):
                for row in batch.to_pylist():
                    yield _join([str(row[column] or "") for column in texts]), str(row[label])


def _read_jsonl(path: Path) -> Iterator[Row]:
    """Read a JSON object a line."""
    name = shorten(path.name)
    try:
        with explain_failures(name), path.open("rb") as raw:
            for number, line in enumerate(bound_lines(io.TextIOWrapper(raw, "utf-8-sig"), name), 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise BadInput(f"Line {number:,} of {name} is no JSON object.")
                    texts, label = _choose_columns(row, f"Line {number:,} of {name}")
                    yield _join([str(row[column] or "") for column in texts]), str(row[label])
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} cannot be read as JSONL in UTF-8: {shorten(str(error))}.") from None


def _count_parquet(path: Path) -> int:
    found = 0
    for part in _list_parts(path):
        with _open_parquet(part) as file:
            found += file.metadata.num_rows
    return found
