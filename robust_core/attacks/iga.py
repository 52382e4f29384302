"""IGA (Wang et al. 2019): a genetic algorithm in which parents are cut and spliced, and a word may change again."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import (
    SwapAttack,
    make_careful,
    make_sentence_constraint,
    param_text_similarity,
)
from robust_core.attacks.engine.requests import Search, Target
from robust_core.attacks.searches.genetic import GeneticSettings, evolve
from robust_core.attacks.searches.population import Member, SearchSpace
from robust_core.attacks.transformations import list_cased_substitutes
from robust_core.registry import param


@ATTACKS.register("iga", title="IGA", source="https://arxiv.org/abs/1909.06723")
@dataclasses.dataclass(frozen=True)
class IGA(SwapAttack):
    """Search genetically from every single-word swap; parents are cut at one point, and words may change again.

    Differs from the paper: neighbours come from the packed table, and of the word as it stands, so that a word swapped
    often may drift (as in TextAttack). Differs from TextAttack: the first founder has the first word swapped (there its
    position 0 counts as "none given", and a random word is), no founder asks the same question twice, and words with
    neighbours come first where a text has more words than a population members; stop words are ours, 334 for NLTK's
    179 (`resources.stopwords`). See `searches.genetic.evolve`. Under `careful`, and with a given swap set, a word may
    change again, but only to swaps of the word that stood there first.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(min_word_similarity=0.5)
    uses = ("stop-words", "neighbours")

    population: int = param(60, "Most members of a population (paper: 60)", low=2, high=1000)
    generations: int = param(20, "Generations (paper: 20)", low=1, high=1000)
    temperature: float = param(0.3, "Divides scores in the draw of parents (TextAttack: 0.3)", low=0.01, high=100.0)
    max_candidates: int = param(50, "Neighbours tried per word (paper: no limit; TextAttack: 50)", low=1, high=50)
    min_word_similarity: float = param(
        0.7, "Lowest cosine of a neighbour (paper: squared distance up to 0.5, cosine 0.75 in its vectors; 0.7 leaves "
             "as many neighbours here)", low=0.5, high=1.0)
    max_share: float = param(0.2, "Largest share of words that change, rounded up to whole words as in "
                             "TextAttack (its value: 0.2)", low=0.0, high=1.0)
    max_swaps: int = param(5, "How often a word may change (paper: 5)", low=1, high=100)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Start from the text with each word swapped."""
        stored = self.find_swaps(target.draft)

        def near(position: int, word: str) -> Sequence[str]:
            if stored is not None:
                found = stored.at(position)
                return [target.draft.words[position], *found] if found else []
            return list_cased_substitutes(word, self.max_candidates, self.min_word_similarity)

        def left(member: Member, i: int) -> float:
            return self.max_swaps - member.swapped.get(i, 0)

        space = SearchSpace(target, near, math.ceil(self.max_share * target.reach), self.max_swaps,
                            make_sentence_constraint(self.min_text_similarity),
                            self.edit)
        settings = GeneticSettings(
            space,
            left,
            lambda rng, n: np.arange(n) >= rng.integers(n),
            self.population,
            self.generations,
            self.temperature,
        )
        founders = max(min(self.population, target.reach), 2)
        places = {k: [i] for k, i in enumerate(space.open(Member())[:founders])}
        return (yield from evolve(settings, places, founders, rng))
