"""A2T (Yoo and Qi 2021): words in the order of their gradients give way to close neighbours."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import SwapAttack, make_careful
from robust_core.attacks.constraints import PartOfSpeech, SentenceSimilarity
from robust_core.attacks.engine.requests import Candidate, Search, Target
from robust_core.attacks.searches.greedy import greedy_swaps, rank_by_gradient
from robust_core.cleaning import MAX_WORDS
from robust_core.registry import param
from robust_core.resources import stop_words


@ATTACKS.register("a2t", title="A2T", source="https://arxiv.org/abs/2109.00544")
@dataclasses.dataclass(frozen=True)
class A2T(SwapAttack):
    """Replace the words with the largest gradients by close neighbours: fast enough to train against.

    Needs a model that shows gradients. The search is TextAttack's, whose authors wrote the paper: one gradient ranks
    the words by its l1 norm, and a few words are swapped greedily. Differs: neighbours, part of speech and sentence
    encoder are the packaged ones; its threshold, cosine 0.9 of the whole text under DistilBERT trained on
    STS-benchmark, is taken over for MiniLM as it is. Stop words are ours, 334 for NLTK's 179 (`resources.stopwords`).
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful()
    white_box: ClassVar[bool] = True
    uses = ("stop-words", "neighbours", "parts-of-speech", "sentence-encoder")

    max_candidates: int = param(20, "Neighbours tried per word (paper: 20)", low=1, high=50)
    min_word_similarity: float = param(0.8, "Lowest cosine of a neighbour (paper: 0.8)", low=0.5, high=1.0)
    min_text_similarity: float = param(
        0.9, "Lowest cosine of the whole text to the original one, under MiniLM", low=-1.0, high=1.0)
    max_share: float = param(0.1, "Largest share of words that change, rounded up (paper: 0.1)", low=0.0, high=1.0)
    least_words: int = param(4, "Words that may change in any text, however short (TextAttack: 4)", low=1, high=100)
    same_part_of_speech: bool = param(True, "Keep the part of speech; verbs may not stand in for nouns")

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Rank the words by their gradients, then swap greedily."""
        del rng
        draft, stops = target.draft, stop_words()
        stored = self.find_swaps(draft)
        positions = [i for i in range(target.reach)
                     if (draft.words[i].lower() not in stops if stored is None else stored.at(i))]
        if not positions:
            return Candidate(draft)
        order, _ = yield from rank_by_gradient(target, positions, self.title)
        speech = PartOfSpeech(draft, exact=True) if self.same_part_of_speech and not self.is_careful else None

        def words_at(position: int) -> list[str]:
            return self.list_candidates(stored, speech, position, draft.words[position], self.max_candidates,
                                        self.min_word_similarity)

        most = max(math.ceil(len(draft.words) * self.max_share), self.least_words)
        return (yield from greedy_swaps(target, order, words_at, SentenceSimilarity(
            self.min_text_similarity, MAX_WORDS, skip_short=False), edit=self.edit, most_words=most))
