"""Token rows of candidates, spliced from the cached ids of single words, so that the tokenizer is off the hot path."""

from typing import Any

from robust_core.attacks.engine.requests import Candidate
from robust_core.text import Draft


class Splice:
    """Token rows of the candidates of one text.

    Falls back to whole texts where words cannot be tokenised one by one.

    Args:
        victim: A classifier of either kind.
        text: The attacked text.
    """

    def __init__(self, victim: Any, text: str) -> None:  # noqa: ANN401 (a classifier of either kind)
        self._victim = victim
        self._base: Draft | None = None
        self._end = 0
        self._flat: tuple[int, ...] = ()
        self._ranges: list[tuple[int, int]] = []
        self.tokens = hasattr(victim, "proba_from_ids")
        self._spliced = False
        if self.tokens and getattr(victim, "separable", True):
            whole = Candidate(Draft.of(text))
            # Rare characters can glue units together; then the real tokenizer reads every candidate of this text.
            self._spliced = self._join(whole) == tuple(victim.text_row(text)) if hasattr(victim, "text_row") else True
            # A deletion moves what lay past the cut into reach; there the two were never compared.
            self._spliced = self._spliced and (getattr(victim, "readable_words", len)(text) >= len(whole.draft.words)
                                               or text.isascii())

    def key(self, candidate: Candidate) -> Any:  # noqa: ANN401 (token row, or text for plain classifiers)
        """Return what the victim is asked for a candidate: a token row or, for a plain classifier, the text."""
        if not self.tokens:
            return candidate.text
        if not candidate.edits and hasattr(self._victim, "text_row"):
            # A whole new text may hold characters that glue words together: the original one said nothing about them.
            return tuple(self._victim.text_row(candidate.text))
        return self._join(candidate) if self._spliced else tuple(self._victim.text_row(candidate.text))

    def _join(self, candidate: Candidate) -> tuple[int, ...]:
        if candidate.base is not self._base:
            self._read(candidate.base)
        row, ids = self._flat, self._victim.unit_ids
        for start, end, new in reversed(candidate.edits):
            first = self._ranges[start][0] if start < len(self._ranges) else self._end
            last = self._ranges[end - 1][1] if end > start else first
            fresh = ids(new[0]) if len(new) == 1 else tuple(t for word in new for t in ids(word))
            row = row[:first] + fresh + row[last:]
        return self._victim.row((row,))

    def _read(self, draft: Draft) -> None:
        flat: list[int] = []
        self._ranges = []
        ids = self._victim.unit_ids
        for gap, word in zip(draft.gaps, draft.words, strict=False):
            flat += ids(gap)
            start = len(flat)
            flat += ids(word)
            self._ranges.append((start, len(flat)))
        self._end = len(flat)
        flat += ids(draft.gaps[-1])
        self._flat, self._base = tuple(flat), draft
