"""Gene (Alzantot et al. 2018): a genetic algorithm over close neighbours."""

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
from robust_core.attacks.transformations import MASKED, list_cased_substitutes, make_blank
from robust_core.registry import param
from robust_core.resources import stop_words


@ATTACKS.register("gene", title="Gene", source="https://arxiv.org/abs/1804.07998")
@dataclasses.dataclass(frozen=True)
class Gene(SwapAttack):
    """Search genetically over counter-fitted neighbours: fitter texts are crossed word by word more often.

    Differs from the paper: neighbours come from the packed table, and the language model is a masked one that rates
    them once, in the original text (the paper's reads a few words on either side, of the text as it stands). As in
    TextAttack, a word is swapped once, a member tries word after word until one swap raises its score (the paper's
    code tries one), and at most 20 % of the words change. Stop words are ours, 334 for NLTK's 179 in TextAttack
    (`resources.stopwords`). See `searches.genetic.evolve` for where TextAttack errs.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(min_word_similarity=0.5)
    uses = ("stop-words", "neighbours", "masked-model")

    population: int = param(60, "Members of a population (paper: 60)", low=2, high=1000)
    generations: int = param(20, "Generations (paper and TextAttack: 20; Jia et al. 2019: 40)", low=1, high=1000)
    temperature: float = param(
        0.3, "Divides scores in the draw of parents (paper's code and TextAttack: 0.3)", low=0.01, high=100.0)
    max_candidates: int = param(8, "Neighbours tried per word (paper: 8)", low=1, high=50)
    min_word_similarity: float = param(
        0.7, "Lowest cosine of a neighbour (paper: squared distance up to 0.5, cosine 0.75 in its vectors; 0.7 leaves "
             "as many neighbours here)", low=0.5, high=1.0)
    max_share: float = param(0.2, "Largest share of words that change, rounded up to whole words as in "
                             "TextAttack (paper's experiments: 0.2)", low=0.0, high=1.0)
    keep_likeliest: int = param(
        4, "Of a word's neighbours keep those that a language model likes best (paper: 4); 0 keeps all", low=0, high=50)
    masked_model: str = param("minilm", "Masked language model; all but minilm come from Hugging Face", choices=MASKED)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Start from the text with one word swapped, drawn by how many neighbours it has."""
        kept = yield from self._neighbours(target)
        space = SearchSpace(target, lambda i, word: kept[i], math.ceil(self.max_share * target.reach),
                            sentence=make_sentence_constraint(self.min_text_similarity),
                            edit=self.edit)
        return (yield from evolve_alzantot(space, kept, self.population, self.generations, self.temperature, rng))

    def _neighbours(self, target: Target) -> Generator[Request, Any, list[Sequence[str]]]:
        """Return for each position the neighbours that fit there; a word is swapped once, so the text is the original.

        Stop words keep theirs unrated: they are never swapped.
        """
        draft, stops = target.draft, stop_words()
        stored = self.find_swaps(draft)
        found: list[Sequence[str]] = [
            stored.at(i) if stored else list_cased_substitutes(word, self.max_candidates, self.min_word_similarity)
            for i, word in enumerate(draft.words[: target.reach])]
        most = self.keep_likeliest
        many = [i for i, words in enumerate(found) if 0 < most < len(words) and draft.words[i].lower() not in stops]
        if many:
            filled = yield Fill([make_blank(draft, i, i + 1)._replace(among=tuple(found[i])) for i in many], most)
            rated = yield from settle_likely_words(filled)
            for i, words in zip(many, rated, strict=True):
                found[i] = words
        return found
