"""The one training loop: epochs, optimiser, schedule, clipping, selection on dev, exact resume, events."""

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from robust_core.errors import BadInput
from robust_core.models.optimiser import Optimiser, check_finite, compute_rate
from robust_core.train.batches import hide_words, make_batch, measure_accuracy, shuffle
from robust_core.train.saving import write_state
from robust_core.train.setup import Row, Setup

if TYPE_CHECKING:
    from robust_core.train.defence import Objective

# Seconds between two "step" events, and between two saved states while the rows of an epoch are made.
_EVERY, _SAVE_ROWS = 0.4, 20.0


class Loop:
    """A training under way.

    Args:
        setup: The training.
        objective: Its defence's side.
        dev: Rows that the epoch is selected on.
        who: What the saved state must agree with.
        folder: Where the state is saved; None saves none.
        save_every: Steps between two saved states.

    Attributes:
        best_accuracy: Accuracy on dev of the weights kept so far.
        best_epoch: Epoch they come from, 0 before the first that counts.
    """

    def __init__(self, setup: Setup, objective: "Objective", dev: Sequence[Row], who: dict[str, Any],
                 folder: Path | None, save_every: int) -> None:
        self._setup, self._objective, self._dev, self._who = setup, objective, dev, who
        self._folder, self._save_every = folder, save_every
        masks = [] if setup.network.masks is None else list(setup.network.masks.parameters())
        own = {id(p) for p in masks}
        # Masks and further modules are clipped by themselves, so that they do not change the network's own steps.
        groups = [[p for p in setup.network.parameters() if id(p) not in own], masks,
                  *(list(module.parameters()) for module in objective.modules.values())]
        recipe = setup.recipe
        self._optimiser = Optimiser(groups, recipe.learning_rate, weight_decay=recipe.weight_decay, clip=recipe.clip)
        self._learnt = {f"network.{name}" for name, p in setup.network.named_parameters() if p.requires_grad} | {
            f"network.{name}" for name, _ in setup.network.named_buffers()} & set(self._weights(every=True))
        self._epoch, self._step, self._taken, self._first_steps = 1, 0, 0, 0
        self._over = False
        self._sums: dict[str, torch.Tensor] = {}
        self._weight = 0.0
        self._order: Any = setup.random.order.bit_generator.state
        self._history: list[dict[str, Any]] = []
        self.best_accuracy, self.best_epoch = -1.0, 0
        self._best: dict[str, torch.Tensor] = {}
        self._before, self._began, self._shown = 0.0, time.perf_counter(), -math.inf

    def seconds(self) -> float:
        """Return the time spent on the training, that before a resume included."""
        return self._before + time.perf_counter() - self._began

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the end and leave the best weights in the network."""
        yield from self._history
        try:
            while not self._over:
                yield from self._run_epoch()
                self._save()
                yield self._history[-1]
        except GeneratorExit:
            # Events come between two steps, or two attacked texts: what is there then is whole.
            if self._setup.processes.parts == 1:
                self._save()
            raise
        if self._best:
            self._load_weights(self._best)

    def _run_epoch(self) -> Iterator[dict[str, Any]]:
        setup = self._setup
        setup.network.train()
        rows = yield from self._rows()
        self._order = setup.random.order.bit_generator.state
        batches = list(shuffle([row.ids for row in rows], setup.recipe.batch_size, setup.random.order))
        self._first_steps = self._first_steps or len(batches)
        for chosen in batches[self._step:]:
            terms = self._take_step([rows[i] for i in chosen], len(batches))
            if time.perf_counter() - self._shown > _EVERY:
                yield self._step_event(terms, len(batches))
            if self._step % self._save_every == 0 and self._step < len(batches):
                self._save()
        sums = {name: float(value) for name, value in self._sums.items()}
        terms = setup.processes.mean(sums, self._weight)
        check_finite(terms, f"after epoch {self._epoch}")
        accuracy = measure_accuracy(setup.network, self._dev, setup.tokens, setup.device)
        self._finish_epoch(terms, accuracy, len(rows))

    def _rows(self) -> "Iterator[dict[str, Any]]":
        """Ask the objective for the rows of the epoch; what it has of them is saved now and then."""
        making, saved = self._objective.rows(self._epoch), time.perf_counter()
        while True:
            try:
                event = next(making)
            except StopIteration as done:
                return done.value
            if time.perf_counter() - saved > _SAVE_ROWS and self._setup.processes.parts == 1:
                self._save()
                saved = time.perf_counter()
            yield event | {"epoch": self._epoch, "seconds": self.seconds()}

    def _take_step(self, rows: Sequence[Row], steps: int) -> dict[str, torch.Tensor]:
        """Train on one batch."""
        setup, recipe = self._setup, self._setup.recipe
        self._optimiser.set_rate(self._rate(steps))
        self._optimiser.zero_grad()
        mine = setup.processes.share(rows)
        terms: dict[str, torch.Tensor] = {}
        if mine:
            with setup.random.dropout:
                batch = make_batch(mine, setup.tokens, setup.device)
                if recipe.word_dropout and setup.word_model:
                    batch = hide_words(batch, recipe.word_dropout)
                terms = self._objective.gradients(batch)
            for name, value in terms.items():
                value = value.detach().float() * len(mine)
                self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._weight += len(mine)
        setup.processes.average(self._optimiser.parameters, len(mine) / len(rows))
        self._optimiser.step()
        self._step += 1
        self._taken += 1
        return terms

    def _rate(self, steps: int) -> float:
        """Return the share of the learning rate, from the share of the training that is done.

        An epoch's part of the schedule is the same however many rows it has, so the rate ends where it should when the
        rows grow.
        """
        recipe = self._setup.recipe
        if not self._objective.grows:
            return compute_rate(self._taken, self._first_steps * recipe.epochs, recipe.warmup, recipe.decay)
        return compute_rate((self._epoch - 1) * steps + self._step, recipe.epochs * steps, recipe.warmup, recipe.decay)

    def _step_event(self, terms: dict[str, torch.Tensor], steps: int) -> dict[str, Any]:
        self._shown = time.perf_counter()
        figures = {name: float(value) for name, value in terms.items()}
        done = self._epoch - 1 + self._step / steps
        seconds = self.seconds()
        return {"kind": "step", "epoch": self._epoch, "epochs": self._setup.recipe.epochs, "step": self._step,
                "steps": steps, "terms": figures, "loss": figures.get("loss", math.nan),
                "rate": self._optimiser.rate, "seconds": seconds,
                "eta": seconds / done * (self._setup.recipe.epochs - done)}

    def _finish_epoch(self, terms: dict[str, float], accuracy: float, rows: int) -> None:
        counts, epochs = self._objective.counts(self._epoch), self._setup.recipe.epochs
        if counts and accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch = accuracy, self._epoch
            self._best = {name: value.detach().clone() for name, value in self._weights().items()}
        seconds = self.seconds()
        self._history.append({
            "kind": "epoch", "epoch": self._epoch, "epochs": epochs, "loss": terms.get("loss", math.nan),
            "terms": terms, "rows": rows, "counts": counts, "dev_accuracy": accuracy, "seconds": seconds,
            "eta": seconds / self._epoch * (epochs - self._epoch)})
        patience = self._setup.recipe.patience
        late = bool(patience and self.best_epoch and self._epoch - self.best_epoch >= patience)
        self._over = self._epoch >= epochs or late
        if self._over and not self.best_epoch:
            self.best_accuracy, self.best_epoch = accuracy, self._epoch
        self._epoch, self._step, self._sums, self._weight = self._epoch + 1, 0, {}, 0.0
        self._order = self._setup.random.order.bit_generator.state

    def _weights(self, every: bool = False) -> dict[str, torch.Tensor]:
        """Return the tensors that are trained, by name; with `every` the frozen ones as well."""
        modules: dict[str, nn.Module] = {"network": self._setup.network} | {
            f"modules.{name}": module for name, module in self._objective.modules.items()}
        found = {f"{prefix}.{name}": value for prefix, module in modules.items()
                 for name, value in module.state_dict().items()}
        return {name: value for name, value in found.items()
                if every or name in self._learnt or name.startswith("modules.")}

    def _load_weights(self, weights: dict[str, torch.Tensor]) -> None:
        own = self._weights(every=True)
        with torch.no_grad():
            for name, value in weights.items():
                own[name].copy_(value)

    def _save(self) -> None:
        if self._folder is None:
            return
        parts = self._setup.processes.gather(self._setup.random.state() | {"order": self._order} | {
            "sums": {name: value.cpu() for name, value in self._sums.items()}, "weight": self._weight})
        if self._setup.processes.part:
            return
        write_state(self._folder, {
            "who": self._who, "weights": self._weights(), "best": self._best, "parts": parts,
            "optimiser": self._optimiser.state(), "course": self._objective.state(),
            "loop": [self._epoch, self._step, self._taken, self._first_steps, self._over, self.best_accuracy,
                     self.best_epoch, self.seconds()], "history": self._history})

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state; None is the beginning.

        Raises:
            BadInput: It is the state of another training.
        """
        if state is None:
            return
        if state["who"] != self._who:
            other = [name for name in self._who if state["who"].get(name) != self._who[name]]
            raise BadInput(f"The saved training differs in {', '.join(other)}; to begin anew, train without --resume, "
                           f"or delete {self._folder}.")
        self._load_weights(state["weights"])
        device = self._setup.device
        self._best = {name: value.to(device) for name, value in state["best"].items()}
        self._optimiser.load(state["optimiser"])
        mine = state["parts"][self._setup.processes.part]
        self._setup.random.load(mine)
        self._sums = {name: value.to(device) for name, value in mine["sums"].items()}
        self._weight, self._order = mine["weight"], mine["order"]
        (self._epoch, self._step, self._taken, self._first_steps, self._over, self.best_accuracy, self.best_epoch,
         self._before) = state["loop"]
        self._history = state["history"]
        self._objective.load(state["course"])
