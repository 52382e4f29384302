"""TextAttack's recipes that exist here only through its own code, as attacks like any other.

Where a recipe leaves NLTK's stop words alone, it leaves ours alone here (`resources.stopwords`).
"""

import dataclasses
from typing import ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.engine.requests import (
    Search,
    Target,
)
from robust_core.attacks.textattack.client import search_in_textattack
from robust_core.attacks.textattack.parts import MASKED_MODEL, need_masked_model
from robust_core.registry import param

# Its process gets our stop words when it starts, for whatever recipe.
THROUGH_TEXTATTACK = ("textattack", "stop-words")


@ATTACKS.register("deepwordbug", title="DeepWordBug", source="https://arxiv.org/abs/1801.04354")
@dataclasses.dataclass(frozen=True)
class DeepWordBug(Attack):
    """Swap, replace, delete or insert a character in important words (at most 30 edits a text).

    TextAttack's recipe and search.
    """

    uses = THROUGH_TEXTATTACK
    search = search_in_textattack


@ATTACKS.register("textbugger", title="TextBugger", source="https://arxiv.org/abs/1812.05271")
@dataclasses.dataclass(frozen=True)
class TextBugger(Attack):
    """Misspell important words, split them, put look-alike characters in, or swap them for close neighbours.

    TextAttack's recipe and search, with the packaged neighbours and sentence encoder. Differs: its threshold (angular
    0.8, cosine 0.81, for the Universal Sentence Encoder) becomes 0.73 under MiniLM, on the line between the two
    calibrated pairs around it (0.70 and 0.60, 0.878 and 0.82); those were measured on windows of 15 words.
    """

    uses = (*THROUGH_TEXTATTACK, "neighbours", "sentence-encoder")
    search = search_in_textattack

    min_text_similarity: float = param(0.73, "Lowest cosine of the whole text to the original, under MiniLM",
                                       low=-1.0, high=1.0)


@ATTACKS.register("bert-attack", title="BERT-Attack", source="https://arxiv.org/abs/2004.09984")
@dataclasses.dataclass(frozen=True)
class BertAttack(Attack):
    """Replace important words by what BERT's masked language model would put there (at most 40 % of the words).

    TextAttack's recipe and search; needs bert-base-uncased in the Hugging Face cache. Differs: its threshold (cosine
    0.2 for the Universal Sentence Encoder) lies far below every calibrated pair and rejects next to nothing; it
    becomes 0 under MiniLM, where the line through these pairs ends.
    """

    uses = (*THROUGH_TEXTATTACK, "masked-model", "sentence-encoder")
    masked = MASKED_MODEL

    min_text_similarity: float = param(0.0, "Lowest cosine of the whole text to the original, under MiniLM",
                                       low=-1.0, high=1.0)

    def rests_on(self) -> dict[str, str]:
        """Return the fingerprint of what its search looks into, if the masked language model is here."""
        need_masked_model()
        return super().rests_on()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Let TextAttack search, if the masked language model is here."""
        need_masked_model()
        return (yield from search_in_textattack(self, target, rng))


@ATTACKS.register("checklist", title="CheckList", source="https://arxiv.org/abs/2005.04118")
@dataclasses.dataclass(frozen=True)
class CheckList(Attack):
    """Write out or contract (it's, it is), and change numbers: what must not matter to a classifier.

    TextAttack's recipe and search. Differs: without CheckList's swaps of names and places, which need flair's model
    of names. Contractions may touch stop words; most texts offer nothing to change.
    """

    uses = THROUGH_TEXTATTACK
    search = search_in_textattack


@ATTACKS.register("pruthi", title="Pruthi et al. (typos)", source="https://arxiv.org/abs/1905.11268")
@dataclasses.dataclass(frozen=True)
class Pruthi(Attack):
    """Make one typing error: swap, drop or double characters inside a word, or hit the next key.

    TextAttack's recipe and search, which is slow on texts of hundreds of words; first and last characters and words
    under four characters stay.
    """

    uses = THROUGH_TEXTATTACK
    search = search_in_textattack

    max_num_word_swaps: int = param(1, "Most misspelt words (paper: 1 and 2)", low=1, high=10)


@ATTACKS.register("input-reduction", title="Input reduction", source="https://arxiv.org/abs/1804.07781")
@dataclasses.dataclass(frozen=True)
class InputReduction(Attack):
    """Drop as many words as possible while the prediction stays: what is left often makes no sense to a reader.

    TextAttack's recipe and search; stop words may go too (its constraint on them does not hold for deletions). Its goal
    is not a flip: "succeeded" means that at least one word could be dropped and the class is still predicted.
    """

    uses = THROUGH_TEXTATTACK
    goal: ClassVar[str] = "reduce"
    search = search_in_textattack
