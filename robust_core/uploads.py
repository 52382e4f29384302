"""Data sets that people bring themselves: a file's texts with labels, split and stored like any other, or measured on.

`robust_core.table_files` reads the file.
"""

import hashlib
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

from robust_core.cleaning import MAX_WORDS, clean
from robust_core.datasets import DATASETS, SPLITS, DataSet, LabelledTexts, describe, list_own
from robust_core.errors import BadInput, UnknownName, list_names, quote
from robust_core.files import check_name, check_target, explain_failures, read_json
from robust_core.pair_columns import Pair, clean_texts
from robust_core.paths import own_data
from robust_core.tables import Table, fold_label
from robust_core.types import Example

_LEAST_TEXTS, _LEAST_OF_CLASS, _LONGEST_LABEL = 20, 5, 80
# Shares of dev and test of each class.
_HELD_OUT = 0.15
_LEAST_LENGTH, _MOST_LENGTH = 10, 400


class Report(NamedTuple):
    """What becomes of the rows of a file.

    Attributes:
        used: Different texts with a label.
        no_text: Rows without a text.
        no_label: Rows with a text and without a label.
        repeated: Rows whose text came before, with the same label.
        contradicting: Rows whose text came before, with another label.
        long: Texts used that have more words than `cleaning.MAX_WORDS`.
        longest: Words of the longest text.
    """

    used: int
    no_text: int
    no_label: int
    repeated: int
    contradicting: int
    long: int
    longest: int

    def describe(self) -> str:
        """Return it in words: how many texts are used, and how many rows are left out for which reason."""
        why = [f"{n:,} {what}" for n, what in (
            (self.no_text, "without a text"), (self.no_label, "without a label"),
            (self.repeated, "repeated"), (self.contradicting, "repeated with another label")) if n]
        left = sum((self.no_text, self.no_label, self.repeated, self.contradicting))
        said = f"{self.used:,} texts are used"
        if left:
            said += f"; {left:,} rows are left out: {', '.join(why)}"
        if self.long:
            have = "has" if self.long == 1 else "have"
            said += (f". {self.long:,} of the texts {have} more than {MAX_WORDS} words (the "
                     f"longest {self.longest:,}): each model reads the beginning, as far as it was made for, and only "
                     "that is attacked and explained")
        return f"{said}."


class Labelled(NamedTuple):
    """The rows of a table that have a text and a label.

    Attributes:
        labels: Names of the classes.
        rows: Text, cleaned, and place of its label in `labels`; of a pair both parts (`parts.join_parts`).
        left_out: Rows without a text, or a part of one, or without a label.
        pair: The two columns of pairs; None of single texts.
    """

    labels: tuple[str, ...]
    rows: list[tuple[str, int]]
    left_out: int
    pair: Pair | None = None


def label_rows(table: Table, text: str | Pair, label: str, names: Mapping[str, str] | None = None) -> Labelled:
    """Return the texts of a table with their classes.

    Args:
        table: The rows.
        text: Column of the texts, or two for pairs.
        label: Column of the labels.
        names: Names of classes, by label; a label that is not in it keeps its own. Labels of the same name, whatever
            their case, are one class.

    Raises:
        BadInput: There is no such column, a name cannot be one, or fewer than two classes are left.
    """
    if not isinstance(table, Table) or not isinstance(names or {}, Mapping):
        raise BadInput("Texts are taken from a table that was read, and labels named by a dictionary.")
    texts, values = clean_texts(table, text), table.values(label)
    if label in (text.columns if isinstance(text, Pair) else (text,)):
        raise BadInput("Texts and labels are in different columns; choose another one for the labels.")
    classes = table.classes(label)
    given = {fold_label(str(value).strip()): name for value, name in (names or {}).items()}
    known = [fold_label(value) for value in classes]
    stray = [str(value) for value in names or {} if fold_label(str(value).strip()) not in known]
    if stray:
        raise BadInput(f"The column {quote(label)} has no label {quote(stray[0])}; there are {list_names(classes)}.")
    called: dict[str, str] = {}
    for value, key in zip(classes, known, strict=True):
        name = given.get(key, value)
        if not isinstance(name, str) or not (name := clean(name)) or len(name) > _LONGEST_LABEL:
            raise BadInput(f"Every class needs a name, of {_LONGEST_LABEL} characters at most; give one to "
                           f"{quote(value)}.")
        called[key] = next((other for other in called.values() if fold_label(other) == fold_label(name)), name)
    labels = tuple(dict.fromkeys(called.values()))
    if len(labels) < 2:
        raise BadInput("Every class needs a name, and there must be two at least.")
    places = {value: labels.index(called[fold_label(value)]) for value in {*values} if value}
    rows = [(cleaned, places[value]) for cleaned, value in zip(texts, values, strict=True) if value and cleaned]
    return Labelled(labels, rows, len(values) - len(rows), text if isinstance(text, Pair) else None)


