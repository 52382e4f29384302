"""The choice of a greedy search, from figures made by hand."""

import numpy as np
import pytest

from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.requests import CANONICAL, Candidate, Estimates, Scores, Similarity
from robust_core.attacks.searches.greedy import LazySentenceConstraint, _look_ahead
from robust_core.text import Draft


def scores(*values: float) -> Scores:
    """Canonical figures of two classes; above 0.5 the text succeeds."""
    found = np.array(values)
    proba = np.stack([1 - found, found], axis=1).astype(np.float32)
    zero = np.zeros(len(found))
    return Scores(found, zero, zero, np.full(len(found), CANONICAL), np.arange(len(found)),
                  list(range(len(found))), proba, 0, False, np.zeros(len(found), bool))


def test_all_successes_at_the_top_are_measured_together():
    assert _look_ahead(scores(0.7, 0.2, 0.9, 0.4), [0, 1, 2, 3], 2, 0) == [2, 0], "best first, up to the first failure"
    assert _look_ahead(scores(0.9, 0.6, 0.8), [0, 1, 2], 0, 0) == [0, 2, 1]


def test_without_a_success_a_few_more_are_measured_each_time():
    found = scores(0.1, 0.4, 0.2, 0.3)
    assert [_look_ahead(found, [0, 1, 2, 3], 1, asked) for asked in (0, 2, 3)] == [[1], [1, 3], [1, 3, 2]]


@pytest.mark.parametrize(("similarity", "values", "best"), [
    ((0.7, 0.9, 0.8), (0.9, 0.6, 0.7), 1),
    ((0.9, 0.9, 0.8), (0.6, 0.9, 0.7), 1),  # equally similar: the better score
    ((0.9, 0.9, 0.9), (0.6, 0.6, 0.7), 2),
    ((0.9, 0.9, 0.8), (0.6, 0.6, 0.7), 0),  # equal in both: the first
    ((0.9, 0.7, 0.8), (0.6, 0.9, 0.7), 0)])
def test_the_most_similar_of_successes_is_taken(similarity, values, best):
    draft = Draft.of("w " * 20)
    constraint = LazySentenceConstraint(SentenceSimilarity(0.1), draft, [Candidate(draft)] * 3, 0)
    found, zero = np.array(similarity), np.zeros(3)
    answer = Estimates(found, zero, zero, np.full(3, CANONICAL), np.arange(3), list(range(3)))
    steps = constraint.passes(0, lambda asked: [0, 1, 2])
    assert isinstance(next(steps), Similarity)
    steps.send(answer)
    choice = constraint.most_similar([0, 1, 2], scores(*values))
    with pytest.raises(StopIteration) as end:
        next(choice)
    assert end.value.value[0] == best
