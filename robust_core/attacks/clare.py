"""CLARE (Li et al. 2021): a masked language model replaces words, inserts words and merges pairs of words."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.near_ties import confirm, find_highest, reaches, settle_likely_words
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Fill,
    Request,
    Score,
    Scores,
    Search,
    Similarity,
    Target,
)
from robust_core.attacks.transformations import MASKED, make_blank
from robust_core.registry import param
from robust_core.resources import stop_words, tag
from robust_core.text import Draft, Edit

# Which neighbours by part of speech may become one word.
_MERGES = {"NOUN": ("NOUN",), "ADJ": ("NOUN", "NUM", "ADJ", "ADV"), "ADV": ("ADJ", "VERB"),
           "VERB": ("ADV", "VERB", "NOUN", "ADJ"), "DET": ("NOUN", "ADJ"), "PRON": ("NOUN", "ADJ"),
           "NUM": ("NUM", "NOUN")}
# Candidates whose sentence is measured at once, the best first.
_MEASURED = 8


class ClareState(NamedTuple):
    """A text on its way.

    Attributes:
        draft: The text.
        touched: Positions that were changed; each is changed once.
        reach: Positions from here on are left alone.
    """

    draft: Draft
    touched: frozenset[int]
    reach: int

    def after(self, edit: Edit, most: int) -> "ClareState":
        """Return the state after an edit; the victim reads at most `most` words."""
        start, end, new = edit
        by = len(new) - (end - start)
        # An inserted word takes the word behind it along: nothing else is done there.
        mine = {start, start + 1} if start == end else {start}
        moved = {i if i < start else i + by for i in self.touched if not start <= i < end}
        return ClareState(self.draft.apply(edit), frozenset(moved | mine), min(self.reach + by, most))


@ATTACKS.register("clare", title="CLARE", source="https://arxiv.org/abs/2009.07502")
@dataclasses.dataclass(frozen=True)
class Clare(Attack):
    """Replace a word, insert one or merge two, whichever hurts most, as a masked language model would write it.

    Differs: masked language model, part of speech and sentence encoder are the packaged ones (the paper has
    distilled RoBERTa and the Universal Sentence Encoder); the encoder's threshold has the rejection rate of the
    paper's 0.7. Two words are merged only where nothing but a blank is between them and neither was changed before,
    as the paper's "one action a position" has it; TextAttack merges changed words too. Stop words, which are not
    replaced, are ours, 334 for NLTK's 179 in TextAttack (`resources.stopwords`).
    """

    not_careful: ClassVar[str] = "it inserts and merges words, which no stored set of swaps holds"
    uses = ("stop-words", "masked-model", "parts-of-speech", "sentence-encoder")

    max_candidates: int = param(50, "Words of the masked language model tried per place and move (recipe: 50)", low=1,
                                high=200)
    min_confidence: float = param(5e-4, "Lowest probability of a word that replaces one (recipe: 0.0005)", low=0.0,
                                  high=1.0)
    min_insert_confidence: float = param(0.0, "Lowest probability of an inserted word (recipe: 0)", low=0.0, high=1.0)
    min_merge_confidence: float = param(5e-3, "Lowest probability of a word that replaces two (recipe: 0.005)", low=0.0,
                                        high=1.0)
    min_text_similarity: float = param(
        0.60, "Lowest cosine of the sentence around a change to the original one, under MiniLM", low=-1.0, high=1.0)
    window: int = param(15, "Words around a change that the sentence encoder compares (recipe: 15)", low=1, high=100)
    skip_short: bool = param(True, "Let texts shorter than the window pass without the sentence encoder, as TextAttack")
    masked_model: str = param("minilm", "Masked language model; all but minilm come from Hugging Face", choices=MASKED)

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Take the best-scoring move that passes, over all places, until the victim errs or no move is left."""
        del rng
        state, best = ClareState(target.draft, target.locked, target.reach), Candidate(target.draft)
        sentence = SentenceSimilarity(self.min_text_similarity, self.window, self.skip_short)
        while True:
            moves = yield from self._moves(state)
            if not moves:
                return best
            scores: Scores = yield Score(moves, trying="all places")
            chosen, scores = yield from _find_best(
                scores, LazyCandidateConstraint(sentence, target.draft, moves[: len(scores.proba)])
            )
            if chosen is not None:
                best = moves[chosen]
                scores = yield from confirm(scores, [chosen])
                yield Accept(best, scores.proba[chosen])
                state = state.after(best.edits[0], target.reach)
            if chosen is None or scores.over or scores.success[chosen]:
                return best

    def _moves(self, state: ClareState) -> Generator[Request, Any, list[Candidate]]:
        """Return all candidates of one step, sorted by text."""
        draft, stops = state.draft, stop_words()
        free = [i for i in range(state.reach) if i not in state.touched]
        replaced = [(i, i + 1) for i in free if draft.words[i].lower() not in stops]
        plans = ((replaced, self.min_confidence), ([(i, i) for i in free], self.min_insert_confidence),
                 (_list_pairs(draft, free), self.min_merge_confidence))
        edits: list[Edit] = []
        for places, least in plans:
            filled = yield Fill([make_blank(draft, *place) for place in places], self.max_candidates, least)
            offered = yield from settle_likely_words(filled)
            edits += [Edit(start, end, (word,)) for (start, end), words in zip(places, offered, strict=True)
                      for word in words if word != draft.words[start]]
        found = {candidate.text: candidate for candidate in (Candidate(draft, (edit,)) for edit in reversed(edits))}
        found.pop(draft.text, None)
        return [found[text] for text in sorted(found)]


