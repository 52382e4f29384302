"""PSO (Zang et al. 2020): texts as particles of a swarm, drawn to the best they and the swarm have seen."""

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.careful import (
    SwapAttack,
    make_careful,
    make_sentence_constraint,
    param_text_similarity,
)
from robust_core.attacks.constraints import PartOfSpeech
from robust_core.attacks.engine.near_ties import find_highest_of_each, sample_by_gain
from robust_core.attacks.engine.requests import ORIGINAL, Request, Search, Target
from robust_core.attacks.searches.population import Member, Population, SearchSpace, find_best_member, score_members
from robust_core.attacks.transformations import list_cased_substitutes, list_wordnet_swaps
from robust_core.registry import param

INERTIA, DRAW, FASTEST = (0.8, 0.2), (0.8, 0.2), 3.0
# Candidates of one request: Stop and memory do not wait for thousands more.
_AT_ONCE = 4096


@ATTACKS.register("pso", title="PSO (WordNet and neighbours)", source="https://aclanthology.org/2020.acl-main.540")
@dataclasses.dataclass(frozen=True)
class PSO(SwapAttack):
    """Search by particle swarm: texts take words of the best ones found so far and mutate by promising swaps.

    Differs from the paper: HowNet's words of the same sememes are not packed; substitutes are WordNet synonyms and
    close neighbours of the same part of speech, so figures do not compare with the paper's. Constants are the paper's:
    inertia 0.8 to 0.2, chance to move to the own best 0.8 to 0.2 and to the common best 0.2 to 0.8, velocity at most 3
    (which TextAttack does not cap). A particle takes the better text's words where it turns, as in the paper's code;
    TextAttack has the two texts the other way round. Its 20 retries of a turn have nothing to do here, since a text
    of allowed words is allowed. Stop words are ours, 334 for NLTK's 179 in TextAttack (`resources.stopwords`).
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = make_careful(min_word_similarity=0.5)
    uses = ("stop-words", "wordnet", "neighbours", "parts-of-speech")

    population: int = param(60, "Particles (paper: 60)", low=2, high=1000)
    generations: int = param(20, "Moves of the swarm (paper: 20)", low=1, high=1000)
    max_neighbours: int = param(
        8, "Neighbours tried per word beside its WordNet synonyms (paper: HowNet, no limit)", low=0, high=50)
    min_word_similarity: float = param(0.7, "Lowest cosine of a neighbour (as for Gene)", low=0.5, high=1.0)
    min_text_similarity: float = param_text_similarity()

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Draw the first swarm from the best swaps of single words; then turn, judge, mutate, remember."""
        space = SearchSpace(target, self._substitutes(target), target.reach,
                            sentence=make_sentence_constraint(self.min_text_similarity),
                            edit=self.edit)
        if not space.open(Member()):
            return space.candidate(Member())
        best = yield from score_members(space, [Member()], ORIGINAL)
        if best.scores.over:
            return space.candidate(Member())
        swarm = yield from mutate(space, best.pick([0] * self.population), range(self.population), rng)
        best, won, swarm = yield from find_best_member(space, best, swarm)
        elites, velocity = swarm, np.repeat(rng.uniform(-FASTEST, FASTEST, (self.population, 1)), target.reach, axis=1)
        for generation in range(self.generations):
            if won or swarm.scores.over:
                break
            members = self._turned(generation, swarm, elites, best.members[0], velocity, rng)
            swarm = yield from score_members(space, members, "turning")
            best, won, swarm = yield from find_best_member(space, best, swarm)
            if not won and not swarm.scores.over:
                share = np.array([len(member.words) for member in swarm.members]) / target.reach
                rows = np.flatnonzero(rng.random(self.population) < 1 - 2 * share).tolist()
                swarm = yield from mutate(space, swarm, rows, rng)
                best, won, swarm = yield from find_best_member(space, best, swarm)
                elites = yield from _keep_better(elites, swarm)
        return space.candidate(best.members[0])

    def _substitutes(self, target: Target) -> Callable[[int, str], list[str]]:
        stored = self.find_swaps(target.draft)
        if stored is not None and self.is_careful:
            return lambda position, word: stored.at(position)
        speech = PartOfSpeech(target.draft)
        if stored is not None:
            return lambda position, word: speech.keep(position, stored.at(position))

        def close(position: int, word: str) -> list[str]:
            near = list_cased_substitutes(word, self.max_neighbours, self.min_word_similarity)
            return speech.keep(position, list(dict.fromkeys([*list_wordnet_swaps(word), *near])))
        return close

    def _turned(self, generation: int, swarm: Population, elites: Population, best: Member, velocity: np.ndarray,
                rng: np.random.Generator) -> list[Member]:
        """Change velocities (particles, words) in place, and turn each particle to its own and the common best."""
        done = generation / self.generations
        inertia = INERTIA[0] - done * (INERTIA[0] - INERTIA[1])
        own = DRAW[0] - done * (DRAW[0] - DRAW[1])
        common = DRAW[1] + done * (DRAW[0] - DRAW[1])
        members = []
        for k, (member, elite) in enumerate(zip(swarm.members, elites.members, strict=True)):
            pull = _pull_apart(member, elite, velocity.shape[1]) + _pull_apart(member, best, velocity.shape[1])
            velocity[k] = np.clip(inertia * velocity[k] + (1 - inertia) * pull, -FASTEST, FASTEST)
            turns = rng.random((2, velocity.shape[1])) < 1 / (1 + np.exp(-velocity[k]))
            to_own, to_common = rng.random(2) < (own, common)
            member = member.mixed(elite, turns[0]) if to_own else member
            members.append(member.mixed(best, turns[1]) if to_common else member)
        return members


