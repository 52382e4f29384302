"""Words and characters: word spans, edits, alignment and diff.

A word is what may be attacked and explained: a run of letters, digits, and inner `'`, `-`, `_`, `*`, `@`.
What stands between two words (blanks, punctuation) is a gap. `Draft` keeps both, so that a text can be edited
word by word and written out again without touching anything else.
"""

import dataclasses
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from robust_core.parts import BOUNDARY, split_parts

_WORD = re.compile(r"[\w'\-*@]+")
_EDGE = "'-_*@"
_CLITIC = re.compile(r"(n't|'(?:s|re|ve|ll|d|m))$")
_PIECE = re.compile(r"[a-z0-9']+")


class Span(NamedTuple):
    """A half-open character range of a text."""

    start: int
    end: int


class Swap(NamedTuple):
    """One word of the original text and what stands in its place: `[start, end)` refers to the original text."""

    start: int
    end: int
    old: str
    new: str


def find_words(text: str) -> tuple[Span, ...]:
    """Return the character range of every word, in order."""
    spans = []
    for match in _WORD.finditer(text):
        found = match.group()
        start = match.start() + len(found) - len(found.lstrip(_EDGE))
        end = match.end() - (len(found) - len(found.rstrip(_EDGE)))
        if start < end:
            spans.append(Span(start, end))
    return tuple(spans)


def split_word(word: str) -> list[str]:
    """Split one word as the word models read it: lower case, no accents, no hyphens, clitics apart.

    `won't` -> wo n't; `Bug-eyed` -> bug eyed; `it's` -> it 's.
    """
    plain = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if unicodedata.category(c) != "Mn")
    pieces = []
    for part in _PIECE.findall(plain):
        match = _CLITIC.search(part)
        if match and match.start():
            pieces += [part[: match.start()], match[0]]
        elif part.strip("'"):
            pieces.append(part.strip("'") if not match else part)
    return pieces


