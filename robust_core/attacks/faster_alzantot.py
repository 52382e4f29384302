"""Faster Alzantot (Jia et al. 2019): Gene with swaps that the original text allows once and for all."""

import dataclasses
import math
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import (
    SwapAttack,
    make_careful,
    make_sentence_constraint,
    param_text_similarity,
)
from robust_core.attacks.engine.near_ties import settle_likely_words
from robust_core.attacks.engine.requests import Fill, Request, Search, Target
from robust_core.attacks.searches.genetic import evolve_alzantot
from robust_core.attacks.searches.population import SearchSpace
from robust_core.attacks.transformations import MASKED, list_cased_substitutes, make_close_blank
from robust_core.registry import param
from robust_core.resources import stop_words


@ATTACKS.register("faster-alzantot", title="Faster Alzantot", source="https://arxiv.org/abs/1909.00986")
@dataclasses.dataclass(frozen=True)
class FasterAlzantot(SwapAttack):
    """Search genetically over neighbours that fit the original text: fixed beforehand, each word swapped once.

    Differs from the paper: neighbours come from the packed table, and the language model is a masked one: it compares
    a neighbour with the word itself in the place of both, the paper's compares the texts of six words on either side.
    Its limit of 5 on the fall of the log-probability is taken over. Stop words stay, and at most 20 % of the words
    change, as in TextAttack. Stop words are ours, 334 for NLTK's 179 (`resources.stopwords`). The search is that of
    Gene, for which see `searches.genetic.evolve`.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(min_word_similarity=0.5)
    recipe_only: ClassVar[tuple[str, ...]] = ("neighbours", "masked-model")
    uses = ("stop-words", "neighbours", "masked-model")

    population: int = param(60, "Members of a population (paper: 60)", low=2, high=1000)
    generations: int = param(40, "Generations (paper: 40)", low=1, high=1000)
    temperature: float = param(0.3, "Divides scores in the draw of parents (TextAttack: 0.3)", low=0.01, high=100.0)
    max_candidates: int = param(8, "Neighbours tried per word (paper: 8)", low=1, high=50)
    min_word_similarity: float = param(
        0.7, "Lowest cosine of a neighbour (paper: squared distance up to 0.5, cosine 0.75 in its vectors; 0.7 leaves "
             "as many neighbours here)", low=0.5, high=1.0)
    max_share: float = param(0.2, "Largest share of words that change, rounded up to whole words (TextAttack: 0.2)",
                             low=0.0, high=1.0)
    max_drop: float = param(5.0, "By how much a swap may lower the log-probability (paper: 5)", low=0.0, high=100.0)
    window: int = param(6, "Words on either side that the language model reads (paper: 6)", low=1, high=100)
    masked_model: str = param("minilm", "Masked language model; all but minilm come from Hugging Face", choices=MASKED)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Find what may be swapped, then start from the text with one word swapped."""
        kept = yield from self._list_allowed(target)
        space = SearchSpace(target, lambda i, word: kept[i], math.ceil(self.max_share * target.reach),
                            sentence=make_sentence_constraint(self.min_text_similarity), edit=self.edit)
        return (yield from evolve_alzantot(space, kept, self.population, self.generations, self.temperature, rng))

    def _list_allowed(self, target: Target) -> Generator[Request, Any, list[Sequence[str]]]:
        """Return for each position the neighbours that are hardly less likely there than the word; none of stop words.

        A swap set, or the close swaps, stand for themselves: what is in them is allowed.
        """
        draft, stops = target.draft, stop_words()
        stored = self.find_swaps(draft)
        if stored is not None:
            return [stored.at(i) for i in range(target.reach)]
        found: list[Sequence[str]] = [
            () if word.lower() in stops else list_cased_substitutes(word, self.max_candidates, self.min_word_similarity)
            for word in draft.words[: target.reach]]
        asked = [i for i, words in enumerate(found) if words]
        if asked:
            blanks = [make_close_blank(draft, i, found[i], self.window) for i in asked]
            filled = yield Fill(blanks, self.max_candidates + 1, drop=self.max_drop)
            rated = yield from settle_likely_words(filled)
            for i, words in zip(asked, rated, strict=True):
                found[i] = [word for word in words if word != draft.words[i]]
        return found