def match_labels(found: Labelled, wanted: Sequence[str], name: str) -> LabelledTexts:
    """Return texts of a file with the labels of a model in the place of their own.

    Args:
        found: The texts; their labels are named as the model's are, whatever their case.
        wanted: The model's labels, by index; labels that have no names (LABEL_0 and such) are taken by place.
        name: What the texts are called.

    Raises:
        BadInput: A label is none of the model's, or there are no texts.
    """
    places = {fold_label(label): i for i, label in enumerate(wanted)}
    if all(label.lower().startswith("label_") for label in wanted) and len(wanted) == len(found.labels):
        places |= {fold_label(label): i for i, label in enumerate(found.labels)}
    stray = [label for label in found.labels if fold_label(label) not in places]
    if stray:
        raise BadInput(f"The labels of {name} are {list_names(found.labels)}, those of the model {list_names(wanted)}: "
                       f"say which is which, such as --map {stray[0]}={wanted[0]}.")
    if not found.rows:
        raise BadInput(f"{name} holds no texts with labels.")
    parts = {} if found.pair is None else {"parts": found.pair.columns, "attackable": found.pair.attackable}
    examples = [Example(text, places[fold_label(found.labels[label])], f"{name}/file/{i}", **parts)
                for i, (text, label) in enumerate(found.rows)]
    return LabelledTexts(DataSet(name, name, tuple(wanted), "Brought by the user"), "file", examples)


def make_plain_name(file_name: str) -> str:
    """Return a name for a data set: small letters, digits and underscores of a file's name."""
    stem = re.sub(r"[^a-z0-9]+", "_", Path(file_name[-400:]).stem.lower()).strip("_")[:40] or "own"
    return f"own_{stem}" if stem in DATASETS else stem


def report_rows(table: Table, text: str, label: str, names: Mapping[str, str] | None = None) -> Report:
    """Say what `add_dataset` makes of the rows of a table.

    Args:
        table: The rows.
        text: Column of the texts.
        label: Column of the labels.
        names: Label names, as of `label_rows`.

    Raises:
        BadInput: As `label_rows`.
    """
    rows = label_rows(table, text, label, names).rows
    no_text = no_label = 0
    for words, value in zip(table.values(text), table.values(label), strict=True):
        if not clean(words):
            no_text += 1
        elif not value:
            no_label += 1
    found: dict[str, int] = {}
    contradicting = sum(found.setdefault(words, place) != place for words, place in rows)
    lengths = [len(words.split()) for words in found]
    return Report(len(found), no_text, no_label, len(rows) - len(found) - contradicting, contradicting,
                  sum(n > MAX_WORDS for n in lengths), max(lengths, default=0))


def add_dataset(name: str, table: Table, text: str, label: str, names: Mapping[str, str] | None = None, *,
                order: Sequence[str] = (), only_test: bool = False) -> DataSet:
    """Store a table as a data set, with 15 % of each class held out as dev and as many as test.

    Repeated texts count once and rows without a text or label not at all, so that no text lies in two splits.

    Args:
        name: Name in model ids.
        table: The rows.
        text: Column of the texts.
        label: Column of the labels.
        names: Label names, as of `label_rows`.
        order: All classes of the models that shall be measured on it, by index, where its own are among them.
        only_test: Whether all texts become the test split, to be measured on and not to be trained on.

    Returns:
        What is known of it; the same table under the same name is stored once.

    Raises:
        BadInput: The name, a column or a label's name cannot be used, texts are too few, another table has the name, or
            the folder of runs cannot be written.
    """
    known = isinstance(name, str) and name in DATASETS
    if known or not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_]{0,50}", name):
        raise BadInput(f"{quote(name)} cannot name a data set of your own: use small letters, digits and underscores"
                       f"{', and no name of a known one' if known else ''}.")
    labels, rows, *_ = label_rows(table, text, label, names)
    places = {fold_label(wanted): i for i, wanted in enumerate(order)}
    if order and all(fold_label(own) in places for own in labels):
        rows = [(words, places[fold_label(labels[place])]) for words, place in rows]
        labels = tuple(order)
    found: dict[str, int] = {}
    for words, place in rows:
        found.setdefault(words, place)
    if only_test:
        splits: dict[str, list[tuple[str, int]]] = {"test": [*found.items()]}
    else:
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
            raise BadInput(f"The class {quote(name)} has {counts[i]} texts; {_LEAST_OF_CLASS} are the least.")


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
    about = read_json(folder / "about.json")
    return str(about.get("sha256", "")) if isinstance(about, dict) else ""


def _store(folder: Path, splits: Mapping[str, Sequence[tuple[str, int]]], about: Mapping[str, Any]) -> None:
    """Write a data set into a folder that is renamed into place when it is complete; nothing is left where it fails."""
    check_name(folder.name, "data set")
    with explain_failures(check_target(folder), "written"):
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


def remove_dataset(name: str) -> None:
    """Take away a data set that this person brought; models trained on it and stored results stay.

    Raises:
        UnknownName: There is no such data set.
        BadInput: It cannot be removed.
    """
    if name not in list_own():
        raise UnknownName("data set of your own", name, [*list_own()])
    folder = own_data() / check_name(name, "data set")
    with explain_failures(name, "removed"):
        # Without its description it is in no picker, whatever becomes of the rest.
        (folder / "about.json").unlink()
        shutil.rmtree(folder)
