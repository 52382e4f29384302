"""Greedy search in the order of word importance, shared by the attacks that rank words first.

Constraints are a conjunction, so the cheap question may go first as long as the choice stays that of TextAttack's
GreedyWordSwapWIR: candidates sorted by text, then stably by falling score; the first that passes the constraint wins.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.requests import Accept, Candidate, Request, Score, Scores, Search, Target
from robust_core.text import Draft, Edit


def rank_by_deletion(target: Target, positions: Sequence[int]) -> Generator[Request, Any, tuple[list[int], bool]]:
    """Order positions by how much deleting the word there raises the loss.

    Returns:
        (positions, whether the budget is spent); the positions that the budget left unscored are missing.
    """
    draft = target.draft
    scores: Scores = yield Score([Candidate(draft, (Edit(i, i + 1, ()),)) for i in positions], trying="ranking words")
    yield Accept(None, eligible=len(scores.proba))
    return [positions[k] for k in np.argsort(-scores.loss, kind="stable")], scores.over


def swap_candidates(draft: Draft, position: int, words: Sequence[str]) -> list[Candidate]:
    """Return the candidates that put each of `words` at `position`, sorted by text."""
    tail = draft.text[draft.spans[position].end:]
    ordered = sorted(dict.fromkeys(words), key=lambda word: word + tail)
    return [Candidate(draft, (Edit(position, position + 1, (word,)),)) for word in ordered]


def greedy_swaps(target: Target, order: Sequence[int], words_at: Callable[[int], Sequence[str]],
                 sentence: SentenceSimilarity, *, against_original: bool) -> Search:
    """Swap one word after the other, each for the best that passes, until the victim errs.

    Args:
        target: Text and victim.
        order: Positions to try.
        words_at: Substitutes for a position that meet the constraints on words.
        sentence: The constraint on the sentence, asked last and only where it decides.
        against_original: Whether the sentence is compared with the original text rather than the previous one.
    """
    current, loss = Candidate(target.draft), 1.0 - target.before[target.reference_label]
    for position in order:
        draft = current.draft
        candidates = swap_candidates(draft, position, words_at(position))
        if not candidates:
            continue
        scores: Scores = yield Score(candidates, trying=draft.words[position])
        candidates = candidates[: len(scores.proba)]
        reference = target.draft if against_original else draft
        chosen = yield from choose(candidates, scores, loss, reference, position, sentence)
        if chosen is not None:
            current, loss = candidates[chosen], scores.loss[chosen]
            yield Accept(current, scores.proba[chosen])
            if scores.success[chosen]:
                return current
        if scores.over:
            break
    return current


def choose(candidates: Sequence[Candidate], scores: Scores, loss: float, reference: Draft, position: int,
           sentence: SentenceSimilarity) -> Generator[Request, Any, int | None]:
    """Pick the best candidate that passes the sentence constraint and beats `loss`.

    Among successes the most similar is taken (the first on equality), looking down the passing candidates until one
    does not succeed.

    Returns:
        Its index, or None where the word stays.
    """
    losses, success = scores.loss, scores.success
    ranking = [int(k) for k in np.argsort(-losses, kind="stable")]
    known: dict[int, float] = {}
    chosen: int | None = None
    for at, k in enumerate(ranking):
        if chosen is None and not losses[k] > loss:
            break
        if k not in known:
            ahead = _ahead(ranking[at:], success, len(known))
            similarities = yield from sentence.measure(reference, [candidates[j] for j in ahead], position)
            known.update(zip(ahead, similarities.tolist(), strict=True))
            yield Accept(None, eligible=sum(known[j] >= sentence.least for j in ahead))
        if known[k] < sentence.least:
            continue
        if not success[k]:
            return k if chosen is None else chosen
        if chosen is None or known[k] > known[chosen]:
            chosen = k
    return chosen


def _ahead(ranking: Sequence[int], success: np.ndarray, asked: int) -> list[int]:
    """Return which candidates to measure next: all successes at the top, else a few more than before."""
    top = 0
    while top < len(ranking) and success[ranking[top]]:
        top += 1
    return list(ranking[: top or max(1, asked)])
