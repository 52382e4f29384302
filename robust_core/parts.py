"""Texts of two parts, such as a premise and a hypothesis: how they are written as one text, and what an attack sees.

The parts stand in one text with a boundary between them, which is no word and no blank: words, spans, swaps and
explanations of a pair are those of the whole text.
"""

from collections.abc import Sequence
from typing import NamedTuple

# Unicode keeps this code point free for what a program uses inside, so that no text that people write holds it.
BOUNDARY = "\ufdd0"
# How the boundary is shown to people where the parts have no names.
SHOWN = " \u2016 "


class Frame(NamedTuple):
    """What stands around the part of a text that an attack may change: the other part, and the boundary.

    Attributes:
        before: What stands before it.
        after: What stands after it.
    """

    before: str = ""
    after: str = ""

    def put(self, text: str) -> str:
        """Return the whole text with another text in the place that may change."""
        return f"{self.before}{text}{self.after}"

    def take(self, whole: str) -> str:
        """Return what stands in that place; the inverse of `put`."""
        return whole[len(self.before): len(whole) - len(self.after)]


# Around a single text.
NO_FRAME = Frame()


def join_parts(parts: Sequence[str]) -> str:
    """Return parts as one text; `split_parts` gives them back."""
    return BOUNDARY.join(parts)


def split_parts(text: str) -> tuple[str, ...]:
    """Return the parts of a text; a text without a boundary is one part."""
    return tuple(text.split(BOUNDARY))


def has_parts(text: str) -> bool:
    """Return whether a text consists of parts."""
    return BOUNDARY in text


def show_parts(text: str) -> str:
    """Return a text as people read it: a sign in the place of the boundary."""
    return text.replace(BOUNDARY, SHOWN)


def write_plain(text: str) -> str:
    """Return a text as a model of language reads it that knows no pairs: a blank in the place of the boundary."""
    return text.replace(BOUNDARY, " ")
