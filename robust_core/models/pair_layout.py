"""How a tokenizer lays out a pair of texts: its signs before, between and behind the parts, and where each is cut."""

from collections.abc import Callable
from typing import NamedTuple

from robust_core.errors import BadInput


class PairLayout(NamedTuple):
    """The signs of a pair.

    Attributes:
        prefix: Ids before the first part.
        middle: Ids between the parts; nothing else in an input has them.
        suffix: Ids behind the second part.
        segments: Whether the second part, and the sign behind it, lie in a segment of their own.
    """

    prefix: tuple[int, ...]
    middle: tuple[int, ...]
    suffix: tuple[int, ...]
    segments: bool

    def cut(self, first: int, second: int, length: int) -> tuple[int, int]:
        """Return how many pieces of each part are read where an input has room for `length` ids.

        The longer part is cut until both are of one length, then both are.

        Source: the strategy "longest_first" of the library `tokenizers`, which `truncation=True` stands for.
        """
        room = max(length - len(self.prefix) - len(self.middle) - len(self.suffix), 0)
        if first + second <= room:
            return first, second
        short, long = sorted((first, second))
        long = max(short, room - short)
        if short + long > room:
            short, long = room // 2, room - room // 2
        return (short, long) if first <= second else (long, short)


def read_pair_layout(encode: Callable[[str, str], tuple[list[int], list[int]]], bare: list[int],
                     gives_segments: bool) -> PairLayout | None:
    """Return how a tokenizer lays out a pair.

    Args:
        encode: Returns the ids and the segments of a pair with all signs.
        bare: Ids of the text "a" without any.
        gives_segments: Whether the model is told the segments.

    Returns:
        None where it has no sign of its own between the parts, or segments unlike BERT's.
    """
    try:
        ids, types = encode("a", "a")
    except BadInput:
        return None
    n = len(bare)
    places = [i for i in range(len(ids) - n + 1) if n and ids[i: i + n] == bare]
    if len(places) < 2 or places[-1] <= places[0] + n:
        return None
    first, second = places[0], places[-1]
    middle = tuple(ids[first + n: second])
    suffix = tuple(ids[second + n:])
    if {*middle} & {*bare}:
        return None
    if not gives_segments or not any(types):
        return PairLayout(tuple(ids[:first]), middle, suffix, segments=False)
    if any(types[:second]) or {*types[second:]} != {1}:
        return None
    return PairLayout(tuple(ids[:first]), middle, suffix, segments=True)
