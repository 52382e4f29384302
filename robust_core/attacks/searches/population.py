"""What searches with a population share: members, what may be swapped in them, their figures side by side."""

import dataclasses
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.near_ties import confirm, find_leader, reaches
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Estimates,
    Request,
    Score,
    Scores,
    Similarity,
    Target,
)
from robust_core.attacks.searches.greedy import EditMaker, make_plain_edit
from robust_core.resources import stop_words


@dataclasses.dataclass(frozen=True)
class Member:
    """A text as what differs from the original.

    Args:
        words: New word by position.
        swapped: How often a position was swapped on the way here.
    """

    words: Mapping[int, str] = dataclasses.field(default_factory=dict)
    swapped: Mapping[int, int] = dataclasses.field(default_factory=dict)

    def mixed(self, other: "Member", taken: np.ndarray) -> "Member":
        """Return a member with the other's words where `taken` (n,) bool says so."""
        def mix(mine: Mapping[int, Any], theirs: Mapping[int, Any]) -> dict[int, Any]:
            return ({i: v for i, v in mine.items() if not taken[i]} | {i: v for i, v in theirs.items() if taken[i]})
        return Member(mix(self.words, other.words), mix(self.swapped, other.swapped))


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """What a search may do to a text.

    Args:
        target: The text.
        substitutes: Gives the substitutes of a word at a position.
        most_words: Most words that may differ from the original.
        most_swaps: How often one position may be swapped.
        sentence: What a whole text must keep of the original one; None where nothing is asked.
        edit: Makes the edit that puts a word at a position.
    """

    target: Target
    substitutes: Callable[[int, str], Sequence[str]]
    most_words: int
    most_swaps: int = 1
    sentence: SentenceSimilarity | None = None
    edit: EditMaker = make_plain_edit
    _known: dict[tuple[int, str], list[str]] = dataclasses.field(default_factory=dict)

    def word(self, member: Member, i: int) -> str:
        """Return the word of a member at a position."""
        return member.words.get(i, self.target.draft.words[i])

    def options(self, member: Member, i: int) -> list[str]:
        """Return what may stand in for the word of a member at a position, sorted."""
        word = self.word(member, i)
        if (i, word) not in self._known:
            stays = (i in self.target.locked
                     or {word.lower(), self.target.draft.words[i].lower()} & stop_words())
            self._known[i, word] = [] if stays else sorted({o for o in self.substitutes(i, word) if o != word})
        return self._known[i, word]

    def open(self, member: Member) -> list[int]:
        """Return the positions at which a member may change."""
        full = len(member.words) >= self.most_words
        return [i for i in range(self.target.reach)
                if member.swapped.get(i, 0) < self.most_swaps and not (full and i not in member.words)
                and self.options(member, i)]

    def moves(self, member: Member, i: int) -> list[Member]:
        """Return the members that one swap at a position leads to."""
        swapped = {**member.swapped, i: member.swapped.get(i, 0) + 1}
        rest = {j: word for j, word in member.words.items() if j != i}
        old = self.target.draft.words[i]
        return [Member(rest if new == old else {**rest, i: new}, swapped) for new in self.options(member, i)]

    def candidate(self, member: Member) -> Candidate:
        """Return a member as a candidate."""
        draft = self.target.draft
        return Candidate(draft, tuple(self.edit(draft, i, word) for i, word in sorted(member.words.items())))

    def within(self, member: Member, rng: np.random.Generator) -> Member:
        """Take back random swaps of a member that has too many."""
        surplus = len(member.words) - self.most_words
        if surplus <= 0:
            return member
        back = {int(i) for i in rng.permutation(sorted(member.words))[:surplus]}
        return Member({i: word for i, word in member.words.items() if i not in back},
                      {i: n for i, n in member.swapped.items() if i not in back})


@dataclasses.dataclass(frozen=True)
class Population:
    """Members and their figures, side by side."""

    members: list[Member]
    scores: Scores

    def pick(self, rows: Sequence[int]) -> "Population":
        """Return some of the members."""
        return Population([self.members[k] for k in rows], gather_scores([self.scores], rows))

    def joined(self, other: "Population") -> "Population":
        """Return the members of both."""
        return Population(self.members + other.members, gather_scores([self.scores, other.scores]))


def gather_scores(parts: Sequence[Scores], rows: Sequence[int] | None = None) -> Scores:
    """Put answers one after the other, and take some rows; of two figures of one text the more exact one holds."""
    keys = [key for part in parts for key in part.keys]
    level = np.concatenate([part.level for part in parts])
    exact: dict[Any, int] = {}
    for k, key in enumerate(keys):
        if key not in exact or level[k] > level[exact[key]]:
            exact[key] = k
    wanted = range(len(keys)) if rows is None else rows
    from_ = np.array([exact[keys[k]] for k in wanted], dtype=np.int64)
    first: dict[Any, int] = {}
    same = np.array([first.setdefault(keys[k], i) for i, k in enumerate(wanted)], dtype=np.int64)
    arrays = {name: np.concatenate([getattr(part, name) for part in parts])[from_]
              for name in ("value", "error", "spread", "level", "proba", "unsure")}
    return dataclasses.replace(parts[0], **arrays, same=same, keys=[keys[k] for k in wanted],
                               over=any(part.over for part in parts))


def score_members(space: SearchSpace, members: Sequence[Member], trying: str) -> Generator[Request, Any, Population]:
    """Ask for the figures of members; those that the budget leaves out are missing.

    A member whose text has gone too far from the original one goes back to it, and keeps count of its swaps.
    """
    if space.sentence is not None:
        members = yield from _take_back(space, space.sentence, members)
    scores: Scores = yield Score([space.candidate(member) for member in members], trying=trying)
    yield Accept(None, eligible=len(scores.value))
    return Population(list(members[: len(scores.value)]), scores)


def _take_back(space: SearchSpace, sentence: SentenceSimilarity, members: Sequence[Member]
               ) -> Generator[Request, Any, list[Member]]:
    """Return members, those as the original text whose similarity to it lies below the threshold."""
    changed = [k for k, member in enumerate(members) if member.words]
    if not changed:
        return list(members)
    original = space.target.draft.text
    figures: Estimates = yield Similarity([(original, space.candidate(members[k]).text) for k in changed])
    found = list(members)
    for i, k in enumerate(changed):
        near, figures = yield from reaches(figures, i, sentence.least)
        if not near:
            found[k] = Member(swapped=members[k].swapped)
    return found


def find_best_member(
    space: SearchSpace, best: Population, population: Population
) -> Generator[Request, Any, tuple[Population, bool, Population]]:
    """Find the best text so far: the highest success or else the highest figure, of equal ones the first.

    Args:
        space: What may be swapped.
        best: The best so far, alone.
        population: New members.

    Returns:
        (the best now, alone; whether it succeeds; the population as it was settled)
    """
    both = best.joined(population)
    row, won, scores = yield from find_leader(both.scores)
    scores = yield from confirm(scores, [row])
    if row:
        yield Accept(space.candidate(both.members[row]), scores.proba[row])
    both = Population(both.members, scores)
    return both.pick([row]), won, both.pick(range(1, len(both.members)))
