"""HotFlip (Ebrahimi et al. 2018): a beam search over swaps that the gradient expects most of."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import SwapAttack, make_careful, make_sentence_constraint, param_text_similarity
from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.engine.near_ties import confirm, find_leader, rank, reaches
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Request,
    Score,
    Scores,
    Search,
    Similarity,
    Target,
)
from robust_core.attacks.engine.word_gradients import ask_gradients
from robust_core.attacks.searches.population import Member, SearchSpace
from robust_core.registry import param


@ATTACKS.register("hotflip", title="HotFlip", source="https://arxiv.org/abs/1712.06751")
@dataclasses.dataclass(frozen=True)
class HotFlip(SwapAttack):
    """Swap one or two words for those that the gradient expects to hurt most, by beam search.

    Needs a model that shows gradients. The attack on words of the paper's section 5, as in TextAttack: cosine 0.8,
    same part of speech, two words, a beam of 10. Differs: the gradient ranks the neighbours that are allowed;
    TextAttack takes the best word of the whole vocabulary for each text of the beam and then asks whether it is
    allowed, which hardly one is. Neighbours and part of speech are the packaged ones. A word of several pieces
    counts as their mean. Stop words are ours, 334 for NLTK's 179 (`resources.stopwords`).
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful()
    white_box: ClassVar[bool] = True
    uses = ("stop-words", "neighbours", "parts-of-speech")

    beam: int = param(10, "Texts that are kept from one swap to the next, and swaps asked for each (paper: 10)",
                      low=1, high=100)
    max_words: int = param(2, "Most words that change (paper: 2)", low=1, high=50)
    max_candidates: int = param(50, "Neighbours tried per word (paper: no limit)", low=1, high=50)
    min_word_similarity: float = param(0.8, "Lowest cosine of a neighbour (paper: 0.8)", low=0.5, high=1.0)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Let a beam of texts take swap after swap."""
        del rng
        space, best = self._make_space(target), Candidate(target.draft)
        members, standing = [Member()], target.standing
        for _ in range(self.max_words):
            members = yield from self._expand(space, members)
            members = yield from self._keep_similar(target, space, members)
            if not members:
                break
            scores: Scores = yield Score([space.candidate(m) for m in members], trying="flips by gradient")
            yield Accept(None, eligible=len(scores.value))
            if not len(scores.value):
                break
            leader, won, scores = yield from find_leader(scores)
            scores = yield from confirm(scores, [leader])
            if won or scores.value[leader] > standing:
                best, standing = space.candidate(members[leader]), float(scores.value[leader])
                yield Accept(best, scores.proba[leader])
            if won or scores.over:
                break
            order, _ = yield from rank(scores)
            members = [members[k] for k in order[: self.beam]]
        return best

    def _make_space(self, target: Target) -> SearchSpace:
        draft = target.draft
        stored = self.find_swaps(draft)
        speech = PartOfSpeech(draft) if not self.is_careful else None

        def near(position: int, word: str) -> Sequence[str]:
            return self.list_candidates(stored, speech, position, word, self.max_candidates, self.min_word_similarity)

        return SearchSpace(target, near, self.max_words, edit=self.edit)

    def _expand(self, space: SearchSpace, members: Sequence[Member]) -> Generator[Request, Any, list[Member]]:
        """Return, of each member, those with one more swap that the gradient expects most of; each text once."""
        found: dict[tuple[tuple[int, str], ...], Member] = {}
        for member in members:
            moves = [(i, new) for i in space.open(member) for new in space.moves(member, i)]
            if not moves:
                continue
            words = dict.fromkeys(new.words[i] for i, new in moves)
            gradients = yield from ask_gradients(space.candidate(member), list(words), self.title)
            gains = [gradients.estimate_gain(i, new.words[i]) for i, new in moves]
            for k in sorted(range(len(moves)), key=lambda k: -gains[k])[: self.beam]:
                found.setdefault(tuple(sorted(moves[k][1].words.items())), moves[k][1])
        return list(found.values())

    def _keep_similar(self, target: Target, space: SearchSpace, members: list[Member]
                      ) -> Generator[Request, Any, list[Member]]:
        sentence = make_sentence_constraint(self.min_text_similarity)
        if sentence is None or not members:
            return members
        figures = yield Similarity([(target.draft.text, space.candidate(member).text) for member in members])
        kept = []
        for k, member in enumerate(members):
            near, figures = yield from reaches(figures, k, sentence.least)
            kept += [member] * near
        return kept
