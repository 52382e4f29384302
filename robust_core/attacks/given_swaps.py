"""The words of a swap set that somebody gave (`resources.swap_sets`) as an attack's only candidates.

A certificate in words speaks about all texts that the swaps of a set can make. What is attacked here is a part of
these: single words give way to words of the set in the place of the original word, and nothing else changes.
"""

import abc

from robust_core.resources import stop_words, tag, tag_swaps
from robust_core.resources.swap_sets import SwapSet
from robust_core.text import Draft, match_case


def list_cased_swaps(swap_set: SwapSet, word: str) -> list[str]:
    """Return all that a set lets stand in for a word, in the word's capitals.

    Where capitals would make another word of a swap (as STRASSE of "straße"), it stays in lower case.
    """
    cased = [(match_case(other, word), other) for other in swap_set.find(word.lower())]
    return [capital if capital.lower() == other else other for capital, other in cased]


class PlacedSwaps(abc.ABC):
    """What may stand at each place of a text; stop words stay, as in every attack's recipe.

    Args:
        draft: The original text; it is tagged once, if at all.
        same_part: Whether a swap must be the part of speech, in its place, that the word is.
    """

    def __init__(self, draft: Draft, *, same_part: bool) -> None:
        self._words = draft.words
        self._tags = tag(draft.words) if same_part else None
        self._known: dict[int, list[str]] = {}

    @abc.abstractmethod
    def list_words(self, word: str, part: str) -> list[str]:
        """Return what may stand for a word, in its capitals; its part of speech is empty where nobody asks for it."""

    def at(self, position: int) -> list[str]:
        """Return what may stand at `position`, in the order of its source and in the capitals of the word there."""
        if position not in self._known:
            word, part = self._words[position], self._tags[position] if self._tags is not None else ""
            words = [] if word.lower() in stop_words() else self.list_words(word, part)
            if self._tags is not None:
                found = tag_swaps(self._words, position, words)
                words = [other for other, own in zip(words, found, strict=True) if own == part]
            self._known[position] = words
        return self._known[position]


class GivenSwaps(PlacedSwaps):
    """What a set lets stand at each place of a text.

    Args:
        draft: The original text.
        swap_set: The set.
        same_part: Whether a swap must be the part of speech, in its place, that the word is.
    """

    def __init__(self, draft: Draft, swap_set: SwapSet, *, same_part: bool) -> None:
        super().__init__(draft, same_part=same_part)
        self._swap_set = swap_set

    def list_words(self, word: str, part: str) -> list[str]:
        """Return all that the set lets stand for a word."""
        del part
        return list_cased_swaps(self._swap_set, word)
