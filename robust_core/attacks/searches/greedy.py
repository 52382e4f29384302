"""Greedy search in the order of word importance, shared by the attacks that rank words first.

Constraints are a conjunction, so the cheap question may go first as long as the choice stays that of TextAttack's
GreedyWordSwapWIR: candidates sorted by text, then stably by falling score; the first that passes the constraint wins.
"""

import dataclasses
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.near_ties import beats, confirm, find_highest, rank, reaches
from robust_core.attacks.engine.requests import (
    CANONICAL,
    RANKING,
    Accept,
    Candidate,
    Estimates,
    Refine,
    Request,
    Score,
    Scores,
    Search,
    Target,
    measure_value,
)
from robust_core.attacks.engine.word_gradients import ask_gradients
from robust_core.resources import stop_words
from robust_core.text import Draft, Edit


def rank_by_deletion(target: Target, positions: Sequence[int] | None = None
                     ) -> Generator[Request, Any, tuple[list[int], bool]]:
    """Order positions by how much deleting the word there raises the loss.

    Args:
        target: Text and victim.
        positions: Positions to order; None takes those of all words but stop words.

    Returns:
        (positions, whether the budget is spent); the positions that the budget left unscored are missing.
    """
    draft, stops = target.draft, stop_words()
    if positions is None:
        positions = [i for i in range(target.reach) if draft.words[i].lower() not in stops]
    positions = [i for i in positions if i not in target.locked]
    if not positions:
        return [], False
    deletions = [Candidate(draft, (Edit(i, i + 1, ()),)) for i in positions]
    # Most deletions change little, so that nearly all of them would have to be told apart again after a screening.
    scores: Scores = yield Score(deletions, trying=RANKING, precise=True)
    yield Accept(None, eligible=len(scores.proba))
    order, scores = yield from rank(scores)
    return [positions[k] for k in order], scores.over


def rank_by_gradient(target: Target, positions: Sequence[int], method: str
                     ) -> Generator[Request, Any, tuple[list[int], bool]]:
    """Order positions by the l1 norm of the loss's gradient at the word there; of equal ones the first.

    Args:
        target: Text and victim.
        positions: Positions to order.
        method: What needs the gradients, for messages.

    Returns:
        (positions, False: a gradient costs no query)
    """
    positions = [i for i in positions if i not in target.locked]
    if not positions:
        return [], False
    gradients = yield from ask_gradients(Candidate(target.draft), (), method)
    size = np.abs(gradients.rows).sum(axis=1)
    return sorted(positions, key=lambda i: -size[i] if i < len(size) else 0.0), False


EditMaker = Callable[[Draft, int, str], Edit]


def make_plain_edit(draft: Draft, position: int, word: str) -> Edit:
    """Return the edit that puts a word at `position` and nothing else."""
    del draft
    return Edit(position, position + 1, (word,))


def make_swap_candidates(draft: Draft, position: int, words: Sequence[str], edit: EditMaker = make_plain_edit
                         ) -> list[Candidate]:
    """Return the candidates that put each of `words` at `position`, sorted by text."""
    tail = draft.text[draft.spans[position].end:]
    edits = [edit(draft, position, word) for word in dict.fromkeys(words)]
    # What stands before the first changed word is the same for all but those whose article changes as well.
    article = draft.words[position - 1] + draft.gaps[position] if any(e.start < position for e in edits) else ""

    def write(one: Edit) -> str:
        return (" ".join(one.new) if one.start < position else article + one.new[0]) + tail

    return [Candidate(draft, (one,)) for one in sorted(edits, key=write)]


def greedy_swaps(target: Target, order: Sequence[int], words_at: Callable[[int], Sequence[str]],
                 sentence: SentenceSimilarity | None, *, against_original: bool = True,
                 edit: EditMaker = make_plain_edit, most_words: int | None = None) -> Search:
    """Swap words as `greedy_fills` does, where the substitutes of a word do not depend on the text around it."""
    def known(draft: Draft, position: int) -> Generator[Request, Any, Sequence[str]]:
        del draft
        yield from ()
        return words_at(position)

    return greedy_fills(target, order, known, sentence, against_original=against_original, edit=edit,
                        most_words=most_words)


def greedy_fills(target: Target, order: Sequence[int],
                 words_at: Callable[[Draft, int], Generator[Request, Any, Sequence[str]]],
                 sentence: SentenceSimilarity | None, *, against_original: bool = True,
                 edit: EditMaker = make_plain_edit, most_words: int | None = None) -> Search:
    """Swap one word after the other, each for the best that passes, until the victim errs.

    Args:
        target: Text and victim.
        order: Positions to try.
        words_at: Asks for the substitutes for a position of the text as it stands that meet the constraints on words.
        sentence: The constraint on the sentence, asked last and only where it decides; None where there is none.
        against_original: Whether the sentence is compared with the original text rather than the previous one.
        edit: Makes the edit that puts a word at a position.
        most_words: Most words that are swapped; None sets no limit.
    """
    current, standing, swapped = Candidate(target.draft), Incumbent.of(target), 0
    for position in order:
        if swapped == most_words:
            break
        draft = current.draft
        candidates = make_swap_candidates(draft, position, (yield from words_at(draft, position)), edit)
        if not candidates:
            continue
        scores: Scores = yield Score(candidates, trying=draft.words[position])
        if sentence is None:
            yield Accept(None, eligible=len(scores.proba))
        reference = target.draft if against_original else draft
        gate = LazySentenceConstraint(sentence, reference, candidates[: len(scores.proba)], position)
        chosen, scores = yield from choose_swap(scores, standing, gate)
        if chosen is not None:
            scores = yield from confirm(scores, [chosen])
            current, standing.scores, standing.index = candidates[chosen], scores, chosen
            swapped += 1
            yield Accept(current, scores.proba[chosen])
            if scores.success[chosen]:
                return current
        if scores.over:
            break
    return current