def _pull_apart(one: Member, other: Member, words: int) -> np.ndarray:
    """Return (words,) the pull on each word: fast where two texts differ, slow where they agree."""
    pull = np.full(words, -FASTEST)
    pull[[i for i in {*one.words, *other.words} if one.words.get(i) != other.words.get(i)]] = FASTEST
    return pull


def _keep_better(elites: Population, swarm: Population) -> Generator[Request, Any, Population]:
    """Return what each particle has seen best; of equal ones the older."""
    size = len(swarm.members)
    if len(elites.members) != size:
        return elites
    both = elites.joined(swarm)
    rows, scores = yield from find_highest_of_each(both.scores, [(k, k + size) for k in range(size)])
    return Population(both.members, scores).pick(rows)


def mutate(space: SearchSpace, population: Population, rows: Sequence[int], rng: np.random.Generator
            ) -> Generator[Request, Any, Population]:
    """Swap one word of some members: the best substitute of a word drawn by how much it raises the figure.

    Where nothing raises it, any word is drawn, as in the paper's code. Members that are the same text share their
    questions (in TextAttack each asks again).
    """
    size = len(population.members)
    race_weights = {k: 1 / rng.exponential(size=space.target.reach) for k in rows}
    alike: dict[tuple[tuple[int, str], ...], list[int]] = {}
    for k in rows:
        alike.setdefault(tuple(sorted(population.members[k].words.items())), []).append(k)
    for part in _split_moves(space, population, list(alike.values())):
        if population.scores.over:
            break
        moves = {(ks[0], i): found for ks, options in part for i, found in options.items()}
        both = population.joined(
            (yield from score_members(space, [m for found in moves.values() for m in found], "mutating"))
        )
        ends = np.minimum(size + np.cumsum([len(found) for found in moves.values()]), len(both.members)).tolist()
        groups = {place: range(start, end) for place, start, end in zip(moves, [size, *ends[:-1]], ends, strict=True)
                  if end > start}
        found, scores = yield from find_highest_of_each(both.scores, list(groups.values()))
        best, chosen = dict(zip(groups, found, strict=True)), list(range(size))
        for ks, options in part:
            places = [i for i in options if (ks[0], i) in best]
            for k in ks if places else ():
                row, scores = yield from sample_by_gain(scores, k, [best[ks[0], i] for i in places],
                                                        race_weights[k][places])
                chosen[k] = best.get((ks[0], int(race_weights[k].argmax())), k) if row is None else row
        population = Population(both.members, scores).pick(chosen)
    return population


def _split_moves(space: SearchSpace, population: Population, groups: Sequence[list[int]]
           ) -> Iterator[list[tuple[list[int], dict[int, list[Member]]]]]:
    """Yield groups of equal members with their moves by position, some thousand moves at a time."""
    part: list[tuple[list[int], dict[int, list[Member]]]] = []
    for rows in groups:
        member = population.members[rows[0]]
        options = {i: space.moves(member, i) for i in space.open(member)}
        if not options:
            continue
        part.append((rows, options))
        if sum(len(found) for _, options in part for found in options.values()) >= _AT_ONCE:
            yield part
            part = []
    if part:
        yield part
