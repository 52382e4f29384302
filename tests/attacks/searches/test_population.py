"""Searches with a population against slow twins that judge one text at a time, and the rules of their members."""

import dataclasses
import itertools
import random
from collections import Counter

import numpy as np
import pytest
from helpers.doubles import BagOfWords
from hypothesis import given, settings
from hypothesis import strategies as st

from robust_core.attacks import pso
from robust_core.attacks.engine.requests import CANONICAL, Accept, Refine, Score, Scores, Target
from robust_core.attacks.searches import genetic, population
from robust_core.attacks.searches.genetic import GeneticSettings
from robust_core.attacks.searches.population import Member, Population, SearchSpace
from robust_core.text import Draft
from robust_core.types import Example

TABLE = {"warm": ("cold", "mild", "kind"), "film": ("movie", "picture"), "good": ("fine", "bad", "nice"),
         "cold": ("icy",), "slow": ("long",)}
WEIGHTS = {"warm": 1.0, "cold": -0.5, "mild": 0.4, "kind": 1.2, "movie": -0.2, "picture": 0.3, "good": 0.8,
           "fine": 0.5, "bad": -1.5, "nice": 0.7, "slow": -0.4, "long": -0.6, "icy": -0.7}
VICTIM = BagOfWords(WEIGHTS, (0.0, 0.3), id="double/victim")
TEXT = "a warm film , good and slow and good"


def field(share: int = 3, swaps: int = 2, text: str = TEXT) -> SearchSpace:
    example = Example(text, 1, "t")
    draft = Draft.of(text)
    target = Target(example, draft, 1, VICTIM.predict_proba([text])[0], len(draft.words))
    return SearchSpace(target, lambda i, word: TABLE.get(word, ()), share, swaps)


def figure(of: SearchSpace, member: Member) -> float:
    """What a search wants to be high, of one text alone."""
    return 1.0 - float(VICTIM.predict_proba([of.candidate(member).text])[0][1])


def answer(request: Score) -> Scores:
    proba = VICTIM.predict_proba([c.text for c in request.candidates])
    zero, texts = np.zeros(len(proba)), [c.text for c in request.candidates]
    first: dict[str, int] = {}
    same = np.array([first.setdefault(text, i) for i, text in enumerate(texts)], dtype=np.int64)
    return Scores(1.0 - proba[:, 1], zero, zero, np.full(len(proba), CANONICAL), same, texts, proba, 1, False,
                  np.zeros(len(proba), dtype=bool))


def drive(steps):
    """Answer a search with exact figures; return what it returns."""
    reply = None
    while True:
        try:
            request = steps.send(reply)
        except StopIteration as end:
            return end.value
        assert not isinstance(request, Refine), "exact figures need no settling"
        reply = None if isinstance(request, Accept) else answer(request)


def herd(of: SearchSpace, members: list[Member]) -> Population:
    return drive(population.score_members(of, members, ""))


def member_of(choice: dict[int, str]) -> Member:
    words = {i: word for i, word in choice.items() if word}
    return Member(words, dict.fromkeys(words, 1))


members = st.builds(
    member_of, st.fixed_dictionaries({1: st.sampled_from(["", "cold", "mild"]), 2: st.sampled_from(["", "movie"]),
                                      3: st.sampled_from(["", "fine", "bad"]), 7: st.sampled_from(["", "nice"])}))


@given(members, members, st.integers(0, 99))
def test_a_child_has_each_word_from_either_parent(one, other, seed):
    taken = np.random.default_rng(seed).random(8) < 0.5
    child = one.mixed(other, taken)
    for i in range(8):
        assert child.words.get(i) == (other if taken[i] else one).words.get(i)
        assert child.swapped.get(i) == (other if taken[i] else one).swapped.get(i)


@given(members, st.integers(0, 4), st.integers(0, 99))
def test_a_member_with_too_many_swaps_loses_random_ones(member, most, seed):
    kept = field(most).within(member, np.random.default_rng(seed))
    assert len(kept.words) == min(len(member.words), most)
    assert kept.words.items() <= member.words.items() and kept.swapped.keys() <= member.swapped.keys()


@given(members, st.integers(0, 4), st.integers(1, 2))
def test_moves_change_one_word_and_keep_to_the_limits(member, most, swaps):
    of = field(most, swaps)
    for i in of.open(member):
        for moved in of.moves(member, i):
            differ = {j for j in range(8) if of.word(moved, j) != of.word(member, j)}
            assert differ == {i} and moved.swapped[i] == member.swapped.get(i, 0) + 1 <= swaps
            assert len(moved.words) <= max(most, len(member.words))
            assert i not in moved.words or moved.words[i] != of.target.draft.words[i]


