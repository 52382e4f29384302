"""BAE-R (Garg and Ramakrishnan 2020): important words give way to what a masked language model expects there."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import WHOLE_TEXT, CloseSwaps, SwapAttack, list_words, make_careful
from robust_core.attacks.constraints import PartOfSpeech, SentenceSimilarity
from robust_core.attacks.engine.near_ties import settle_likely_words
from robust_core.attacks.engine.requests import Candidate, Fill, Request, Search, Target
from robust_core.attacks.searches.greedy import greedy_fills, rank_by_deletion
from robust_core.attacks.transformations import MASKED, make_blank
from robust_core.registry import param
from robust_core.text import Draft


@ATTACKS.register("bae", title="BAE", source="https://arxiv.org/abs/2004.01970")
@dataclasses.dataclass(frozen=True)
class Bae(SwapAttack):
    """Replace important words by what a masked language model puts in their place, with the same part of speech.

    Differs: masked language model, part of speech and sentence encoder are the packaged ones (the paper has BERT
    base). The encoder's threshold, 0.944, rejects as many of BAE's own swaps as the recipe's 0.936 does under the
    Universal Sentence Encoder.
    Only whole words are offered, as the authors say they do; TextAttack also offers the ends of words ("ing").
    Words get the capitals of those they replace. Stop words are ours, 334 for NLTK's 179 in TextAttack
    (`resources.stopwords`). A masked language model likes the opposite of a word as well as the word: under `careful`
    it chooses among the close swaps only.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(window=WHOLE_TEXT, skip_short=False)
    takes_swaps: ClassVar[bool] = False
    uses = ("stop-words", "masked-model", "parts-of-speech", "sentence-encoder")

    max_candidates: int = param(50, "Words of the masked language model tried per word (paper: 50)", low=1, high=200)
    min_confidence: float = param(0.0, "Lowest probability of such a word (paper: 0)", low=0.0, high=1.0)
    min_text_similarity: float = param(
        0.944, "Lowest cosine of the sentence around a swap to the original one, under MiniLM", low=-1.0, high=1.0)
    window: int = param(15, "Words around a swap that the sentence encoder compares (paper: 15)", low=1, high=100)
    skip_short: bool = param(True, "Let texts shorter than the window pass without the sentence encoder, as TextAttack")
    same_part_of_speech: bool = param(True, "Keep the part of speech; nouns and verbs may stand in for each other")
    masked_model: str = param("minilm", "Masked language model; all but minilm come from Hugging Face", choices=MASKED)

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Rank the words by deletion, then swap greedily."""
        del rng
        draft = target.draft
        close = CloseSwaps(draft) if self.is_careful else None
        positions = None if close is None else [i for i in range(target.reach) if close.at(i)]
        order, over = yield from rank_by_deletion(target, positions)
        if over:
            return Candidate(draft)
        speech = PartOfSpeech(draft) if self.same_part_of_speech else None

        def words_at(current: Draft, position: int) -> Generator[Request, Any, Sequence[str]]:
            filled = yield Fill([make_blank(current, position, position + 1)], self.max_candidates, self.min_confidence)
            (found,) = yield from settle_likely_words(filled)
            words = list_words(close, position, [word for word in found if word != current.words[position]])
            return words if speech is None else speech.keep(position, words)

        sentence = SentenceSimilarity(self.min_text_similarity, self.window, self.skip_short)
        return (yield from greedy_fills(target, order, words_at, sentence, against_original=True,
                                        edit=self.edit))
