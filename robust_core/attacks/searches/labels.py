"""A search that reads no probability: a text whose label has flipped is brought closer to the original one.

Whether a text is flipped is all that it learns from the victim; how close texts are it asks the sentence encoder, which
costs no query.
"""

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from robust_core.attacks.constraints import SentenceSimilarity
from robust_core.attacks.engine.near_ties import confirm, rank, reaches
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Estimates,
    Refine,
    Request,
    Score,
    Scores,
    Similarity,
    Target,
    is_reached,
)
from robust_core.attacks.searches.population import Member, SearchSpace

Asking = Generator[Request, Any, Any]


class LabelSearch:
    """The text that is flipped so far, and what has been asked.

    Args:
        target: The text.
        space: What may be swapped.
        least: Lowest cosine to the original of a text that is told as found; None tells any.
        window: Words around a swap that are compared where one word is chosen.

    Attributes:
        best: The last text that was told as found; the original one before that.
        over: Whether the budget is spent.
    """

    def __init__(self, target: Target, space: SearchSpace, least: float | None, window: int) -> None:
        self._target, self._space, self._least = target, space, least
        self._sentence = SentenceSimilarity(-1.0, window, skip_short=False)
        self._asked: dict[tuple[tuple[int, str], ...], bool] = {}
        self._member: Member | None = None
        self._order: list[int] = []
        self._proba = target.before
        self.best, self.over = Candidate(target.draft), False

    def start(self, rng: np.random.Generator, most: int) -> Asking:
        """Draw swaps until the label flips: of the first word, of the first two, and so on; then of all words.

        Args:
            rng: Draws the words.
            most: Most texts that have all words swapped.
        """
        options = {i: self._space.options(Member(), i) for i in self._space.open(Member())}
        places, texts = list(options), float(np.prod([len(words) + 1.0 for words in options.values()]))
        counts = [*range(1, len(places)), *[len(places)] * (most if places else 0)]
        for count in counts:
            if self.over or len(self._asked) >= texts - 1:
                break
            member = Member({i: options[i][int(rng.integers(len(options[i])))] for i in places[:count]})
            if (yield from self._flips(member, "random swaps")):
                yield from self._take(member)
                break

    def put_back(self) -> Asking:
        """Put original words back while the label stays flipped, first the one whose return makes the text closest.

        Similarities are measured once, since a long text has many swaps; each word is asked about once.
        """
        # Without its last swap the text is the original one.
        if self._member is None or self.over or len(self._member.words) == 1:
            return
        places = list(self._member.words)
        figures = yield from self._compare([_leave_out(self._member, place) for place in places])
        ranked, _ = yield from rank(figures)
        # Whose return gains most costs most while it is swapped: the next step begins with these.
        self._order = [places[k] for k in ranked]
        for place in self._order:
            if self.over or len(self._member.words) == 1:
                break
            shorter = _leave_out(self._member, place)
            if (yield from self._flips(shorter, self._member.words[place])):
                yield from self._take(shorter)

    def come_closer(self, tries: int) -> Generator[Request, Any, bool]:
        """Give each swapped word the closest substitute that keeps the label flipped; return whether any changed.

        Args:
            tries: Most substitutes that are asked for each word, closest first.
        """
        if self._member is None:
            return False
        before = self._member
        for place in [i for i in self._order if i in before.words] or list(before.words):
            if self.over:
                break
            yield from self._replace(self._member, place, tries)
        return self._member is not before

    def _replace(self, member: Member, place: int, tries: int) -> Asking:
        words = member.words
        others = [Member({**words, place: new}) for new in self._space.options(Member(), place) if new != words[place]]
        if not others or not tries:
            return
        figures = yield from self._compare([member, *others], place)
        ranked, _ = yield from rank(figures)
        for k in ranked[: ranked.index(0)][:tries]:
            if self.over:
                break
            if (yield from self._flips(others[k - 1], words[place])):
                yield from self._take(others[k - 1])
                break

    def _compare(self, members: Sequence[Member], place: int | None = None) -> Generator[Request, Any, Estimates]:
        """Return how similar texts are to the original one, as a whole or around a place."""
        original, drafts = self._target.draft, [self._space.candidate(member).draft for member in members]
        if place is None:
            return (yield Similarity([(original.text, draft.text) for draft in drafts]))
        return (yield Similarity([self._sentence.pair(original, draft, place) for draft in drafts]))

    def _flips(self, member: Member, trying: str) -> Generator[Request, Any, bool]:
        """Ask for a label, once a text; False where the budget is spent."""
        key = tuple(sorted(member.words.items()))
        if key in self._asked or self.over:
            return self._asked.get(key, False)
        scores: Scores = yield Score([self._space.candidate(member)], trying=trying)
        yield Accept(None, eligible=len(scores.proba))
        self.over = scores.over
        if not len(scores.proba):
            return False
        while scores.unsure.any():
            scores = yield Refine(scores, [0])
        self._asked[key] = bool(is_reached(scores.proba, self._target.reference_label, self._target.wanted_label)[0])
        if self._asked[key]:
            scores = yield from confirm(scores, [0])
            self._proba = scores.proba[0]
        return self._asked[key]

    def _take(self, member: Member) -> Asking:
        """Go on from a flipped text, and tell it as found if it is close enough."""
        self._member = member
        if self._least is not None:
            figures = yield from self._compare([member])
            close, _ = yield from reaches(figures, 0, self._least)
            if not close:
                return
        self.best = self._space.candidate(member)
        yield Accept(self.best, self._proba)


def _leave_out(member: Member, place: int) -> Member:
    return Member({i: word for i, word in member.words.items() if i != place})