@dataclasses.dataclass
class Incumbent:
    """The figure of the text as it stands, which a better one must beat.

    Args:
        scores: The answer it came with.
        index: Its place there.
    """

    scores: Scores
    index: int

    @classmethod
    def of(cls, target: Target) -> "Incumbent":
        """Return the standing of the original text, whose probabilities are canonical."""
        proba, zero = target.before[None], np.zeros(1)
        value = measure_value(proba, target.reference_label, target.wanted_label)
        return cls(Scores(value, zero, zero, np.full(1, CANONICAL), np.zeros(1, int), [target.draft.text], proba,
                          target.reference_label, False, np.zeros(1, bool)), 0)


class LazySentenceConstraint:
    """The sentence constraint on one position's candidates, asked only where it decides.

    Args:
        sentence: The constraint, if there is one.
        reference: What texts are compared with.
        candidates: All candidates.
        position: The changed word.
    """

    def __init__(self, sentence: SentenceSimilarity | None, reference: Draft, candidates: Sequence[Candidate],
                 position: int) -> None:
        self._sentence, self._reference, self._candidates = sentence, reference, candidates
        self._position = position
        self._known: dict[int, tuple[Estimates, int]] = {}
        self.measures = sentence is not None and sentence.measures(reference)

    def passes(self, k: int, ahead: Callable[[int], Sequence[int]]) -> Generator[Request, Any, bool]:
        """Tell whether candidate k passes.

        Args:
            k: The candidate.
            ahead: Gives the candidates that are likely to be asked for next, k first, from the number asked so far.
        """
        if self._sentence is None or not self.measures:
            return True
        if k not in self._known:
            new = [j for j in ahead(len(self._known)) if j not in self._known]
            figures = yield from self._sentence.measure(
                self._reference, [self._candidates[j] for j in new], self._position)
            passed = 0
            for i in range(len(new)):
                enough, figures = yield from reaches(figures, i, self._sentence.least)
                passed += enough
            self._known.update({j: (figures, i) for i, j in enumerate(new)})
            yield Accept(None, eligible=passed)
        figures, i = self._known[k]
        return bool(figures.value[i] >= self._sentence.least)

    def most_similar(self, passing: Sequence[int], scores: Scores) -> Generator[Request, Any, tuple[int, Scores]]:
        """Return the most similar of candidates that passed, the better score first on equality, and the scores."""
        best = passing[0]
        for k in passing[1:] if self.measures else ():
            mine, others = self._known[k], self._known[best]
            closer, one, other = yield from beats(*mine, *others)
            self._known[k], self._known[best] = (one, mine[1]), (other, others[1])
            if not closer and one.value[mine[1]] == other.value[others[1]]:
                best, scores = yield from find_highest(scores, sorted((k, best)))
            elif closer:
                best = k
        return best, scores


def choose_swap(
    scores: Scores, standing: Incumbent, gate: LazySentenceConstraint
) -> Generator[Request, Any, tuple[int | None, Scores]]:
    """Pick the best candidate that passes the sentence constraint and beats the text as it stands.

    Among successes the most similar is taken (the first on equality), looking down the passing candidates until one
    does not succeed.

    Returns:
        (its index or None where the word stays, the scores as they were settled)
    """
    unsure = np.flatnonzero(scores.unsure).tolist()
    while unsure:
        scores = yield Refine(scores, unsure)
        unsure = np.flatnonzero(scores.unsure).tolist()
    left, chosen = list(range(len(scores.value))), list[int]()
    while left:
        # Where similarity decides among successes, their own order does not matter.
        rivals = ~scores.success if gate.measures and scores.success[left[int(scores.value[left].argmax())]] else None
        k, scores = yield from find_highest(scores, left, rivals)
        if not chosen:
            better, scores, standing.scores = yield from beats(scores, k, standing.scores, standing.index)
            if not better:
                return None, scores
        if (yield from gate.passes(k, functools.partial(_look_ahead, scores, left, k))):
            if not gate.measures or not scores.success[k]:
                return (k, scores) if not chosen else (yield from gate.most_similar(chosen, scores))
            chosen.append(k)
        left.remove(k)
    return (yield from gate.most_similar(chosen, scores)) if chosen else (None, scores)


def _look_ahead(scores: Scores, left: Sequence[int], k: int, asked: int) -> list[int]:
    """Return which candidates to measure next: all successes at the top, else a few more than before."""
    ranked = [k, *(j for j in sorted(left, key=lambda j: -scores.value[j]) if j != k)]
    top = next((at for at, j in enumerate(ranked) if not scores.success[j]), len(ranked))
    return ranked[: top or max(1, asked)]
