"""Bad Characters (Boucher et al. 2021): characters that nobody sees change what a model reads."""

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.engine.requests import Search, Target
from robust_core.attacks.searches.differential import evolve_vectors
from robust_core.hidden_characters import BACKSPACE, INVISIBLE, LOOK_ALIKES, write_reordered
from robust_core.parts import BOUNDARY
from robust_core.registry import param

HOMOGLYPHS, INVISIBLES, REORDERINGS, DELETIONS, ANY = "homoglyphs", "invisible", "reorderings", "deletions", "any"
KINDS = (HOMOGLYPHS, INVISIBLES, REORDERINGS, DELETIONS)
# What is typed and deleted again: the visible ASCII characters.
_TYPED = [chr(code) for code in range(ord("!"), ord("~") + 1)]


@ATTACKS.register("bad-characters", title="Bad Characters", source="https://arxiv.org/abs/2106.09898")
@dataclasses.dataclass(frozen=True)
class BadCharacters(Attack):
    """Hide look-alike, invisible, reordering or deleted characters in a text: a reader sees the same text as before.

    Differential evolution as in the authors' code (SciPy's best1bin), on where and what to hide. Differs: whole
    generations are asked side by side, and the search ends at the first flip, where SciPy goes on and then polishes;
    changes never overlap (there the later one wins, or reorderings nest). Models that clean their texts, as
    ours do, never see zero-width spaces, and read what a reordering or a deletion leaves: letters in the other order,
    or one more letter. `any` lets each change be of any kind, which the paper does not try. Stop words may change.
    """

    not_careful = "it changes no word for another one: a reader sees the same text"

    kind: str = param(HOMOGLYPHS, "What is hidden (TextAttack: homoglyphs)", choices=(*KINDS, ANY))
    max_changes: int = param(5, "Most characters that are hidden or exchanged (paper: 1 to 5; TextAttack: 1)",
                             low=1, high=50)
    population: int = param(32, "Members for each number that is searched for (paper: 32)", low=5, high=200)
    generations: int = param(10, "Generations (paper: 3 to 10; TextAttack: 10)", low=1, high=200)

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Evolve vectors of places and characters."""
        space = CharacterSpace(target, KINDS if self.kind == ANY else (self.kind,))
        return (yield from evolve_vectors(
            target, space.write, space.numbers * self.max_changes if space else 0, self.population, self.generations,
            rng, trying=self.kind))


@dataclasses.dataclass(frozen=True)
class _Move:
    """A stretch of characters `[start, end)` gives way to `new`."""

    start: int
    end: int
    new: str


class CharacterSpace:
    """What may be hidden in a text, by vectors of numbers in 0..1: for each change where, and what.

    Args:
        target: The text; only what the victim reads is changed.
        kinds: What may be hidden; with several a vector has one more number for each change.
    """

    def __init__(self, target: Target, kinds: Sequence[str]) -> None:
        self._text = target.draft.text
        end = target.draft.spans[target.reach - 1].end if target.reach else 0
        spans = [target.draft.spans[i] for i in target.locked]
        # What comes in right beside a word may be read as a part of it.
        locked = {k for span in spans for k in range(span.start - 1, span.end + 1)}
        locked |= {k for k, character in enumerate(self._text) if character == BOUNDARY}
        free = dict.fromkeys(i for i in range(end) if i not in locked)
        self._places = {kind: [i for i in free if self._takes(kind, i, end, free)] for kind in kinds}
        self._kinds = [kind for kind in kinds if self._places[kind]]
        self._several = len(self._kinds) > 1
        self.numbers = self._several + 1 + any(kind in (INVISIBLES, DELETIONS) for kind in self._kinds)

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def _takes(self, kind: str, i: int, end: int, free: Collection[int]) -> bool:
        if kind == HOMOGLYPHS:
            return self._text[i] in LOOK_ALIKES
        # Two equal characters look the same in either order, and read the same.
        return kind != REORDERINGS or (i + 1 < end and i + 1 in free and self._text[i] != self._text[i + 1])

    def write(self, vector: np.ndarray) -> str:
        """Return the text that a vector stands for; of changes that overlap the first holds."""
        taken: set[int] = set()
        text, moves = self._text, list[_Move]()
        for genes in vector.reshape(-1, self.numbers):
            move = self._read(genes)
            # An insertion takes the place before its character.
            spots = set(range(2 * move.start, 2 * move.end)) or {2 * move.start - 1}
            if not spots & taken:
                taken |= spots
                moves.append(move)
        for move in sorted(moves, key=lambda m: (m.start, m.end), reverse=True):
            text = text[: move.start] + move.new + text[move.end:]
        return text

    def _read(self, genes: np.ndarray) -> _Move:
        kind = self._kinds[_pick(genes[0], len(self._kinds)) if self._several else 0]
        places = self._places[kind]
        i = places[_pick(genes[int(self._several)], len(places))]
        if kind == HOMOGLYPHS:
            return _Move(i, i + 1, LOOK_ALIKES[self._text[i]])
        if kind == REORDERINGS:
            return _Move(i, i + 2, write_reordered(self._text[i], self._text[i + 1]))
        if kind == INVISIBLES:
            return _Move(i, i, INVISIBLE[_pick(genes[-1], len(INVISIBLE))])
        return _Move(i, i, _TYPED[_pick(genes[-1], len(_TYPED))] + BACKSPACE)


def _pick(number: float, count: int) -> int:
    """Return which of `count` equal parts of 0..1 a number lies in."""
    return min(int(number * count), count - 1)
