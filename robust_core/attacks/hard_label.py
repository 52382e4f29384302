"""Hard Label (Maheshwary et al. 2021): an attack for victims that give a label and no probabilities."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import NO_THRESHOLD, WHOLE_TEXT, SwapAttack, make_careful, param_text_similarity
from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.engine.requests import Search, Target
from robust_core.attacks.searches.labels import LabelSearch
from robust_core.attacks.searches.population import SearchSpace
from robust_core.registry import param


@ATTACKS.register("hard-label", title="Hard Label", source="https://arxiv.org/abs/2012.14956")
@dataclasses.dataclass(frozen=True)
class HardLabel(SwapAttack):
    """Swap random words until the label flips, then put words back and take closer ones: it reads labels alone.

    The first two of the paper's three steps are its own: random neighbours until the label flips, for one word more
    each time and then for all words up to 2,500 times, as in its code; then original words return, first the one whose
    return makes the text closest. Differs: each word is asked about once (in the paper's code in several rounds). The
    third step, a genetic search there, is a greedy one: each swapped word takes the closest substitute that keeps the
    label flipped, compared in the window of the paper's code. No text is asked about twice. Neighbours, part of speech
    and sentence encoder are the packaged ones. TextAttack has no such recipe. With `aim` "minimise" it looks for a flip
    all the same, since it knows no probability that could be lowered.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(window=WHOLE_TEXT)
    labels_only: ClassVar[bool] = True
    uses = ("stop-words", "neighbours", "parts-of-speech", "sentence-encoder")

    max_starts: int = param(2500, "Most texts with all words swapped at random, until one flips (paper's code: 2500)",
                            low=0, high=1_000_000)
    tries: int = param(10, "Most closer substitutes asked for each swapped word, in each round", low=0, high=50)
    rounds: int = param(3, "Most rounds in which swapped words take closer substitutes", low=0, high=100)
    max_candidates: int = param(50, "Neighbours of a word (paper: 50)", low=1, high=50)
    min_word_similarity: float = param(0.5, "Lowest cosine of a neighbour (paper: 0.5)", low=0.5, high=1.0)
    min_text_similarity: float = param_text_similarity()
    window: int = param(15, "Words around a swap that are compared to choose a substitute (paper's code: 15)", low=1,
                        high=100)
    same_part_of_speech: bool = param(True, "Keep the part of speech; nouns and verbs may stand in for each other")

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Flip the label by random swaps, then make the text closer to the original while it stays flipped."""
        least = None if self.min_text_similarity <= NO_THRESHOLD else self.min_text_similarity
        search = LabelSearch(target, self._make_space(target), least, self.window)
        yield from search.start(rng, self.max_starts)
        yield from search.put_back()
        for _ in range(self.rounds):
            if not (yield from search.come_closer(self.tries)):
                break
            yield from search.put_back()
        return search.best

    def _make_space(self, target: Target) -> SearchSpace:
        draft = target.draft
        stored = self.find_swaps(draft)
        speech = PartOfSpeech(draft) if self.same_part_of_speech and not self.is_careful else None

        def near(position: int, word: str) -> Sequence[str]:
            return self.list_candidates(stored, speech, position, word, self.max_candidates, self.min_word_similarity)

        return SearchSpace(target, near, len(draft.words), edit=self.edit)
