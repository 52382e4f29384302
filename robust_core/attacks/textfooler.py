"""TextFooler (Jin et al. 2020): important words give way to close neighbours of the same part of speech."""

import dataclasses
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import WHOLE_TEXT, SwapAttack, make_careful
from robust_core.attacks.constraints import PartOfSpeech, SentenceSimilarity
from robust_core.attacks.engine.requests import Candidate, Search, Target
from robust_core.attacks.searches.greedy import greedy_swaps, rank_by_deletion
from robust_core.registry import param


@ATTACKS.register("textfooler", title="TextFooler", source="https://arxiv.org/abs/1907.11932")
@dataclasses.dataclass(frozen=True)
class TextFooler(SwapAttack):
    """Replace important words by close counter-fitted neighbours of the same part of speech.

    Differs: neighbours, part of speech and sentence encoder are the packaged ones. The encoder's threshold has the
    rejection rate of the paper's (angular 0.841 for the Universal Sentence Encoder) on published TextFooler steps.
    Words are ranked as in TextAttack, by 1 - p of the label with the word deleted; the paper's formula has a second
    case, in which the rise of the new label is added where the deletion alone flips. Stop words are ours, 334 for the
    release's 266 (`resources.stopwords`).

    Under `careful` only words that have close swaps are ranked, and the whole text is compared with the original one.
    With a given swap set only words that it has swaps for are ranked, and all of them are tried.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(window=WHOLE_TEXT, skip_short=False)
    uses = ("stop-words", "neighbours", "parts-of-speech", "sentence-encoder")

    max_candidates: int = param(50, "Neighbours tried per word (paper: 50)", low=1, high=50)
    min_word_similarity: float = param(
        0.5, "Lowest cosine of a neighbour (the paper says 0.7, its code 0.5)", low=0.5, high=1.0)
    min_text_similarity: float = param(
        0.82, "Lowest cosine of the sentence around a swap, under MiniLM", low=-1.0, high=1.0)
    window: int = param(15, "Words around a swap that the sentence encoder compares (paper: 15)", low=1, high=100)
    skip_short: bool = param(True, "Let texts shorter than the window pass without the sentence encoder, as TextAttack")
    same_part_of_speech: bool = param(True, "Keep the part of speech; nouns and verbs may stand in for each other")

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Rank the words by deletion, then swap greedily."""
        del rng
        draft = target.draft
        stored = self.find_swaps(draft)
        positions = None if stored is None else [i for i in range(target.reach) if stored.at(i)]
        order, over = yield from rank_by_deletion(target, positions)
        if over:
            return Candidate(draft)
        # Under `careful` the swaps have been held to the part of speech already.
        speech = PartOfSpeech(draft) if self.same_part_of_speech and not self.is_careful else None

        def words_at(position: int) -> list[str]:
            return self.list_candidates(stored, speech, position, draft.words[position], self.max_candidates,
                                        self.min_word_similarity)

        sentence = SentenceSimilarity(self.min_text_similarity, self.window, self.skip_short)
        return (yield from greedy_swaps(target, order, words_at, sentence, against_original=self.is_careful,
                                        edit=self.edit))
