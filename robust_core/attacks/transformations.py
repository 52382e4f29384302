"""Which words may stand in the place of another: neighbours, synonyms, and blanks for a masked language model."""

import functools
from collections.abc import Sequence

from robust_core.resources import neighbours, synonyms
from robust_core.text import Draft, match_case
from robust_core.types import Blank


@functools.lru_cache(maxsize=20_000)
def list_substitutes(word: str, most: int, least: float) -> tuple[str, ...]:
    """Return at most `most` neighbours of a word with cosine >= `least`, closest first."""
    return tuple(other for other, cosine in neighbours(word)[:most] if cosine >= least)


def list_cased_substitutes(word: str, most: int, least: float) -> tuple[str, ...]:
    """Return the same neighbours in the capitals of the word."""
    return tuple(match_case(other, word) for other in list_substitutes(word, most, least))


@functools.lru_cache(maxsize=20_000)
def list_wordnet_swaps(word: str, most: int = 0) -> tuple[str, ...]:
    """Return at most `most` (0: all) synonyms of a word in its capitals, usual senses first."""
    words = dict.fromkeys(match_case(other, word) for other in synonyms(word) if other.lower() != word.lower())
    return tuple(words)[: most or None]


# Any other can be given to `Attack.run`.
MASKED = ("minilm", "bert-base-uncased", "distilroberta-base")


def make_blank(draft: Draft, start: int, end: int) -> Blank:
    """Return a text with a blank for words `[start, end)`; without such words, for a new one before word `start`."""
    at = draft.spans[start].start
    if start == end:
        return Blank(draft.text[:at], " " + draft.text[at:])
    return Blank(draft.text[:at], draft.text[draft.spans[end - 1].end:], draft.words[start])


def make_close_blank(draft: Draft, position: int, words: Sequence[str], window: int) -> Blank:
    """Return the blank for a word and those that may stand for it, with `window` words on either side."""
    start, end = max(position - window, 0), min(position + window, len(draft.words) - 1)
    before = draft.text[draft.spans[start].start: draft.spans[position].start]
    after = draft.text[draft.spans[position].end: draft.spans[end].end]
    return Blank(before, after, draft.words[position], tuple(dict.fromkeys((draft.words[position], *words))))
