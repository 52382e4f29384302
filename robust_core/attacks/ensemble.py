"""Ensemble: several attacks on each text, and the worst of what they do: one number a model, as AutoAttack's."""

import copy
import dataclasses
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np

from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.engine.requests import (
    Accept,
    Candidate,
    Judge,
    Request,
    Score,
    Scores,
    Search,
    Target,
    is_reached,
    measure_value,
)
from robust_core.errors import Incompatible
from robust_core.protocols import Classifier, is_white_box
from robust_core.registry import param

# From the cheapest to the dearest: the first that flips a text ends the search.
MEMBERS = ("a2t", "pwws", "textfooler", "bad-characters", "bae")
# A fixed set has fixed values, so that figures of different days can be compared: with this sentence similarity, a
# little laxer than BAE's own, every figure of this attack was measured.
VALUES: Mapping[str, Mapping[str, Any]] = {"bae": {"min_text_similarity": 0.92}}


@ATTACKS.register("ensemble", title="Ensemble (worst case)", source="https://arxiv.org/abs/2003.01690")
@dataclasses.dataclass(frozen=True)
class Ensemble(Attack):
    """Try A2T, PWWS, TextFooler, Bad Characters and BAE on each text: it holds only if it holds against all.

    The idea is AutoAttack's, for words: a fixed set, each with its paper's values (BAE with a sentence similarity of
    0.92) and a budget of its own. Each member searches exactly as it does alone with these values under `--max-queries`
    of that size, so the accuracy under this attack is never higher than under any of them. A member's spent budget
    counts as a failure of that member. Of texts that hold, the one is reported in which the label's probability is
    lowest. A2T is left out for models that show no gradients.
    """

    not_careful = "it runs other attacks with their papers' values; choose one of these to be careful"
    uses = ("stop-words", "neighbours", "wordnet", "parts-of-speech", "sentence-encoder", "masked-model")

    member_queries: int = param(1000, "Most texts that each member submits; 0 sets no limit", low=0, high=10_000_000)

    def search(self, target: Target, rng: np.random.Generator) -> Search:
        """Let one member after the other search, until one flips the text."""
        best, highest = Candidate(target.draft), target.standing
        for name in MEMBERS:
            member = ATTACKS[name](**VALUES.get(name, {}), max_queries=self.member_queries)
            try:
                # Alone, a member would begin with this generator.
                found = yield from _limit(member.search(target, copy.deepcopy(rng)), self.member_queries)
            except Incompatible:
                continue
            if found.text == target.draft.text:
                continue
            proba = yield Judge(found.text)
            value = float(measure_value(proba[None], target.reference_label, target.wanted_label)[0])
            won = not target.goes_on and is_reached(proba[None], target.reference_label, target.wanted_label)[0]
            if won or value > highest:
                best, highest = found, value
                yield Accept(best, proba)
            if won:
                break
        return best

    def list_remarks(self, victim: Classifier) -> tuple[str, ...]:
        """Say which members are left out for a victim."""
        if is_white_box(victim):
            return ()
        missing = [ATTACKS[name].title for name in MEMBERS if ATTACKS[name].white_box]
        return (f"Left out: {', '.join(missing)}, since the model shows no gradients.",)


def _limit(search: Search, most: int) -> Generator[Request, Any, Candidate]:
    """Let a member search with a budget of its own, and keep its steps to itself.

    The engine counts the first look at a text as a query and ends a search as soon as its budget is spent; so does
    this.
    """
    asked, answer = 1, None
    try:
        while True:
            request = search.send(answer)
            if isinstance(request, Score) and most:
                request = dataclasses.replace(request, candidates=list(request.candidates)[: max(most - asked, 0)])
                asked += len(request.candidates)
            elif isinstance(request, Accept):
                request = Accept(None, eligible=request.eligible)
            answer = yield request
            if isinstance(answer, Scores) and most and asked >= most:
                answer = dataclasses.replace(answer, over=True)
    except StopIteration as ended:
        return ended.value
    finally:
        search.close()
