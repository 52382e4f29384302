"""Synonyms of a word from counter-fitted vectors, packed: what TextFooler and its kin choose replacements from."""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from robust_core.resources._tables import load_arrays, unpack_words


def neighbours(word: str) -> list[tuple[str, float]]:
    """Return the nearest words of a word in the counter-fitted space.

    Counter-fitting: Mrkšić et al. 2016, https://arxiv.org/abs/1603.00892. Sources and measured quality of the table
    are in NOTICE.md.

    Args:
        word: Any string; it is lower-cased first.

    Returns:
        At most 50 pairs (word, cosine) with cosine >= 0.5, by falling cosine and then by word; never the word
        itself; empty for words that are not in the table. The list is a fresh copy.

    Raises:
        MissingResource: If the table is absent.
    """
    return list(_read_neighbours(word.lower()))


@lru_cache(maxsize=1 << 16)
def _read_neighbours(word: str) -> tuple[tuple[str, float], ...]:
    words, row_of, starts = _read_index()
    row = row_of.get(word)
    if row is None:
        return ()
    table = load_arrays("neighbours.npz", "neighbours")
    span = slice(starts[row], starts[row + 1])
    found = ((words[i], round(float(c), 4))
             for i, c in zip(table["neighbour"][span], read_cosines(table, span), strict=True))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def read_cosines(table: Mapping[str, np.ndarray], span: slice) -> np.ndarray:
    """Return some cosines of a table, stored in bytes: 0 for its lowest (0.5 where it names none), 255 for 1.

    Args:
        table: Arrays of the table's file.
        span: Which entries.
    """
    lowest = float(table["lowest"]) if "lowest" in table else 0.5
    return lowest + table["cosine"][span] / (255 / (1 - lowest))


@lru_cache(maxsize=1)
def _read_index() -> tuple[list[str], dict[str, int], np.ndarray]:
    """Return the vocabulary, the row of each word, and the first entry of each row (one more than rows)."""
    table = load_arrays("neighbours.npz", "neighbours")
    words = unpack_words(table["words"])
    starts = np.concatenate([[0], np.cumsum(table["count"], dtype=np.int64)])
    return words, {word: row for row, word in enumerate(words)}, starts
