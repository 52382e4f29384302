"""The fields of a victim file, read one by one: right kinds, known names, one line for what is wrong."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.cleaning import clean
from robust_core.errors import BadInput, list_names, quote, shorten
from robust_core.files import read_json

MOST_FILE = 1_000_000
_LONGEST_LABEL, _MOST_LABELS = 80, 1_000


class Fields:
    """A JSON object whose fields are taken out one by one; `finish` refuses what nobody took.

    Args:
        values: The object.
        where: What it is called in messages.
    """

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, dict):
            raise BadInput(f"{where} must hold an object {{…}}, not {quote(values)}.")
        self.where = where
        self._values, self._taken = values, set[str]()

    def has(self, name: str) -> bool:
        """Return whether a field is there."""
        return name in self._values

    def take(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 (whatever the file holds)
        """Return a field of any kind."""
        self._taken.add(name)
        return self._values.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; one without a default is needed."""
        value = self.take(name, default)
        if value is None:
            raise BadInput(f"{self.where} needs {quote(name)}.")
        if not isinstance(value, str):
            raise BadInput(f"{self.where}: {quote(name)} must be a text, not {quote(value)}.")
        return value

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) \
                or not low <= value <= high:
            raise BadInput(f"{self.where}: {quote(name)} must be a number from {low:g} to {high:g}, "
                           f"not {quote(value)}.")
        return value

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value = self.number(name, default, low, high)
        if value != int(value):
            raise BadInput(f"{self.where}: {quote(name)} must be a whole number, not {quote(value)}.")
        return int(value)

    def texts(self, name: str) -> dict[str, str]:
        """Return an object of texts; empty where the field is missing."""
        value = self.take(name, {})
        if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
            raise BadInput(f"{self.where}: {quote(name)} must be an object of texts, not {quote(value)}.")
        return value

    def choice(self, name: str, default: str, known: Sequence[str]) -> str:
        """Return one of several texts."""
        value = self.text(name, default)
        if value not in known:
            raise BadInput(f"{self.where}: {quote(name)} must be one of {list_names(known)}, not {quote(value)}.")
        return value

    def inner(self, name: str) -> "Fields":
        """Return the fields of an object inside; of a missing one there are none."""
        return Fields(self.take(name, {}), f"{self.where}: {quote(name)}")

    def finish(self) -> None:
        """Refuse fields that nobody took."""
        left = [name for name in self._values if name not in self._taken]
        if left:
            raise BadInput(f"{self.where} has {quote(left[0])}, which means nothing here. Known: "
                           f"{list_names(sorted(self._taken), 160)}.")


def read_fields(path: Path) -> Fields:
    """Read a victim file."""
    return Fields(read_json(path, MOST_FILE), shorten(path.name))


def check_labels(labels: object, where: str) -> tuple[str, ...]:
    """Return the names of a victim's classes, by index.

    Raises:
        BadInput: They are no list of two different short texts or more.
    """
    listed = labels if isinstance(labels, list | tuple) else list(labels) if isinstance(labels, Mapping) else None
    if listed is None or not all(isinstance(label, str) for label in listed):
        raise BadInput(f"{where}: the labels must be a list of names, in the victim's order.")
    named = [clean(label) for label in listed]
    if not 2 <= len(named) <= _MOST_LABELS or not all(0 < len(label) <= _LONGEST_LABEL for label in named):
        raise BadInput(f"{where}: name two classes or more, each with {_LONGEST_LABEL} characters at most.")
    if len({label.casefold() for label in named}) < len(named):
        raise BadInput(f"{where}: two classes have the same name.")
    return tuple(named)
