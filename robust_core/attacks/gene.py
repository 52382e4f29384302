"""Gene (Alzantot et al. 2018): a genetic algorithm over close neighbours."""

import dataclasses
import math

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.genetic import Breed, evolve
from robust_core.attacks.population import Field, Member
from robust_core.attacks.requests import Search, Target
from robust_core.attacks.textfooler import cased_substitutes
from robust_core.errors import MissingResource
from robust_core.registry import param


@ATTACKS.register("gene", title="Gene", source="https://arxiv.org/abs/1804.07998")
@dataclasses.dataclass(frozen=True)
class Gene(Attack):
    """Let texts with swapped words have children, the fittest most, each word from either parent.

    Differs from the paper: neighbours come from the packed table. As in TextAttack, a word is swapped once, a member
    tries word after word until one swap raises its score (the paper's code tries one), and at most 20 % of the words
    change. See `genetic.evolve` for where TextAttack errs.
    """

    population: int = param(60, "Members of a population (paper: 60)", low=2, high=1000)
    generations: int = param(20, "Generations (paper and TextAttack: 20; Jia et al. 2019: 40)", low=1, high=1000)
    temperature: float = param(
        0.3, "Divides scores in the draw of parents (paper's code and TextAttack: 0.3)", low=0.01, high=100.0)
    max_candidates: int = param(8, "Neighbours tried per word (paper: 8)", low=1, high=50)
    min_word_similarity: float = param(
        0.75, "Lowest cosine of a neighbour (paper: squared distance up to 0.5, cosine 0.75 of unit vectors)",
        low=0.5, high=1.0)
    max_share: float = param(0.2, "Largest share of words that change (paper's experiments: 0.2)", low=0.0, high=1.0)
    keep_likeliest: int = param(
        0, "Of a word's neighbours keep the ones a language model likes best (paper: 4); 0 keeps all, as no language "
           "model is there yet", low=0, high=50)

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Start from the text with one word swapped, drawn by how many neighbours it has."""
        if self.keep_likeliest:
            raise MissingResource("the language model that ranks neighbours", "Leave keep_likeliest at 0.")

        def near(position: int, word: str) -> tuple[str, ...]:
            del position
            return cased_substitutes(word, self.max_candidates, self.min_word_similarity)

        def choice(member: Member, i: int) -> float:
            del member
            return len(near(i, target.draft.words[i]))

        field = Field(target, near, math.ceil(self.max_share * target.reach))
        breed = Breed(field, choice, lambda rng, n: rng.random(n) < 0.5, self.population, self.generations,
                      self.temperature)
        places = dict.fromkeys(range(self.population), field.open(Member()))
        return (yield from evolve(breed, places, self.population, rng))
