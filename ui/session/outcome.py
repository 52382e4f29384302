"""An attack and all that a page shows of it, as plain data."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from robust_core.attacks import ATTACKS
from robust_core.events import Event
from robust_core.records import read_result, to_result_record
from robust_core.types import AttackResult
from ui.session.choices import Choices
from ui.shared import catalogue

VERSION = 3


class Pair(NamedTuple):
    """A model and the name of an attack on it: what a card shows. Without a name it stands for any attack."""

    model: str
    attack: str


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was asked of an attack and what came of it so far.

    Args:
        id: Job it came from.
        asked: What the attack was asked to do.
        results: Results by model and attack.
        errors: One plain line for each pair that came to nothing.
        latest: Newest event of each pair that is still going on.
        curves: (queries, probability) so far of each pair.
        running: Whether the job goes on.
        queue: Place in the queue, 0 when it does not wait.
        seconds: How long it ran.
        trouble: One plain line when the whole job failed.
    """

    id: str
    asked: Choices
    results: Mapping[Pair, AttackResult]
    errors: Mapping[Pair, str]
    latest: Mapping[Pair, Event] = dataclasses.field(default_factory=dict)
    curves: Mapping[Pair, list[tuple[int, float]]] = dataclasses.field(default_factory=dict)
    running: bool = False
    queue: int = 0
    seconds: float = 0.0
    trouble: str = ""

    @property
    def text(self) -> str:
        """The attacked text, cleaned."""
        return self.asked.text

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the attacked models."""
        return self.asked.models

    @property
    def attacks(self) -> list[str]:
        """Names of the attacks."""
        return [record["name"] for record in self.asked.attacks]

    @property
    def pairs(self) -> list[Pair]:
        """Every model under every attack, model by model."""
        return [Pair(model, attack) for model in self.models for attack in self.attacks]

    @property
    def queries(self) -> int:
        """Texts submitted to all models so far."""
        live = sum(int(e.data.get("queries", 0)) for p, e in self.latest.items() if p not in self.results)
        return live + sum(r.queries for r in self.results.values())

    def donors(self) -> list[Pair]:
        """Return the pairs with a changed text, those that flipped first."""
        changed = [pair for pair, result in self.results.items() if result.perturbed != self.text]
        return sorted(changed, key=lambda pair: self.results[pair].status != "succeeded")


def name_pairs(outcome: Outcome) -> dict[Pair, str]:
    """Name every pair, and every model alone; what all cards have in common is left out."""
    named = {Pair(model, ""): catalogue.name_model(model) for model in outcome.models}
    for pair in outcome.pairs:
        attack = ATTACKS[pair.attack].title
        several = len(outcome.attacks) > 1
        named[pair] = catalogue.name_model(pair.model) if not several else attack if len(outcome.models) == 1 else \
            f"{catalogue.name_model(pair.model)}, {attack}"
    return named


def to_document(outcome: Outcome) -> dict[str, Any]:
    """Write an outcome as plain data."""
    return {"version": VERSION, "id": outcome.id, "asked": outcome.asked.to_document(),
            "errors": [[*pair, line] for pair, line in outcome.errors.items()], "seconds": outcome.seconds,
            "trouble": outcome.trouble, "results": [to_result_record(r) for r in outcome.results.values()]}


def from_document(document: Mapping[str, Any]) -> Outcome:
    """Read what `to_document` wrote."""
    results = {}
    for record in document["results"]:
        # Strict JSON has no NaN: a view that was downloaded or stored holds null.
        similarity = math.nan if record["similarity"] is None else record["similarity"]
        result = read_result({**record, "similarity": similarity})
        results[Pair(result.victim, result.attack["name"])] = result
    errors = {Pair(model, attack): line for model, attack, line in document["errors"]}
    return Outcome(document["id"], Choices.from_document(document["asked"]), results, errors,
                   seconds=document["seconds"], trouble=document["trouble"])
