"""Slices: texts that somebody picked, of a data set or of a stored run, written short enough for an address.

`sst2~test~3-5.9~near_the_attack` are the texts 3, 4, 5 and 9 of SST-2's test split, under a name of their own;
`0123456789ab~run~7` is the text 7 of a stored run. Places count as in the ids of examples, from 0.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from robust_core import datasets
from robust_core.datasets import SPLITS, LabelledTexts
from robust_core.errors import BadInput, quote
from robust_core.files import MOST_ROWS
from robust_core.store import ResultStore
from robust_core.types import AttackResult

# What stands in the place of a split where the texts are those of a stored run.
RUN = "run"
# The split of texts that were picked: figures on them are none of the split that they come from.
SPLIT = "slice"
MOST_TEXTS, LONGEST_NAME = 200, 40
_MARK = "~"
_PART = re.compile(r"(\d{1,7})(?:-(\d{1,7}))?")
_RUN_ID = re.compile(r"[0-9a-f]{12}")


class Slice(NamedTuple):
    """Picked texts.

    Attributes:
        source: Name of a data set, or id of a stored run.
        split: train, dev or test, or RUN.
        places: Places of the texts, rising.
        name: What somebody calls them; may be empty.
    """

    source: str
    split: str
    places: tuple[int, ...]
    name: str = ""


def make_slice(source: str, split: str, places: Iterable[int], name: str = "") -> Slice:
    """Return a slice of texts in whatever order, named in one line.

    Args:
        source: Name of a data set, or id of a stored run.
        split: train, dev or test, or RUN.
        places: Places of the texts.
        name: What the slice is called; empty for none.

    Raises:
        BadInput: There are no texts or too many, or the rest names no data set or run.
    """
    if split not in (*SPLITS, RUN) or not source or _MARK in source or (split == RUN and not _RUN_ID.fullmatch(source)):
        raise BadInput(f"{quote(source)} {quote(split)} names no data set and split, and no stored run.")
    found = tuple(sorted(set(places)))
    if not found:
        raise BadInput("A slice needs at least one text.")
    if len(found) > MOST_TEXTS:
        raise BadInput(f"{len(found):,} texts were picked; a slice has {MOST_TEXTS} at most. Pick fewer.")
    if found[0] < 0 or found[-1] >= MOST_ROWS:
        raise BadInput(f"A place of a text must lie between 0 and {MOST_ROWS - 1:,}.")
    return Slice(source, split, found, clean_name(name))


def clean_name(name: str) -> str:
    """Return a name as an address can hold it: one line of at most 40 characters, without the mark between parts."""
    plain = "".join(c if c.isprintable() and c != _MARK else " " for c in name[: 10 * LONGEST_NAME])
    return " ".join(plain.split())[:LONGEST_NAME].rstrip()


def write_slice(chosen: Slice) -> str:
    """Write a slice as one short word; blanks of its name become underscores."""
    parts = [chosen.source, chosen.split, ".".join(_write_places(chosen.places)), chosen.name.replace(" ", "_")]
    return _MARK.join(parts[: 4 if chosen.name else 3])


def is_slice(word: str) -> bool:
    """Return whether a word is meant as what `write_slice` writes: names of data sets have no such mark."""
    return _MARK in word


def read_slice(word: str) -> Slice:
    """Read what `write_slice` wrote.

    Raises:
        BadInput: It is none, or has too many texts.
    """
    parts = word.split(_MARK) if isinstance(word, str) and len(word) <= 10 * MOST_TEXTS else []
    if len(parts) not in (3, 4):
        raise BadInput(f"{quote(word, 60)} is no slice: it needs a data set, a split and places, such as "
                       "reviews~test~3-5.9.")
    return make_slice(parts[0], parts[1], _read_places(parts[2]), parts[3].replace("_", " ") if parts[3:] else "")


def _write_places(places: Sequence[int]) -> Iterator[str]:
    """Yield rising places, neighbours together: 3-5."""
    # Neighbours are those whose place is as far from their number in the row.
    for _, group in itertools.groupby(enumerate(places), lambda pair: pair[1] - pair[0]):
        row = [place for _, place in group]
        yield f"{row[0]}-{row[-1]}" if len(row) > 1 else f"{row[0]}"


def _read_places(text: str) -> Iterator[int]:
    for part in text.split("."):
        found = _PART.fullmatch(part) if part.isascii() else None
        if found is None:
            raise BadInput(f"{quote(text, 60)} gives no places of texts, such as 3-5.9.")
        low, high = int(found[1]), int(found[2] or found[1])
        if not low <= high < low + MOST_TEXTS:
            raise BadInput(f"{quote(part)} is no range of at most {MOST_TEXTS} texts.")
        yield from range(low, high + 1)


def find_place(uid: str) -> int | None:
    """Return the place in the id of an example, `sst2/test/3`; None where it has none."""
    last = uid.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdecimal() and len(last) <= 7 else None


def is_member(chosen: Slice, uid: str, run: str = "") -> bool:
    """Return whether an example is one of a slice's.

    Args:
        chosen: The slice.
        uid: Id of the example.
        run: Id of the run that its result is of; empty for none.
    """
    here = run == chosen.source if chosen.split == RUN else uid.startswith(f"{chosen.source}/{chosen.split}/")
    return here and find_place(uid) in chosen.places


def list_results(chosen: Slice, store: ResultStore, run: str) -> list[AttackResult]:
    """Return the results of a stored run on a slice's texts."""
    return [result for result in store.each(run) if is_member(chosen, result.example.uid, run)]


def load_slice(chosen: Slice, store: ResultStore, data_dir: str | Path | None = None) -> LabelledTexts:
    """Read a slice's texts; their ids are those they have in the data set, their split is SPLIT.

    Args:
        chosen: The slice.
        store: Where its run is, if it is one of a run.
        data_dir: Folder of data sets.

    Raises:
        BadInput: The run is not stored here, or none of the texts is there.
        UnknownName: There is no such data set.
        MissingResource: The data set is not here.
    """
    if chosen.split == RUN:
        run = store.runs().get(chosen.source)
        if run is None:
            raise BadInput(f"The run {quote(chosen.source)} of this slice is not stored here.")
        about = datasets.describe(str(run.data.get("dataset", "")))
        found = {result.example.uid: result.example for result in list_results(chosen, store, chosen.source)}
        examples = list(found.values())
    else:
        about = datasets.describe(chosen.source)
        examples = [example for example in datasets.load(chosen.source, chosen.split, data_dir)
                    if find_place(example.uid) in chosen.places]
    if not examples:
        raise BadInput(f"None of the texts of this slice is in {about.title}: it may have been made from other data.")
    return LabelledTexts(about, SPLIT, examples)


def find_dataset(chosen: Slice, store: ResultStore) -> str:
    """Return the name of the data set that a slice's texts are of; empty where its run is not stored here."""
    if chosen.split != RUN:
        return chosen.source
    run = store.runs().get(chosen.source)
    return str(run.data.get("dataset", "")) if run is not None else ""
