"""Judgements as rows: each with all that is needed to score it, written as plain data and read from any table."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from robust_core.errors import BadInput, quote, shorten
from robust_core.judging.items import ORIGINALS, Counts, Item, make_group
from robust_core.tables import Table, fold_label

LONGEST_NAME = 60
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_KINDS = {"adversarial": True, "original": False}
# Where a spreadsheet would take a cell for a formula, the CSV of the app puts an apostrophe before it.
_GUARD = re.compile(r"'(?=[=+@\t\r-])")
_ID = re.compile(r"[0-9a-f]{12}")
_MOST_COUNT = 9


class Judged(NamedTuple):
    """What a judge said of a text.

    Attributes:
        judge: The judge's name.
        says: Name of a label, or UNCLEAR.
        passable: Whether the judge finds it passable English.
        when: Date and time in UTC (ISO 8601), empty where it is not known.
        source: Id of the source that the text was drawn from.
        counts: How often the attack that made the text succeeded there.
        item: The text.
    """

    judge: str
    says: str
    passable: bool
    when: str
    source: str
    counts: Counts
    item: Item

    @property
    def keeps_label(self) -> bool:
        """Whether the judge finds the true label of the original."""
        return fold_label(self.says) == fold_label(self.item.label)


COLUMNS = ("judge", "says", "passable", "when", "kind", "label", "model", "attack", "preset", "text", "original",
           "item", "source", "attempted", "succeeded")


def to_record(judged: Judged) -> dict[str, Any]:
    """Return a judgement as a row: the columns of `COLUMNS`."""
    item = judged.item
    return dict(zip(COLUMNS, (
        judged.judge, judged.says, judged.passable, judged.when, "adversarial" if item.adversarial else "original",
        item.label, *item.group, item.text, item.original, item.id, judged.source, *judged.counts), strict=True))


def read_judgements(table: Table, name: str) -> list[Judged]:
    """Return the judgements of a table that the app wrote, as JSONL or as CSV.

    Args:
        table: The rows.
        name: What the table is called in messages.

    Raises:
        BadInput: A column is missing, or a row is none of a judgement.
    """
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise BadInput(f"{shorten(name)} holds no judgements: the column {missing[0]} is missing. Export them on the "
                       "Judge page.")
    rows = zip(*(table.cells[column] for column in COLUMNS), strict=True)
    return [_read_row(dict(zip(COLUMNS, (_GUARD.sub("", cell, count=1) if cell[:1] == "'" else cell for cell in row),
                               strict=True)), f"Row {number:,} of {shorten(name)}")
            for number, row in enumerate(rows, 1)]


def _read_row(row: Mapping[str, str], where: str) -> Judged:
    kind, passable = row["kind"].lower(), row["passable"].lower()
    if kind not in _KINDS:
        raise BadInput(f"{where}: kind is {' or '.join(_KINDS)}, not {quote(row['kind'])}.")
    if passable not in _TRUE + _FALSE:
        raise BadInput(f"{where}: passable is true or false, not {quote(row['passable'])}.")
    if not row["says"] or not row["label"] or not row["text"]:
        raise BadInput(f"{where} lacks a text, its label, or what the judge says.")
    if not _ID.fullmatch(row["item"]) or not _ID.fullmatch(row["source"]):
        raise BadInput(f"{where}: item and source are twelve hexadecimal digits each.")
    try:
        judge = read_name(row["judge"])
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from None
    counts = read_counts(row["attempted"], row["succeeded"], where)
    group = make_group(row["model"], row["attack"], row["preset"]) if _KINDS[kind] else ORIGINALS
    item = Item(row["item"], row["text"], row["original"] or row["text"], row["label"], _KINDS[kind], group)
    return Judged(judge, row["says"], passable in _TRUE, shorten(row["when"], 40), row["source"], counts, item)


def read_counts(attempted: str, succeeded: str, where: str) -> Counts:
    """Return how often an attack succeeded, as two cells have it; empty ones are 0.

    Raises:
        BadInput: One is no number of texts, or more are flipped than were attacked.
    """
    for cell in (attempted, succeeded):
        if cell and not (cell.isascii() and cell.isdecimal() and len(cell) <= _MOST_COUNT):
            raise BadInput(f"{where}: {quote(cell)} is no number of texts.")
    counts = Counts(int(attempted or 0), int(succeeded or 0))
    if counts.succeeded > counts.attempted:
        raise BadInput(f"{where}: more texts are flipped than were attacked.")
    return counts


def read_name(name: object) -> str:
    """Return a judge's name as it is shown: one line, blanks made single.

    Raises:
        BadInput: It is empty or too long.
    """
    cleaned = " ".join("".join(c if c.isprintable() else " " for c in str(name)[: 10 * LONGEST_NAME]).split())
    cleaned = unicodedata.normalize("NFC", cleaned)
    if not cleaned:
        raise BadInput("A judge needs a name: type one.")
    if len(cleaned) > LONGEST_NAME:
        raise BadInput(f"A judge's name has at most {LONGEST_NAME} characters.")
    return cleaned


def fold_name(name: str) -> str:
    """Return what the spellings of one name have in common: the same judge, whatever the case."""
    return unicodedata.normalize("NFKC", name).casefold()


def keep_latest(judged: Iterable[Judged]) -> list[Judged]:
    """Return the last judgement of each judge on each text; whoever went back has several."""
    found = {(fold_name(each.judge), each.source, each.item.id): each
             for each in sorted(judged, key=lambda each: each.when)}
    return list(found.values())


def list_judges(judged: Iterable[Judged]) -> dict[str, str]:
    """Return the judges: by `fold_name`, as they first wrote their names, in that order."""
    found: dict[str, str] = {}
    for each in judged:
        found.setdefault(fold_name(each.judge), each.judge)
    return found
