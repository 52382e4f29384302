"""What an attack is after, and which words it must leave alone."""

import re

from robust_core.parts import BOUNDARY
from robust_core.resources import tag
from robust_core.text import Draft

UNTARGETED, MINIMISE = "untargeted", "minimise"
AIMS = (UNTARGETED, MINIMISE)
_DIGIT = re.compile(r"\d")


def find_locked(draft: Draft, words: tuple[str, ...], names: bool, numbers: bool) -> frozenset[int]:
    """Return the positions of a text that must stay.

    Args:
        draft: The text.
        words: Words that stay wherever they stand, in lower case.
        names: Whether words count that are written like names: with a capital inside a sentence that has lower-case
            words too.
        numbers: Whether numbers count, in digits or, as the tagger sees them, in words.
    """
    kept = {i for i, word in enumerate(draft.words) if word.lower() in words}
    if names:
        kept |= {i for i, word in enumerate(draft.words) if _is_name(draft, i)}
    if numbers:
        tags = tag(draft.words)
        kept |= {i for i, word in enumerate(draft.words) if _DIGIT.search(word) or tags[i] == "NUM"}
    return frozenset(kept)


def _is_name(draft: Draft, i: int) -> bool:
    """Return whether a word is written like a name; at the start of a sentence, whether it is elsewhere."""
    word = draft.words[i]
    if not word[:1].isupper() or word == "I" or word.startswith("I'") or draft.text.isupper():
        return False
    if not _starts_sentence(draft, i):
        return True
    return any(other == word and not _starts_sentence(draft, j) for j, other in enumerate(draft.words))


def _starts_sentence(draft: Draft, i: int) -> bool:
    return i == 0 or any(mark in draft.gaps[i] for mark in f".!?:\n\"({BOUNDARY}")
