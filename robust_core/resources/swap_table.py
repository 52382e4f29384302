"""The set of close swaps: which words may stand in for a word, as one part of speech, without changing what is said.

Attacks under their preset `careful` choose from this set and no other, and certificates in words speak about it: what
is proven is what is attacked. How it was made and judged is in NOTICE.md.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from robust_core.resources._tables import load_arrays, unpack_words

PARTS = ("NOUN", "VERB", "ADJ", "ADV")
FILE, COMMAND = "swaps.npz", "swaps"


@lru_cache(maxsize=1 << 16)
def close_swaps(word: str, pos: str) -> tuple[tuple[str, float], ...]:
    """Return the words that may stand in for a word.

    Args:
        word: Any string; it is lower-cased first.
        pos: NOUN, VERB, ADJ or ADV; other parts of speech have no swaps.

    Returns:
        Pairs (word, cosine in the space of the neighbour table) by falling cosine and then by word. Each has the same
        inflected forms as the word, is neither function word, name, number nor light verb, and is no opposite.

    Raises:
        MissingResource: If the table is absent.
    """
    index = _read_index()
    span = index.span_of.get((word.lower(), pos))
    if span is None:
        return ()
    found = ((index.words[i], round(c / 255.0, 4))
             for i, c in zip(index.swap[span].tolist(), index.cosine[span].tolist(), strict=True))
    return tuple(sorted(found, key=lambda pair: (-pair[1], pair[0])))


def list_close_swaps(word: str) -> tuple[str, ...]:
    """Return the close swaps of a word as any part of speech, in alphabetical order: all that `careful` may put there.

    Raises:
        MissingResource: If the table is absent.
    """
    return tuple(sorted({other for pos in PARTS for other, _ in close_swaps(word, pos)}))


def is_name(word: str) -> bool:
    """Return whether a word, lower-cased, is mostly written with a capital inside sentences.

    Raises:
        MissingResource: If the table is absent.
    """
    return word.lower() in _read_index().names


def begins_with_vowel(word: str) -> bool:
    """Return whether a word of the set takes "an" rather than "a"; of other words, whether they begin with a vowel.

    Raises:
        MissingResource: If the table is absent.
    """
    lower = word.lower()
    odd = lower in _read_index().odd_articles
    return (lower[:1] in tuple("aeiou")) != odd


class _Index(NamedTuple):
    """The table, unpacked.

    Attributes:
        words: Words by row.
        span_of: The entries of a word as a part of speech.
        swap: Row of each entry's word.
        cosine: Each entry's cosine, 0 to 255 for 0 to 1.
        names: Names, lower-cased.
        odd_articles: Words whose first letter does not say whether they take "a" or "an".
    """

    words: list[str]
    span_of: dict[tuple[str, str], slice]
    swap: np.ndarray
    cosine: np.ndarray
    names: frozenset[str]
    odd_articles: frozenset[str]


@lru_cache(maxsize=1)
def _read_index() -> _Index:
    table = load_arrays(FILE, COMMAND)
    words = unpack_words(table["words"])
    ends = np.cumsum(table["count"], dtype=np.int64).tolist()
    keys = zip(table["word"].tolist(), table["part"].tolist(), strict=True)
    span_of = {(words[row], PARTS[part]): slice(start, end)
               for (row, part), start, end in zip(keys, [0, *ends], ends, strict=False)}
    return _Index(words, span_of, table["swap"], table["cosine"], frozenset(unpack_words(table["names"])),
                  frozenset(unpack_words(table["odd_articles"])))
