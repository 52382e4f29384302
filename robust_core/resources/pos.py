"""Coarse parts of speech (universal tagset): one fast pass over a sentence, and the tags a word can take.

The tagger is linear: a word casts votes for its own tag and for the tags of its neighbours up to two places away.
A first round adds up these votes; two further rounds add votes of the tags that the round before gave to the
neighbours. All tables are learnt from sentences tagged by NLTK's perceptron tagger, because TextFooler's constraint
is defined by that tagger (NOTICE.md has the agreement).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from robust_core.resources._tables import load_arrays, unpack_words

TAGS = ("NOUN", "VERB", "ADJ", "ADV", "PRON", "DET", "ADP", "NUM", "CONJ", "PRT", ".", "X")
OFFSETS = (0, -1, 1, -2, 2)  # whose tag a vote is for, seen from the voting word
EDGE = len(TAGS)  # the tag of what stands before the first and after the last word
LONGEST_SUFFIX = 4
ROUNDS = 2
VOTES = ("own", "near", "votes", "before", "after", "between")  # arrays of votes in the table, each ending in 12


def tag(words: Sequence[str]) -> list[str]:
    """Tag the words of one sentence in context.

    Args:
        words: n words as they stand in the text (case matters, as for NLTK); punctuation may be among them.

    Returns:
        n tags out of `TAGS`.

    Raises:
        MissingResource: If the table is absent.
    """
    if not words:
        return []
    model = _read_model()
    votes = np.stack([_is_edge(), _is_edge(), *map(_count_votes, words), _is_edge(), _is_edge()])  # (n + 4, 5, 12)
    n = len(words)
    # a vote for the tag at offset d is cast by the word that stands d places before it
    scores = sum((votes[2 - d:2 - d + n, k] for k, d in enumerate(OFFSETS)),
                 start=np.zeros((n, len(TAGS)), votes.dtype))  # (n, 12)
    tags = np.full(n + 4, EDGE)
    tags[2:-2] = scores.argmax(1)
    for _ in range(ROUNDS):
        around = model.before[tags[:-4], tags[1:-3]] + model.after[tags[3:-1], tags[4:]]
        tags[2:-2] = (scores + around + model.between[tags[1:-3], tags[3:-1]]).argmax(1)
    return [TAGS[i] for i in tags[2:-2]]


def tag_swaps(words: Sequence[str], position: int, candidates: Sequence[str]) -> list[str]:
    """Tag candidates for one place of a sentence, each as if it stood there.

    Closer to NLTK's own verdict than `tags_of`, which does not know the sentence, and about as fast.

    Args:
        words: The sentence.
        position: Index of the word that a candidate would replace.
        candidates: m single words.

    Returns:
        m tags out of `TAGS`. The other words keep the tags that they have beside the original word.

    Raises:
        MissingResource: If the table is absent.
    """
    if not candidates:
        return []
    model, near = (
        _read_model(),
        [*words[max(position - 4, 0) : position], words[position], *words[position + 1 : position + 5]],
    )
    at = min(position, 4) + 2
    tags = [EDGE, EDGE, *(TAGS.index(name) for name in tag(near)), EDGE, EDGE]
    votes = [_is_edge(), _is_edge(), *map(_count_votes, near), _is_edge(), _is_edge()]
    place = sum(votes[at - d][k] for k, d in enumerate(OFFSETS) if d)  # (12,)
    place = place + model.before[tags[at - 2], tags[at - 1]] + model.after[tags[at + 1], tags[at + 2]]
    place = place + model.between[tags[at - 1], tags[at + 1]]
    own = np.stack([_count_votes(candidate)[0] for candidate in candidates])  # (m, 12)
    return [TAGS[i] for i in (own + place).argmax(1)]


@lru_cache(maxsize=1 << 16)
def tags_of(word: str) -> frozenset[str]:
    """Return the tags that a word can take, the likeliest reading always among them.

    Args:
        word: Any string; it is lower-cased first.

    Returns:
        Tags from the lexicon; for unknown words the one that ending and shape suggest.

    Raises:
        MissingResource: If the table is absent.
    """
    model, lower = _read_model(), word.lower()
    row = model.row_of.get(lower)
    mask = int(model.lexicon[row]) if row is not None else 0
    if not mask:
        return frozenset({TAGS[int(_count_votes(lower)[0].argmax())]})
    return frozenset(name for bit, name in enumerate(TAGS) if mask >> bit & 1)


def is_listed(word: str) -> bool:
    """Return whether a word, lower-cased, stands in the lexicon of the table.

    Raises:
        MissingResource: If the table is absent.
    """
    return word.lower() in _read_model().row_of


def list_words() -> tuple[str, ...]:
    """Return the words of the lexicon in lower case, the most frequent first.

    Raises:
        MissingResource: If the table is absent.
    """
    return tuple(_read_model().row_of)


def rank_word(word: str) -> int:
    """Return how many words of the lexicon are more frequent than a lower-case word; as many as it has for any other.

    Raises:
        MissingResource: If the table is absent.
    """
    known = _read_model().row_of
    return known.get(word, len(known))


def make_features(word: str) -> list[str]:
    """Return the features of a word besides the word itself: endings, and shape where it is remarkable."""
    lower = word.lower()
    found = [f"-{lower[-size:]}" for size in range(1, min(LONGEST_SUFFIX, len(lower) - 1) + 1)]
    if word[:1].isupper():
        found.append("shape:capital")
    if len(word) > 1 and word.isupper():
        found.append("shape:capitals")
    if any(letter.isdigit() for letter in word):
        found.append("shape:digit" if any(letter.isalpha() for letter in word) else "shape:number")
    if not any(letter.isalnum() for letter in word):
        found.append("shape:sign")
    for sign in ("-", "'"):
        if sign in word[1:-1]:
            found.append(f"shape:{sign}")
    return found


class _Model(NamedTuple):
    row_of: dict[str, int]      # lower-case word -> row of the lexicon
    lexicon: np.ndarray         # (words,) uint16, bit k for TAGS[k]
    own: np.ndarray             # (words with own votes, 12): the leading rows of the lexicon
    near: np.ndarray            # (words with votes for others, 4, 12): the leading rows of `own`
    feature_of: dict[str, int]
    votes: np.ndarray           # (features, 5, 12)
    before: np.ndarray          # (13, 13, 12) votes of the two tags before
    after: np.ndarray           # (13, 13, 12) votes of the two tags after
    between: np.ndarray         # (13, 13, 12) votes of the tags on either side


@lru_cache(maxsize=1)
def _read_model() -> _Model:
    table = load_arrays("pos.npz", "pos")
    scale = table["scale"].astype(np.float32)  # votes are stored as int8 in units of this
    real = {name: table[name].astype(np.float32) * scale for name in VOTES}
    return _Model(row_of={word: i for i, word in enumerate(unpack_words(table["words"]))}, lexicon=table["lexicon"],
                  feature_of={name: i for i, name in enumerate(unpack_words(table["features"]))}, **real)


@lru_cache(maxsize=1 << 16)
def _count_votes(word: str) -> np.ndarray:
    """Return all votes of a word, (5, 12)."""
    model = _read_model()
    total = np.zeros((len(OFFSETS), len(TAGS)), dtype=np.float32)
    row = model.row_of.get(word.lower())
    if row is not None and row < len(model.own):
        total[0] += model.own[row]
    if row is not None and row < len(model.near):
        total[1:] += model.near[row]
    for name in make_features(word):
        if name in model.feature_of:
            total += model.votes[model.feature_of[name]]
    return total


def _is_edge() -> np.ndarray:
    return _read_model().votes[_read_model().feature_of["shape:edge"]]
