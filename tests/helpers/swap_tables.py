"""Few swaps in the place of the packaged tables, and one part of speech, so that attacks on doubles are small."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest

from robust_core.attacks import clare, constraints, transformations


@contextmanager
def plant_swaps(patch: pytest.MonkeyPatch, near: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Let words have these neighbours and synonyms alone, and be of one part of speech."""
    tables = (transformations.list_substitutes, transformations.list_wordnet_swaps)
    for table in tables:
        table.cache_clear()
    patch.setattr(transformations, "neighbours", lambda word: [(o, 0.9) for o in near.get(word.lower(), ())])
    patch.setattr(transformations, "synonyms", lambda word: near.get(word.lower(), ()))
    patch.setattr(constraints, "tag", lambda words: ["NOUN"] * len(words))
    patch.setattr(constraints, "tag_swaps", lambda words, position, candidates: ["NOUN"] * len(candidates))
    patch.setattr(clare, "tag", lambda words: ["ADJ"] * len(words))
    yield
    for table in tables:
        table.cache_clear()