def _list_pairs(draft: Draft, free: Sequence[int]) -> list[tuple[int, int]]:
    """Return the neighbours that may become one word."""
    tags, open_ = tag(draft.words), set(free)
    return [(i, i + 2) for i in free if i + 1 in open_ and draft.gaps[i + 1] == " "
            and tags[i + 1] in _MERGES.get(tags[i], ())]


def _find_best(scores: Scores, gate: "LazyCandidateConstraint") -> Generator[Request, Any, tuple[int | None, Scores]]:
    """Return the best-scoring candidate that passes the sentence constraint, None where none does, and the scores."""
    left = list(range(len(scores.value)))
    while left:
        k, scores = yield from find_highest(scores, left)
        if (yield from gate.passes(k, [j for j in left if j != k], scores)):
            return k, scores
        left.remove(k)
    return None, scores


class LazyCandidateConstraint:
    """The sentence constraint on candidates that changed at places of their own, asked only where it decides.

    As in TextAttack, the windows of both texts lie around the same position, however many words came in before it.

    Args:
        sentence: The constraint.
        original: What texts are compared with.
        candidates: All candidates.
    """

    def __init__(self, sentence: SentenceSimilarity, original: Draft, candidates: Sequence[Candidate]) -> None:
        self._sentence, self._original, self._candidates = sentence, original, candidates
        self._known: dict[int, bool] = {}

    def passes(self, k: int, others: Sequence[int], scores: Scores) -> Generator[Request, Any, bool]:
        """Tell whether candidate k passes; the best of the others are measured along with it."""
        if not self._sentence.measures(self._candidates[k].draft):
            return True
        if k not in self._known:
            next_ = sorted(others, key=lambda j: -scores.value[j])[: _MEASURED - 1] if self._known else []
            new = [j for j in (k, *next_) if j not in self._known]
            figures = yield Similarity([self._sentence.pair(self._original, self._candidates[j].draft,
                                                            self._candidates[j].edits[0].start) for j in new])
            for i, j in enumerate(new):
                self._known[j], figures = yield from reaches(figures, i, self._sentence.least)
            yield Accept(None, eligible=sum(self._known[j] for j in new))
        return self._known[k]
