"""Tables with named columns: which column holds the texts and which the labels, and what counts as the same label."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from robust_core.errors import BadInput, list_names, quote

MOST_CLASSES = 50
TEXT_NAMES = ("text", "sentence", "review", "content", "document", "comment", "tweet", "message", "headline", "title")
LABEL_NAMES = ("label", "class", "category", "target", "sentiment", "rating", "stars", "score", "polarity")
NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,15})?", re.ASCII)
# Rows by which the length of a column's texts is told.
_SAMPLE = 1_000


class Table(NamedTuple):
    """A file with named columns.

    Attributes:
        columns: Names of the columns, in the file's order.
        cells: Cells of each column as text, without blanks around them; empty where a row has none.
        header: Whether the first line held the names; None where that cannot be told: it was then read as a row.
    """

    columns: tuple[str, ...]
    cells: Mapping[str, list[str]]
    header: bool | None = True

    def first(self, n: int) -> list[dict[str, str]]:
        """Return the first n rows, by column."""
        return [dict(zip(self.columns, row, strict=True))
                for row in zip(*(self.cells[name][:n] for name in self.columns), strict=True)]

    def guess(self) -> tuple[str, str]:
        """Return the columns that most probably hold the texts and the labels: by name, else by what is in them.

        A column with a single value in all rows is never the one of the labels.
        """
        text = self._named(TEXT_NAMES, self.columns) or max(self.columns, key=self._mean_length)
        return text, self.guess_label([name for name in self.columns if name != text] or [text])

    def guess_label(self, rest: Sequence[str]) -> str:
        """Return which of some columns most probably holds the labels."""
        several = {name: len(found if len(found) > 4 * MOST_CLASSES else {*map(fold_label, found)})
                   for name in rest if len(found := {*self.cells[name]} - {""}) > 1}
        fit = [name for name, count in several.items() if 2 <= count <= MOST_CLASSES]
        named = self._named(LABEL_NAMES, fit)
        return named or min(fit or several or rest, key=lambda name: several.get(name, 0))

    def values(self, column: str) -> list[str]:
        """Return the cells of a column, without blanks around them.

        Raises:
            BadInput: There is no such column.
        """
        if not isinstance(column, str) or column not in self.cells:
            raise BadInput(f"There is no column {quote(column)}; there are {list_names(self.columns)}.")
        return self.cells[column]

    def classes(self, column: str) -> list[str]:
        """Return the distinct labels of a column: numbers by value, other labels by alphabet; see `spellings`.

        Raises:
            BadInput: There is no such column, or there are too few or too many for labels.
        """
        found = self.spellings(column)
        if not 2 <= len(found) <= MOST_CLASSES:
            raise BadInput(f"The column {quote(column)} has {len(found):,} different values; labels have 2 to "
                           f"{MOST_CLASSES}. Choose another column.")
        return sorted(found, key=lambda v: (not NUMBER.fullmatch(v), float(v) if NUMBER.fullmatch(v) else 0.0, v))

    def spellings(self, column: str) -> dict[str, list[str]]:
        """Return how each label is written: those that differ in case, blanks or as 1 and 1.0 do are one label.

        Returns:
            All spellings by the one that stands for them: of numbers the shortest, else the most frequent.
        """
        groups: dict[str, list[str]] = {}
        for value, _ in Counter(self.values(column)).most_common():
            if value:
                groups.setdefault(fold_label(value), []).append(value)
        return {min(group, key=len) if NUMBER.fullmatch(group[0]) else group[0]: group for group in groups.values()}

    def describe_merged(self, column: str) -> str:
        """Return in words which spellings count as one label; empty where each label is written in one way."""
        groups = [group for group in self.spellings(column).values() if len(group) > 1]
        return f"counted as one class: {list_names([' = '.join(group[:4]) for group in groups])}" if groups else ""

    def _named(self, wanted: Sequence[str], among: Iterable[str]) -> str | None:
        known = {name.strip().lower(): name for name in reversed([*among])}
        return next((known[want] for want in wanted if want in known), None)

    def _mean_length(self, column: str) -> float:
        some = self.cells[column][:_SAMPLE]
        return sum(map(len, some)) / len(some)


def fold_label(value: str) -> str:
    """Return what labels that are the same have in common, however they are written."""
    if NUMBER.fullmatch(value):
        return format(float(value) + 0.0, ".15g")
    return " ".join(value.casefold().split())
