"""Adversarial training: attack the newest weights now and then, and train on what came out as well."""

import dataclasses
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from robust_core.attacks import ATTACKS
from robust_core.defences import DEFENCES
from robust_core.registry import param
from robust_core.text import Draft
from robust_core.train.defence import Defence, Objective

if TYPE_CHECKING:
    import torch

    from robust_core.attacks.base import Attack
    from robust_core.train.defence import Rows
    from robust_core.train.recipe import Recipe
    from robust_core.train.setup import Batch, Row, Setup
    from robust_core.types import AttackResult, Precision

# Attacks whose texts keep their label and change the prediction.
FLIPPING = tuple(name for name, attack in ATTACKS.items() if attack.goal == "flip")
_EVERY = 0.4
# What the authors' code does otherwise than their paper says (and the cures that are the default here).
_RELEASED = {"texts": "all", "double_softmax": True, "training_mode": True, "select_all": True, "fixed_schedule": True,
             "no_clipping": True}


A = TypeVar("A", bound="Adversarial")


class AdversarialObjective(Objective[A]):
    """One adversarial training.

    Args:
        setup: The training.
        defence: Its parameters.
    """

    def __init__(self, setup: "Setup", defence: A) -> None:
        super().__init__(setup, defence)
        self.grows = not defence.fixed_schedule
        self._training_mode = defence.training_mode and setup.word_model
        if defence.no_clipping and setup.word_model:
            setup.recipe = dataclasses.replace(setup.recipe, clip=0.0)
        self._round = 0
        self._chosen: list[int] = []
        # What became of the examples attacked in this round so far: the new text, or None for one that is left out.
        self._found: dict[int, str | None] = {}
        self._rows: dict[int, Row] = {}

    def rows(self, epoch: int) -> "Rows":
        """Attack before the first epoch of each round; the adversarial rows of earlier rounds are dropped."""
        due = find_round(self.defence, epoch)
        if due > self._round:
            self._round, self._found, self._rows = due, {}, {}
            self._chosen = self._choose()
        if due:
            yield from self._attack()
        return [*self.setup.rows, *self._made()]

    def _choose(self) -> list[int]:
        total, most = len(self.setup.rows), self.defence.attacked
        if not most or most >= total:
            return list(range(total))
        return sorted(self.setup.random.choice.choice(total, most, replace=False).tolist())

    def _attack(self) -> Iterator[dict[str, Any]]:
        """Attack the chosen examples that have not been attacked in this round."""
        from robust_core.train.live_classifier import open_live_classifier

        setup = self.setup
        left = setup.processes.share([i for i in self._chosen if i not in self._found])
        number = {setup.examples[i].uid: i for i in left}
        began, shown, done, flipped = time.perf_counter(), 0.0, 0, 0
        if left:
            with open_live_classifier(setup, training=self._training_mode) as victim:
                for event in self._method().run([victim], [setup.examples[i] for i in left],
                                                seed=setup.seed * 1000 + self._round, precision=self._precision(),
                                                similarity=False):
                    if event.kind not in ("result", "error"):
                        continue
                    self._found[number[event.uid]] = self._text(event.result)
                    done, flipped = done + 1, flipped + (event.result is not None
                                                         and event.result.status == "succeeded")
                    seconds = time.perf_counter() - began
                    if seconds - shown > _EVERY or done == len(left):
                        shown = seconds
                        yield {"kind": "attack", "round": self._round, "rounds": self.defence.rounds,
                               "attack": self.defence.attack, "done": len(self._found), "total": len(self._chosen),
                               "succeeded": flipped, "eta": seconds / done * (len(left) - done)}
        self._found = {i: text for part in setup.processes.gather(self._found) for i, text in part.items()}

    def _method(self) -> "Attack":
        return ATTACKS[self.defence.attack](max_queries=self.defence.max_queries)

    def _precision(self) -> "Precision":
        # With dropout on, two looks at a text differ by more than precisions do.
        return "exact" if self._training_mode else "screened"

    def _text(self, result: "AttackResult | None") -> str | None:
        if result is None:
            return None
        changed = result.perturbed != result.example.text
        wanted = {"all": True, "changed": changed, "successes": result.status == "succeeded"}
        return result.perturbed if wanted[self.defence.texts] else None

    def _made(self) -> list["Row"]:
        from robust_core.train.setup import Row

        attack = self._method()
        for i, text in self._found.items():
            if text is not None and i not in self._rows:
                clean, coded = self.setup.rows[i], self.setup.tokens.encode(text)
                partners = find_partners(attack, self.setup.examples[i].text, text)
                owner = tuple(word if word < 0 else partners[word] for word in coded.owner)
                self._rows[i] = Row(coded.ids, clean.label, i, owner, clean)
        return [self._rows[i] for i in self._chosen if i in self._rows]

    def loss(self, batch: "Batch") -> "torch.Tensor":
        """Return the mean cross-entropy of a batch, a scalar with its graph."""
        return self.cross_entropy(batch)

    def cross_entropy(self, batch: "Batch") -> "torch.Tensor":
        """Return the mean cross-entropy of a batch, a scalar with its graph.

        With `double_softmax` it takes a word model's probabilities for scores.
        """
        from torch.nn.functional import cross_entropy

        network = self.setup.network
        with self.setup.autocast():
            scores = network(network.embedding(batch.ids), batch.mask).float()
        double = self.defence.double_softmax and self.setup.word_model
        return cross_entropy(scores.softmax(-1) if double else scores, batch.labels)

    def counts(self, epoch: int) -> bool:
        """Return whether an epoch comes after the first attack, if there is one."""
        every = not self.defence.rounds or self.defence.select_all and not self.setup.word_model
        return every or epoch > self.defence.clean_epochs

    def state(self) -> dict[str, Any]:
        """Return the adversarial texts of the round so far."""
        return {"round": self._round, "chosen": self._chosen,
                "found": [[i, text] for i, text in self._found.items()]}

    def load(self, state: dict[str, Any]) -> None:
        """Take back the adversarial texts."""
        self._round, self._chosen = state["round"], state["chosen"]
        self._found, self._rows = {i: text for i, text in state["found"]}, {}


