"""Token rows of candidates, spliced from the cached ids of single words, so that the tokenizer is off the hot path."""

from robust_core.attacks.engine.requests import Candidate
from robust_core.classifiers import prepare_texts
from robust_core.parts import NO_FRAME, Frame, has_parts
from robust_core.protocols import TokenClassifier
from robust_core.text import Draft


class Splice:
    """Token rows of the candidates of one text.

    Where words cannot be tokenised one by one, the tokenizer reads every candidate as a whole; so it does with pairs,
    since how much of one part is read depends on the other.

    Args:
        victim: A classifier that takes token ids.
        text: The attacked text; of a pair the part that may change.
        frame: What stands around it.
    """

    def __init__(self, victim: TokenClassifier, text: str, frame: Frame = NO_FRAME) -> None:
        self._victim, self._frame = victim, frame
        self._base: Draft | None = None
        self._end = 0
        self._flat: tuple[int, ...] = ()
        self._ranges: list[tuple[int, int]] = []
        self._spliced = False
        if victim.separable and not has_parts(frame.put(text)):
            whole = Candidate(Draft.of(text))
            # Rare characters can glue units together; then the real tokenizer reads every candidate of this text.
            self._spliced = self._reads_alike(whole)
            if self._spliced and not text.isascii():
                # What a character between words does to Chinese ones, which stand alone, says nothing about others.
                draft = whole.draft
                self._spliced = self._reads_alike(Candidate(Draft(("a",) * len(draft.words), draft.gaps)))
            # A deletion moves what lay past the cut into reach; there the two were never compared.
            self._spliced = self._spliced and (victim.readable_words(text) >= len(whole.draft.words) or text.isascii())

    def _reads_alike(self, candidate: Candidate) -> bool:
        """Return whether a text's units, one by one, give the row of the whole text."""
        return self._join(candidate) == tuple(self._victim.text_row(candidate.text))

    def row(self, candidate: Candidate) -> tuple[int, ...]:
        """Return the token row that the victim is asked about for a candidate."""
        # A whole new text may hold characters that glue words together: the original one said nothing about them.
        if self._spliced and candidate.edits:
            return self._join(candidate)
        # A whole new text may need the cleaning that the victim does before it judges.
        text = self._frame.put(candidate.text)
        text = text if candidate.edits else prepare_texts(self._victim, [text])[0]
        return tuple(self._victim.text_row(text))

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
