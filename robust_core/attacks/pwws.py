"""PWWS (Ren et al. 2019): salient words give way to WordNet synonyms, in the order of what a swap can win."""

import dataclasses
from collections.abc import Generator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import (
    SwapAttack,
    make_careful,
    make_sentence_constraint,
    param_text_similarity,
)
from robust_core.attacks.engine.requests import (
    RANKING,
    Accept,
    Candidate,
    Refine,
    Request,
    Score,
    Scores,
    Search,
    Target,
)
from robust_core.attacks.searches.greedy import EditMaker, greedy_swaps, make_plain_edit, make_swap_candidates
from robust_core.attacks.transformations import list_wordnet_swaps
from robust_core.registry import param
from robust_core.resources import stop_words
from robust_core.text import Edit

UNKNOWN = "[UNK]"


@ATTACKS.register("pwws", title="PWWS", source="https://aclanthology.org/P19-1103")
@dataclasses.dataclass(frozen=True)
class PWWS(SwapAttack):
    """Replace words by WordNet synonyms, first where saliency times the best swap's effect is highest.

    The search is TextAttack's: saliency is the loss with the word unknown, and what a swap can win is the score it
    reaches, where the paper takes differences to the original text. Differs from the paper: no swaps of named entities,
    which need the labels of a whole data set (nor has TextAttack any). Differs from TextAttack: synonyms take the
    capitals of the word they replace, and stop words are ours, 334 for NLTK's 179 (`resources.stopwords`). An unknown
    word is written [UNK], as there; CNN and LSTM read it as unknown, a transformer here reads the letters, since what
    is typed never becomes a special token.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful()
    uses = ("stop-words", "wordnet")

    max_candidates: int = param(
        0, "Synonyms tried per word, usual senses first; 0 tries all (paper: all)", low=0, high=200)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Rank the words by saliency and best swap, then swap greedily."""
        del rng
        draft, stops = target.draft, stop_words()
        positions = [i for i in range(target.reach) if draft.words[i].lower() not in stops
                     and i not in target.locked]
        stored, most = self.find_swaps(draft), self.max_candidates if self.swaps is None else 0
        if stored is not None:
            swaps = {i: tuple(found)[: most or None] for i in positions if (found := stored.at(i))}
        else:
            swaps = {i: list_wordnet_swaps(draft.words[i], self.max_candidates) for i in positions}
        if not any(swaps.values()):
            return Candidate(draft)
        order, over = yield from rank_by_saliency(target, swaps, self.edit)
        if over:
            return Candidate(draft)
        sentence = make_sentence_constraint(self.min_text_similarity)
        return (yield from greedy_swaps(target, order, swaps.__getitem__, sentence, edit=self.edit))


def rank_by_saliency(target: Target, swaps: Mapping[int, Sequence[str]], edit: EditMaker = make_plain_edit
                     ) -> Generator[Request, Any, tuple[list[int], bool]]:
    """Order positions by softmax(loss with the word unknown) times the best score of a swap there.

    Args:
        target: Text and victim.
        swaps: Substitutes by position; a position without any is asked for its saliency only.
        edit: Makes the edit that puts a word at a position.

    Returns:
        (positions that have substitutes, whether the budget is spent)
    """
    draft = target.draft
    hidden: Scores = yield Score([Candidate(draft, (Edit(i, i + 1, (UNKNOWN,)),)) for i in swaps],
                                 trying=RANKING, precise=True)
    yield Accept(None, eligible=len(hidden.value))
    if hidden.over:
        return [], True
    groups = {i: make_swap_candidates(draft, i, words, edit) for i, words in swaps.items() if words}
    scores: Scores = yield Score([c for group in groups.values() for c in group], trying=RANKING)
    yield Accept(None, eligible=len(scores.value))
    if scores.over:
        return [], True
    ends = np.cumsum([len(group) for group in groups.values()])
    place = {i: k for k, i in enumerate(swaps)}
    order = yield from _rank_by_product(
        hidden, [place[i] for i in groups], scores, np.split(np.arange(ends[-1]), ends[:-1])
    )
    positions = list(groups)
    return [positions[k] for k in order], False


def _rank_by_product(hidden: Scores, at: Sequence[int], scores: Scores, groups: Sequence[np.ndarray]
                ) -> Generator[Request, Any, list[int]]:
    """Order groups by exp(saliency) x highest score from high to low, settling whatever is too close to call.

    The sum below the softmax is the same for all and left out.
    """
    while True:
        saliency, doubt = hidden.value[list(at)], hidden.error[list(at)]
        best = np.array([scores.value[group].max() for group in groups])
        lowest = np.array([(scores.value[group] - scores.error[group]).max() for group in groups])
        highest = np.array([(scores.value[group] + scores.error[group]).max() for group in groups])
        product = np.exp(saliency) * best
        top, bottom = np.exp(saliency + doubt) * highest, np.exp(saliency - doubt) * lowest
        near = (bottom[:, None] <= top) & (bottom <= top[:, None])
        np.fill_diagonal(near, False)
        close = np.flatnonzero(near.any(axis=1)).tolist()
        words = [at[k] for k in close if doubt[k] > 0]
        swaps = [int(j) for k in close for j in groups[k]
                 if scores.error[j] > 0 and scores.value[j] + scores.error[j] >= lowest[k]]
        if not words and not swaps:
            return [int(k) for k in np.argsort(-product, kind="stable")]
        hidden = (yield Refine(hidden, words)) if words else hidden
        scores = (yield Refine(scores, swaps)) if swaps else scores
