"""The nearest known word: what a word model reads in the place of a word that is one slip of the keyboard away.

One edit is a letter left out, added, or replaced, or two neighbouring ones exchanged. Known words are found by what is
left of them when a letter is taken out (the symmetric deletions of SymSpell, Garbe 2012): two words within one edit of
each other share such a string, or one is such a string of the other. Likewise two edits and two letters.
"""

import functools
from collections.abc import Iterator

import numpy as np

from robust_core.resources.pos import is_listed, rank_word

# Letters of an unknown word: shorter ones mostly have a known word around by chance.
SHORTEST = 4
# Letters of a word that two slips are looked for in, for the same reason.
SHORTEST_OF_TWO = 7


class Spelling:
    """Known words, to be found from misspelt ones.

    Args:
        words: The words, of one spelling each.
        edits: 1 or 2: how many edits an unknown word of `SHORTEST_OF_TWO` letters may be away; of others one.
    """

    def __init__(self, words: tuple[str, ...], edits: int = 1) -> None:
        self._words, self._edits = words, edits
        self._longest = max(map(len, words), default=0)
        known = [(hash(key), at) for at, word in enumerate(words) for key in self._list_keys(word)]
        keys = np.array([key for key, _ in known], dtype=np.int64)
        order = keys.argsort(kind="stable")
        self._keys, self._at = keys[order], np.array([at for _, at in known], dtype=np.int32)[order]

    def find(self, word: str) -> str | None:
        """Return the known word within one edit of an unknown one, else within two; None where there is none.

        An English word is no slip, whether a model knows it or not: reading "pose" as "rose" costs a CNN a point of
        accuracy on SST-2's dev split. Nor is a number one, or a word of fewer than four letters.

        Of several it is the one that is most frequent in English (`resources.pos`), then the one that stands first
        among the known words.

        Args:
            word: A lower-case word that is not among the known ones.
        """
        if not SHORTEST <= len(word) <= self._longest + self._edits or is_listed(word) or any(map(str.isdigit, word)):
            return None
        wanted = np.array([hash(key) for key in self._list_keys(word)], dtype=np.int64)
        spans = zip(self._keys.searchsorted(wanted), self._keys.searchsorted(wanted, "right"), strict=True)
        # Different strings may share a hash, and two deletions may join words that are further apart.
        near = {at for start, end in spans for at in self._at[start:end].tolist()}
        found = {at for at in near if is_one_edit(word, self._words[at])}
        if not found and self._edits > 1 and len(word) >= SHORTEST_OF_TWO:
            found = {at for at in near if is_two_edits(word, self._words[at])}
        return min((self._rank(at) for at in found), default=(0, 0, None))[2]

    def _list_keys(self, word: str) -> set[str]:
        keys = {word, *_take_out(word)}
        # Two edits make a word of `SHORTEST_OF_TWO` letters shorter by two at most.
        if self._edits > 1 and len(word) >= SHORTEST_OF_TWO - 2:
            keys |= {shorter for key in keys - {word} for shorter in _take_out(key)}
        return keys

    def _rank(self, at: int) -> tuple[int, int, str]:
        word = self._words[at]
        return rank_word(word), at, word


@functools.lru_cache(maxsize=4)
def read_spelling(words: tuple[str, ...]) -> Spelling:
    """Return the spelling of known words, the same for all models that know the same."""
    return Spelling(words)


def is_one_edit(a: str, b: str) -> bool:
    """Return whether one word becomes another by one letter left out, added or replaced, or two exchanged."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1 or a == b:
        return False
    at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    if len(a) < len(b):
        return a[at:] == b[at + 1:]
    return a[at + 1:] == b[at + 1:] or (a[at + 2:] == b[at + 2:] and a[at:at + 2] == b[at:at + 2][::-1])


def is_two_edits(a: str, b: str) -> bool:
    """Return whether one word becomes another by two edits, none of which touches what the other one exchanged.

    Source: optimal string alignment, by the table of all prefixes.
    """
    if abs(len(a) - len(b)) > 2:
        return False
    before, last = [], list(range(len(b) + 1))
    for i in range(1, len(a) + 1):
        row = [i]
        for j in range(1, len(b) + 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1] == 2


def _take_out(word: str) -> Iterator[str]:
    """Yield what is left of a word without one of its letters."""
    return (word[:at] + word[at + 1:] for at in range(len(word)))
