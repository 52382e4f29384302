"""Errors a user may see: the UI and the command line show each of them in one plain line."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

LONGEST_MESSAGE, LONGEST_QUOTE, LONGEST_LIST = 300, 80, 120


def shorten(text: str, most: int = LONGEST_QUOTE) -> str:
    """Return a text as one line of at most `most` characters; an ellipsis stands for what is left out."""
    # The head alone is looked at: what was typed may hold many millions of characters.
    head = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return head if len(head) <= most and len(text) <= 4 * most else f"{head[: most - 1].rstrip()}…"


def quote(value: object, most: int = LONGEST_QUOTE) -> str:
    """Return what somebody gave, as it stands in a message: in quotation marks if it is text, and cut."""
    if isinstance(value, str):
        return repr(shorten(value, most))
    try:
        return shorten(repr(value), most)
    except Exception:  # noqa: BLE001 (whatever the repr of a stranger's object does; 5,000 digits, say)
        return f"a value of type {shorten(type(value).__name__, most)}"


def first_sentence(error: Exception) -> str:
    """Return the first sentence of what a library says: the rest may be the thousands of names that it knows."""
    lines = str(error).splitlines()
    return shorten(lines[0].partition(". ")[0].rstrip("."), LONGEST_LIST) if lines else type(error).__name__


def list_names(names: Iterable[str], most: int = LONGEST_LIST) -> str:
    """Return names with commas between, as many as fit, and how many more there are."""
    every, listed = list(names), ""
    for number, name in enumerate(every):
        more = f"{listed}, {shorten(name)}" if listed else shorten(name)
        if listed and len(more) > most:
            return f"{listed} and {len(every) - number:,} more"
        listed = more
    return listed or "none"


class RobustError(Exception):
    """Base of every error whose message is written for the person using the tool: one line, never a long one."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shorten(message, LONGEST_MESSAGE))


class BadInput(RobustError):
    """What was typed, chosen or uploaded cannot be used; the message says why."""


class Incompatible(RobustError):
    """Two parts that exist cannot work together, such as a defence and an architecture."""


class MissingResource(RobustError):
    """Something from outside (weights, a table, a data set) is not here.

    Args:
        what: The missing thing, in a few words.
        how_to_get_it: A command or an instruction that provides it.
    """

    def __init__(self, what: str, how_to_get_it: str) -> None:
        super().__init__(f"{shorten(what, 2 * LONGEST_QUOTE)} is missing. {how_to_get_it}")
        self.what = what
        self.how_to_get_it = how_to_get_it

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        # Exceptions are pickled by their message, which is not what this one is made from.
        return type(self), (self.what, self.how_to_get_it)


class UnknownName(RobustError):
    """No member of a registry or folder has this name; the message lists the known ones, or the nearest of many.

    Args:
        kind: What was looked up, such as "attack" or "model".
        name: The name that was asked for; what is no text has no name either.
        known: The names that exist, in display order.
    """

    def __init__(self, kind: str, name: object, known: Sequence[str]) -> None:
        name = name if isinstance(name, str) else quote(name)
        many = sum(len(each) + 2 for each in known) > LONGEST_LIST
        near = difflib.get_close_matches(name[:LONGEST_QUOTE], known, n=3, cutoff=0.6) if many else []
        about = f"Near: {list_names(near)}" if near else f"Known: {list_names(known)}"
        super().__init__(f"Unknown {kind} {quote(name)}. {about}.")
        self.kind = kind
        self.name = name
        self.known = list(known)

    def __reduce__(self) -> tuple[type, tuple[str, str, list[str]]]:
        return type(self), (self.kind, self.name, self.known)


def to_plain(error: RobustError) -> dict[str, Any]:
    """Return an error as plain data, from which `from_plain` makes the same one in another process."""
    return {"kind": type(error).__name__, "arguments": list(error.__reduce__()[1])}


def from_plain(record: Mapping[str, Any]) -> RobustError:
    """Rebuild an error from the data of `to_plain`, also after a way through JSON."""
    kinds = {kind.__name__: kind for kind in (RobustError, *RobustError.__subclasses__())}
    return kinds[record["kind"]](*record["arguments"])