class Edit(NamedTuple):
    """Words `[start, end)` give way to `new`: a swap, a merge, a deletion (no new words), an insertion (no old)."""

    start: int
    end: int
    new: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Draft:
    """A text as words and the gaps around them: gaps[0] words[0] gaps[1] ... words[-1] gaps[-1].

    Args:
        words: (n,) words.
        gaps: (n + 1,) what stands before, between and after them.
        beside: Words of the other part of a pair, where this is the one that may change.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]
    beside: int = 0

    @classmethod
    def of(cls, text: str) -> "Draft":
        """Split a text; `Draft.of(text).text == text`."""
        words, gaps, last = [], [], 0
        for start, end in find_words(text):
            gaps.append(text[last:start])
            words.append(text[start:end])
            last = end
        return cls(tuple(words), (*gaps, text[last:]))

    @functools.cached_property
    def text(self) -> str:
        """The text, written out."""
        parts = [self.gaps[0]]
        for word, gap in zip(self.words, self.gaps[1:], strict=True):
            parts.append(word)
            parts.append(gap)
        return "".join(parts)

    @functools.cached_property
    def spans(self) -> tuple[Span, ...]:
        """Character range of each word in `text`."""
        spans, at = [], 0
        for gap, word in zip(self.gaps, self.words, strict=False):
            at += len(gap)
            spans.append(Span(at, at + len(word)))
            at += len(word)
        return tuple(spans)

    def apply(self, edit: Edit) -> "Draft":
        """Return the draft with one edit made; a deleted word takes one blank with it."""
        start, end, new = edit
        before, after = self.gaps[start], self.gaps[end]
        if new and start == end and start < len(self.words):
            after = " "
        elif new and start == end:
            before, after = (" ", after) if self.words else (before, "")
        if new:
            gaps = (before, *([" "] * (len(new) - 1)), after)
        elif start == 0:
            gaps = (before + after.removeprefix(" "),)
        else:
            gaps = (before.removesuffix(" ") + after,)
        return Draft(self.words[:start] + new + self.words[end:], self.gaps[:start] + gaps + self.gaps[end + 1:],
                     self.beside)

    def window(self, centre: int, size: int) -> str:
        """Return the text of at most `size` words around word `centre`, without the outer gaps.

        Source: the window of TextAttack's `text_window_around_index`: half of it before the word, the rest after,
        shifted inwards at the ends.
        """
        if len(self.words) <= size:
            start, end = 0, len(self.words)
        else:
            start = min(max(centre - size // 2, 0), len(self.words) - size)
            end = start + size
        between = (piece for i in range(start, end - 1) for piece in (self.words[i], self.gaps[i + 1]))
        return "".join((*between, *self.words[max(start, end - 1): end]))


def match_case(word: str, like: str) -> str:
    """Give `word` the capitals of `like`: lower, UPPER or Title; anything else leaves it alone."""
    if like.islower():
        return word.lower()
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like[:1].isupper() and (len(like) == 1 or like[1:].islower()):
        return word[:1].upper() + word[1:]
    return word


def align(a: Sequence[str], b: Sequence[str]) -> list[tuple[int | None, int | None]]:
    """Pair the words of two texts: swapped words share a pair, deleted and inserted ones stand alone.

    Args:
        a: Words of the first text.
        b: Words of the second text.

    Returns:
        Pairs of positions in order; None on the side where a word is absent. Words are compared without case; of
        all pairings with the fewest edits the one with most equal words is taken.
    """
    a, b = [w.lower() for w in a], [w.lower() for w in b]
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    middle_a, middle_b = a[head: len(a) - tail], b[head: len(b) - tail]
    pairs: list[tuple[int | None, int | None]] = [(i, i) for i in range(head)]
    pairs += [(None if i is None else i + head, None if j is None else j + head)
              for i, j in _find_fewest_edits(middle_a, middle_b)]
    return pairs + [(len(a) - tail + k, len(b) - tail + k) for k in range(tail)]


def _find_fewest_edits(a: list[str], b: list[str]) -> list[tuple[int | None, int | None]]:
    """Align by dynamic programming; cost is (edits, unequal pairs) so that ties prefer equal words."""
    if len(a) == len(b):
        unequal = sum(x != y for x, y in zip(a, b, strict=True))
        # No alignment has fewer edits than words of `a` that `b` lacks; mere swaps, the usual case, need no table.
        if unequal == sum((Counter(a) - Counter(b)).values()):
            return [(i, i) for i in range(len(a))]
    rows, columns = len(a) + 1, len(b) + 1
    cost = [[(0, 0)] * columns for _ in range(rows)]
    for i in range(rows):
        for j in range(columns):
            options = []
            if i and j:
                same = a[i - 1] == b[j - 1]
                edits, unequal = cost[i - 1][j - 1]
                options.append((edits + (not same), unequal + (not same)))
            if i:
                options.append((cost[i - 1][j][0] + 1, cost[i - 1][j][1]))
            if j:
                options.append((cost[i][j - 1][0] + 1, cost[i][j - 1][1]))
            cost[i][j] = min(options, default=(0, 0))
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(a), len(b)
    while i or j:
        here = cost[i][j]
        if i and j:
            same = a[i - 1] == b[j - 1]
            edits, unequal = cost[i - 1][j - 1]
            if here == (edits + (not same), unequal + (not same)):
                i, j = i - 1, j - 1
                pairs.append((i, j))
                continue
        if i and here == (cost[i - 1][j][0] + 1, cost[i - 1][j][1]):
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def align_texts(a: str, b: str) -> list[tuple[int | None, int | None]]:
    """Pair the words of two texts as `align` does; of pairs of texts those of each part (`robust_core.parts`)."""
    first, second = split_parts(a), split_parts(b)
    if len(first) != len(second):
        first, second = (a,), (b,)
    pairs: list[tuple[int | None, int | None]] = []
    before_a = before_b = 0
    for x, y in zip(first, second, strict=True):
        words_a, words_b = Draft.of(x).words, Draft.of(y).words
        pairs += [(None if i is None else i + before_a, None if j is None else j + before_b)
                  for i, j in align(words_a, words_b)]
        before_a, before_b = before_a + len(words_a), before_b + len(words_b)
    return pairs


def diff(original: str, perturbed: str) -> tuple[Swap, ...]:
    """List the words that differ, as swaps; a deletion has no new word, an insertion no old word and an empty range."""
    a, b = Draft.of(original), Draft.of(perturbed)
    second, end = original.find(BOUNDARY) + len(BOUNDARY), perturbed.find(BOUNDARY)
    swaps, last = [], 0
    for i, j in align_texts(original, perturbed):
        if i is None:
            if end >= 0 and b.spans[j or 0].start > end:
                last = max(last, second)
            swaps.append(Swap(last, last, "", b.words[j or 0]))
            continue
        last = a.spans[i].end
        new = b.words[j] if j is not None else ""
        if a.words[i] != new:
            swaps.append(Swap(*a.spans[i], a.words[i], new))
    return tuple(swaps)
