"""The genetic algorithm of Alzantot et al. (2018), shared by Gene and IGA: whole generations side by side."""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from robust_core.attacks.engine.near_ties import find_highest_of_each
from robust_core.attacks.engine.requests import ORIGINAL, Request, Search
from robust_core.attacks.searches.population import Member, Population, SearchSpace, find_best_member, score_members


@dataclasses.dataclass(frozen=True)
class GeneticSettings:
    """How members multiply.

    Args:
        space: What may be swapped.
        weight: Weight of a position of a member in the draw of the word to swap.
        taken: Draws (n,) bool: which words a child has from its second parent.
        size: Members of a population.
        generations: How often children are made.
        temperature: Divides figures before the softmax that parents are drawn from.
    """

    space: SearchSpace
    weight: Callable[[Member, int], float]
    taken: Callable[[np.random.Generator, int], np.ndarray]
    size: int
    generations: int
    temperature: float


def evolve(settings: GeneticSettings, places: Mapping[int, list[int]], founders: int, rng: np.random.Generator
           ) -> Search:
    """Improve founders by a swap each, then let the fitter ones have children, until the victim errs.

    Differs from TextAttack: fitter members are likelier parents, as in the paper (its sign is reversed); a child with
    too many swaps loses random ones (there it may keep them, or is drawn again up to 20 times); a word without
    substitutes is never drawn; the last children are looked at too. The original is asked for once more, as a member.

    Args:
        settings: How members multiply.
        places: Positions to try, by founder.
        founders: Number of founders; each is the original text.
        rng: Generator of this search.
    """
    space = settings.space
    if not any(places.values()):
        return space.candidate(Member())
    best = yield from score_members(space, [Member()], ORIGINAL)
    if best.scores.over:
        return space.candidate(Member())
    population = yield from improve_members(settings, best.pick([0] * founders), places, rng)
    best, won, population = yield from find_best_member(space, best, population)
    for _ in range(settings.generations):
        if won or population.scores.over or not _may_change(space, population):
            break
        children, population = yield from _make_children(settings, population, rng)
        young = yield from score_members(space, children, "crossing")
        if not young.scores.over:
            young = yield from improve_members(settings, young, dict(enumerate(map(space.open, young.members))), rng)
        best, won, young = yield from find_best_member(space, best, young)
        population = best.joined(young)
    return space.candidate(best.members[0])


def evolve_alzantot(space: SearchSpace, words: Sequence[Sequence[str]], population: int, generations: int,
                    temperature: float, rng: np.random.Generator) -> Search:
    """Evolve from the text with one word swapped; a word is drawn by how many substitutes it has.

    Args:
        space: What may be swapped.
        words: The substitutes of each position.
        population: Members of a population.
        generations: How often children are made.
        temperature: As in `GeneticSettings`.
        rng: Generator of this search.
    """
    def choice(member: Member, i: int) -> float:
        del member
        return len(words[i])

    settings = GeneticSettings(space, choice, lambda rng, n: rng.random(n) < 0.5, population, generations, temperature)
    places = dict.fromkeys(range(population), space.open(Member()))
    return (yield from evolve(settings, places, population, rng))


def _may_change(space: SearchSpace, population: Population) -> bool:
    """Return whether members differ or one has a word left to swap: else nothing new can come."""
    first = population.members[0]
    return any(member.words != first.words for member in population.members) or bool(space.open(first))


def _make_children(settings: GeneticSettings, population: Population, rng: np.random.Generator
              ) -> Generator[Request, Any, tuple[list[Member], Population]]:
    """Draw parents by softmax of their figures and cross them; one child fewer than members."""
    space, size = settings.space, len(population.members)
    noise = settings.temperature * rng.gumbel(size=(2 * (size - 1), size))
    parents, scores = yield from find_highest_of_each(population.scores, [range(size)] * len(noise), list(noise))
    pairs = zip(parents[: size - 1], parents[size - 1:], strict=True)
    children = [population.members[a].mixed(population.members[b], settings.taken(rng, space.target.reach))
                for a, b in pairs]
    return [space.within(child, rng) for child in children], Population(population.members, scores)


def improve_members(settings: GeneticSettings, population: Population, places: Mapping[int, list[int]],
                    rng: np.random.Generator) -> Generator[Request, Any, Population]:
    """Swap one word of each member for the best substitute; where none raises its figure, try its next word.

    Args:
        settings: How members multiply.
        population: Members with figures.
        places: Positions to try, by row; all members have their first one tried together, then their second one.
        rng: Draws the order of positions.
    """
    space, left = settings.space, {k: list(positions) for k, positions in places.items() if positions}
    while left and not population.scores.over:
        moves = {k: space.moves(population.members[k], _draw_position(settings, population.members[k], positions, rng))
                 for k, positions in left.items()}
        size, flat = len(population.members), [move for group in moves.values() for move in group]
        both = population.joined((yield from score_members(space, flat, "swapping")))
        ends = np.minimum(size + np.cumsum([len(group) for group in moves.values()]), len(both.members))
        starts = [size, *ends[:-1]]
        groups = [[k, *range(start, end)] for k, start, end in zip(moves, starts, ends, strict=True)]
        rows, scores = yield from find_highest_of_each(both.scores, groups)
        chosen = dict(zip(moves, rows, strict=True))
        population = Population(both.members, scores).pick([chosen.get(k, k) for k in range(size)])
        left = {k: positions for k, positions in left.items() if chosen[k] == k and positions}
    return population


def _draw_position(settings: GeneticSettings, member: Member, positions: list[int], rng: np.random.Generator) -> int:
    """Take a position from a list, by weight."""
    weight = np.array([settings.weight(member, i) for i in positions], dtype=np.float64)
    return positions.pop(int(rng.choice(len(positions), p=weight / weight.sum())))
