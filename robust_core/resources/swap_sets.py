"""Swap sets: which words may stand in for a word, by name or from a file. A certificate in words speaks about one.

`careful` is the stored set that attacks under their preset `careful` choose from, `close` all neighbours with a cosine
of at least 0.7, `wide` all neighbours and all WordNet synonyms: whatever TextFooler and PWWS may put into a text.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from robust_core.errors import BadInput, UnknownName, quote
from robust_core.files import check_path, read_json
from robust_core.resources import fingerprints
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.stopwords import stop_words
from robust_core.resources.swap_table import list_close_swaps
from robust_core.resources.wordnet import synonyms
from robust_core.text import find_words

CLOSE_COSINE = 0.7
NAMES = ("careful", "close", "wide")
# What stands for a set of somebody's file where a name is asked for.
FILE = "file"
# What is put right before a swapped word (`attacks.careful`).
_ARTICLES = {"a": ("an",), "an": ("a",)}
# What the hash of a set is made of, and what else it looks into.
_USES = {"careful": (fingerprints.SWAPS,), "close": ("neighbours",), "wide": ("neighbours", "wordnet")}
_ALSO = {"careful": (), "close": (fingerprints.STOP_WORDS,), "wide": (fingerprints.STOP_WORDS,)}


@dataclasses.dataclass(frozen=True)
class SwapSet:
    """A swap set.

    Attributes:
        name: careful, close or wide, or the name of a file.
        sha256: What it rests on: of a file its own hash, else that of the tables.
        find: Gives the words that may stand in for a lower-case word, themselves in lower case, without the word.
        uses: What it looks into, by the names of `fingerprints.NAMES`; nothing but itself where it comes from a file.
    """

    name: str
    sha256: str
    find: Callable[[str], tuple[str, ...]] = dataclasses.field(compare=False)
    uses: tuple[str, ...] = ()


def read_swap_set(name: str) -> SwapSet:
    """Return a swap set.

    Args:
        name: careful, close or wide; or a JSON file that holds an object, from each word to the list of words that may
            stand in its place. Case does not count. A word of a text is a run of letters and digits with `'`, `-`, `_`,
            `*`, `@` inside (`text.find_words`): entries of several words are refused, since no single word of a text
            could be, or become, one.

    Raises:
        UnknownName: There is no such set, nor a file of that name.
        BadInput: The file is none of swaps.
        MissingResource: A table is absent.
    """
    if name in NAMES:
        tables = fingerprints.describe(_USES[name])
        digest = hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()
        find = {"careful": _find_careful, "close": _find_close, "wide": _find_wide}[name]
        return SwapSet(name, digest, find, (*_USES[name], *_ALSO[name]))
    path = check_path(name, "file of swaps")
    if not path.is_file():
        raise UnknownName("swap set", name, [*NAMES, "a JSON file"])
    return _read_file(path)


def _find_careful(word: str) -> tuple[str, ...]:
    return _ARTICLES.get(word) or list_close_swaps(word)


def _find_close(word: str) -> tuple[str, ...]:
    return () if word in stop_words() else tuple(
        other.lower() for other, cosine in neighbours(word) if cosine >= CLOSE_COSINE)


def _find_wide(word: str) -> tuple[str, ...]:
    if word in stop_words():
        return ()
    found = dict.fromkeys([*(other.lower() for other, _ in neighbours(word)), *(s.lower() for s in synonyms(word))])
    found.pop(word, None)
    return tuple(found)


def _read_file(path: Path) -> SwapSet:
    table = read_json(path)
    if not isinstance(table, dict) or not all(
            isinstance(words, list) and all(isinstance(other, str) for other in words) for words in table.values()):
        raise BadInput(f"{path.name} is no file of swaps: it needs a JSON object, from each word to a list of words.")
    swaps: dict[str, tuple[str, ...]] = {}
    for word, others in table.items():
        lower, *found = (one.lower().strip() for one in (word, *others))
        kept = dict.fromkeys([*swaps.get(lower, ()), *found])
        kept.pop(lower, None)
        kept.pop("", None)
        for one in (lower, *kept):
            if find_words(one) != ((0, len(one)),):
                raise BadInput(f"{path.name} holds {quote(one)}, which is not one word: each swap puts one word in the "
                               "place of one other.")
        swaps[lower] = tuple(kept)
    digest = hashlib.sha256(json.dumps(swaps, sort_keys=True).encode()).hexdigest()
    return SwapSet(path.name, digest, lambda word: swaps.get(word, ()))
