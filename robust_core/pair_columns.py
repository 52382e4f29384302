"""Pairs of texts in tables: two columns that are classified together."""

from collections.abc import Sequence
from typing import NamedTuple

from robust_core.cleaning import clean
from robust_core.errors import BadInput, list_names, quote
from robust_core.parts import join_parts, write_plain
from robust_core.tables import Table


class Pair(NamedTuple):
    """Two columns that are classified together.

    Attributes:
        columns: The columns, in the order in which models read them.
        attackable: Those that attacks may change.
    """

    columns: tuple[str, str]
    attackable: tuple[str, ...]


def choose_pair(columns: Sequence[str], change: Sequence[str] = ()) -> Pair:
    """Return two columns that are classified together.

    Args:
        columns: The columns, in the order in which models read them.
        change: Those that attacks may change; the second one by default.

    Raises:
        BadInput: They are not two, or there is none of those to be changed.
    """
    if len(columns) != 2 or len({*columns}) != 2 or not all(columns):
        raise BadInput("A pair has two columns with a comma between, such as --pair premise,hypothesis.")
    strange = [name for name in change if name not in columns]
    if strange:
        raise BadInput(f"The pair has no part {quote(strange[0])} that could be changed; it has {list_names(columns)}.")
    chosen = tuple(name for name in columns if name in change) or (columns[1],)
    return Pair((columns[0], columns[1]), chosen)


def clean_texts(table: Table, text: str | Pair) -> list[str]:
    """Return the text of each row; empty where it, or a part of it, is missing."""
    if not isinstance(text, Pair):
        return [clean(words) for words in table.values(text)]
    both = zip(*([clean(write_plain(words)) for words in table.values(column)] for column in text.columns), strict=True)
    return [join_parts(parts) if all(parts) else "" for parts in both]