@pytest.mark.parametrize("seed", range(25))
def test_members_improve_as_a_slow_twin_does(seed):
    of = field(share=random.Random(seed).choice([1, 2, 5]))
    breed = GeneticSettings(
        of, lambda member, i: len(of.options(member, i)), lambda rng, n: rng.random(n) < 0.5, 6, 2, 0.3
    )
    start = [Member()] * 3 + [Member({1: "cold"}, {1: 1}), Member({3: "bad", 2: "movie"}, {3: 1, 2: 2})]
    places = {k: of.open(member) for k, member in enumerate(start)}
    found = drive(genetic.improve_members(breed, herd(of, start), places, np.random.default_rng(seed)))

    rng, slow, left = np.random.default_rng(seed), list(start), {k: list(p) for k, p in places.items() if p}
    while left:
        drawn = {}
        for k, open_ in left.items():
            weight = np.array([len(of.options(slow[k], i)) for i in open_], dtype=float)
            drawn[k] = open_.pop(int(rng.choice(len(open_), p=weight / weight.sum())))
        for k, i in drawn.items():
            best = max([slow[k], *of.moves(slow[k], i)], key=lambda m: figure(of, m))
            if best is not slow[k]:
                slow[k], left[k] = best, []
        left = {k: open_ for k, open_ in left.items() if open_}
    assert [dict(m.words) for m in found.members] == [dict(m.words) for m in slow]
    assert found.scores.value == pytest.approx([figure(of, m) for m in slow])


def test_fitter_members_are_likelier_parents():
    """Children of two members that differ: parents are drawn with the chances of a softmax over their figures."""
    of = field()
    pair = [Member(), Member({3: "bad"}, {3: 1})]
    both = herd(of, [pair[0]] * 100 + [pair[1]] * 100)
    # A child that takes nothing from its second parent is its first one.
    breed = GeneticSettings(of, lambda member, i: 1, lambda rng, n: np.zeros(n, dtype=bool), 200, 1, 0.2)
    counts = Counter(bool(child.words) for seed in range(20)
                     for child in drive(genetic._make_children(breed, both, np.random.default_rng(seed)))[0])
    good, bad = (np.exp(figure(of, member) / 0.2) for member in pair)
    n = sum(counts.values())
    chance = bad / (good + bad)
    assert n == 20 * 199 and abs(counts[True] / n - chance) < 4 * (chance * (1 - chance) / n) ** 0.5


@pytest.mark.parametrize("seed", range(25))
def test_particles_mutate_as_a_slow_twin_does(seed):
    of = field(share=9)
    start = [Member(), Member(), Member({3: "bad"}, {3: 1}), Member({1: "cold", 2: "movie"}, {1: 1, 2: 1})]
    rows = random.Random(seed).sample(range(4), 3)
    found = drive(pso.mutate(of, herd(of, start), rows, np.random.default_rng(seed)))

    rng, slow = np.random.default_rng(seed), list(start)
    for k in rows:
        keen = 1 / rng.exponential(size=8)
        best = {i: max(of.moves(start[k], i), key=lambda m: figure(of, m)) for i in of.open(start[k])}
        rise = {i: max(figure(of, m) - figure(of, start[k]), 0) * keen[i] for i, m in best.items()}
        if any(rise.values()):
            slow[k] = best[max(rise, key=lambda i: rise[i])]
        elif best:
            slow[k] = best.get(int(keen.argmax()), start[k])
    assert [dict(m.words) for m in found.members] == [dict(m.words) for m in slow]


@given(members, members)
def test_the_pull_is_where_two_texts_differ(one, other):
    pull = pso._pull_apart(one, other, 8)
    for i in range(8):
        assert pull[i] == (pso.FASTEST if one.words.get(i) != other.words.get(i) else -pso.FASTEST)


@given(st.lists(members, min_size=1, max_size=6))
@settings(max_examples=30)
def test_the_leader_is_the_highest_success(found):
    of = field()
    best, won, _ = drive(population.find_best_member(of, herd(of, [Member()]), herd(of, found)))
    flips = [m for m in found if figure(of, m) > 0.5]
    assert won == bool(flips or figure(of, Member()) > 0.5)
    assert figure(of, best.members[0]) == pytest.approx(max(figure(of, m) for m in [Member(), *found]))


def test_answers_put_together_keep_the_more_exact_figure():
    of = field()
    one, two = herd(of, [Member(), Member({3: "bad"})]), herd(of, [Member({3: "bad"}), Member({3: "fine"})])
    rough = dataclasses.replace(two.scores, value=two.scores.value + 0.1, level=np.zeros(2, dtype=int),
                                error=np.full(2, 0.2))
    both = population.gather_scores([one.scores, rough])
    assert both.value[2] == both.value[1] == one.scores.value[1] and both.error[2] == 0 and both.error[3] > 0
    assert both.same.tolist() == [0, 1, 1, 3]
    for rows in itertools.product(range(4), repeat=2):
        assert population.gather_scores([one.scores, rough], rows).keys == [both.keys[k] for k in rows]