@DEFENCES.register("adversarial", title="Adversarial training", source="https://arxiv.org/abs/2203.12709")
@dataclasses.dataclass(frozen=True)
class Adversarial(Defence):
    """Attack the newest weights every few epochs; train on the clean texts and on the adversarial ones."""

    attack: str = param("textfooler", "Attack that makes the adversarial texts", choices=FLIPPING)
    rounds: int = param(2, "How often the newest weights are attacked", low=0, high=100)
    attacked: int = param(10_000, "Training texts attacked in a round; 0: all", low=0, high=10_000_000)
    clean_epochs: int = param(10, "Epochs on clean texts alone, before the first round", low=0, high=200)
    round_epochs: int = param(10, "Epochs after each round", low=1, high=200)
    texts: str = param("changed", "Attacked texts to train on: all, those the attack changed, or its successes",
                       choices=("all", "changed", "successes"))
    max_queries: int = param(0, "Most queries of the attack for a text; 0: no limit", low=0)
    double_softmax: bool = param(False, "As released: the loss takes probabilities for scores (word models)")
    training_mode: bool = param(False, "As released: attack with dropout and sampled masks on (word models)")
    select_all: bool = param(False, "As released: select on dev among the epochs before the first round as well "
                                    "(transformers)")
    fixed_schedule: bool = param(False, "As released: plan the learning rate for the clean texts alone")

    no_clipping: bool = param(False, "As released: gradients are not clipped, whatever the recipe says (word models)")

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}, "as-released": _RELEASED}
    FOR_SMALL: ClassVar[dict[str, Any]] = {"rounds": 1, "attacked": 40, "clean_epochs": 24, "round_epochs": 8}
    from_base: ClassVar[bool] = True

    @property
    def variant(self) -> str:
        """Last part of a model id, such as adversarial-textfooler."""
        return f"{self.name}-{self.attack}"

    def fit(self, recipe: "Recipe") -> "Recipe":
        """Set the number of epochs."""
        return dataclasses.replace(recipe, epochs=max(self.clean_epochs + self.rounds * self.round_epochs, 1))

    def objective(self, setup: "Setup") -> Objective:
        """Begin a training."""
        return AdversarialObjective(setup, self)


def find_partners(attack: "Attack", before: str, after: str) -> list[int]:
    """Return for each word of a perturbed text the index of the word that it stands for, -1 for an inserted one.

    Args:
        attack: What made it; the words of an attack that only swaps stay in their places.
        before: The original text.
        after: The perturbed text.
    """
    words = Draft.of(after).words
    found = [-1] * len(words)
    for i, j in attack.pair_words(Draft.of(before).words, words):
        if i is not None and j is not None:
            found[j] = i
    return found


def find_round(defence: Adversarial, epoch: int) -> int:
    """Return the newest round before the end of an epoch, 0 while there was none."""
    since = epoch - defence.clean_epochs
    return 0 if since < 1 or not defence.rounds else min((since - 1) // defence.round_epochs + 1, defence.rounds)
