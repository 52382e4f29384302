"""The training loop of a sentence encoder: steps, looks at dev, and the weights that did best there."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from robust_core.cleaning import clean
from robust_core.encoder_training.networks import SentenceBatch, Training
from robust_core.encoder_training.objectives import Objective
from robust_core.models.batching import pad_rows, split_batches
from robust_core.models.optimiser import Optimiser, check_finite, compute_rate
from robust_core.protocols import Encoder
from robust_core.train.batches import shuffle

if TYPE_CHECKING:
    from robust_core.encoder_training.base import Schedule

_EVERY = 0.5


class EncoderLoop:
    """A training under way.

    Args:
        training: What is trained.
        objective: What it minimises.
        schedule: How long and how fast.
        rows: Piece ids of each sentence, special pieces included.
        dev: From an encoder to its Spearman correlation on dev.

    Attributes:
        steps: Steps of the whole training.
        seconds: Time it has taken.
        best: Highest correlation after a step; `best_step` is that step.
        checks: Step and correlation of each look at dev, the first of the encoder as it was.
        weights: Low-rank weights of the best step, in fp16.
    """

    def __init__(self, training: Training, objective: Objective, schedule: "Schedule",
                 rows: Sequence[tuple[int, ...]], dev: Callable[[Encoder], float]) -> None:
        self._training, self._objective, self._schedule = training, objective, schedule
        self._rows, self._dev = rows, dev
        modules = [training.network, *objective.modules.values()]
        # Groups are clipped by themselves, so that a discriminator does not change the encoder's own steps.
        self._optimiser = Optimiser([module.parameters() for module in modules], schedule.learning_rate,
                                    clip=schedule.clip)
        # A batch of one sentence has nothing to be told from, so what is left of an epoch is left out.
        self._a_epoch = len(rows) // schedule.batch_size
        self.steps = schedule.epochs * self._a_epoch
        self.seconds, self.best, self.best_step = 0.0, -math.inf, 0
        self.checks: list[tuple[int, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the end; `weights` are the best then.

        Yields:
            {"kind": "step", step, steps, terms, loss, seconds, eta} at least each half second; {"kind": "check", step,
            steps, spearman} after each look at dev.

        Raises:
            BadInput: The loss is not finite.
        """
        yield self._check(0)
        at = {round(self.steps * (i + 1) / self._schedule.checks) for i in range(self._schedule.checks)}
        began, shown = time.perf_counter(), -math.inf
        for step, rows in enumerate(self._batches()):
            terms = self._take(step, rows)
            self.seconds = time.perf_counter() - began
            if time.perf_counter() - shown > _EVERY:
                shown = time.perf_counter()
                yield {"kind": "step", "step": step + 1, "steps": self.steps, "terms": terms,
                       "loss": sum(terms.values()), "seconds": self.seconds,
                       "eta": self.seconds / (step + 1) * (self.steps - step - 1)}
            if step + 1 in at:
                yield self._check(step + 1)
        self.seconds = time.perf_counter() - began

    def _batches(self) -> Iterator[list[tuple[int, ...]]]:
        for _ in range(self._schedule.epochs):
            groups = [group for group in shuffle(self._rows, self._schedule.batch_size,
                                                 self._training.random.order)]
            whole = [group for group in groups if len(group) == self._schedule.batch_size]
            for group in whole[: self._a_epoch]:
                yield [self._rows[i] for i in group]

    def _take(self, step: int, rows: list[tuple[int, ...]]) -> dict[str, float]:
        training, schedule = self._training, self._schedule
        self._optimiser.set_rate(compute_rate(step, self.steps, schedule.warmup, schedule.decay))
        for module in (training.network, *self._objective.modules.values()):
            module.train()
        self._optimiser.zero_grad()
        with training.random.dropout:
            terms = self._objective.terms(SentenceBatch(*pad_rows(rows, training.tokens.pad_id, training.device)))
            sum(terms.values(), start=torch.zeros((), device=training.device)).backward()
        self._optimiser.step()
        figures = {name: float(term.detach()) for name, term in terms.items()}
        check_finite(figures, f"at step {step + 1}")
        return figures

    def _check(self, step: int) -> dict[str, Any]:
        """Ask dev, and keep the weights if none were better; those before the training do not count."""
        value = self._dev(_Encoder(self._training))
        self.checks.append((step, value))
        if step and value > self.best:
            self.best, self.best_step = value, step
            self.weights = {name.removeprefix("body.").replace(".default.weight", ""): p.detach().cpu().half().clone()
                            for name, p in self._training.network.named_parameters() if ".lora_" in name}
        return {"kind": "check", "step": step, "steps": self.steps, "spearman": value}


class _Encoder:
    """The encoder under training as what a measurement asks for vectors."""

    id, batch = "training", 64

    def __init__(self, training: Training) -> None:
        self._training = training
        self._tokens = training.tokens.until(128)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32 rows of length one."""
        network, device = self._training.network, self._training.device
        rows = [self._tokens.ids(clean(text)) for text in texts]
        found = np.zeros((len(rows), network.body.width), dtype=np.float32)
        network.eval()
        for chosen in split_batches(rows, 32_768 if device.type == "cuda" else 2048):
            ids, mask = pad_rows([rows[i] for i in chosen], self._tokens.pad_id, device)
            with torch.no_grad(), self._training.autocast():
                vectors = network.represent(network.embedding(ids), mask)
            found[chosen] = torch.nn.functional.normalize(vectors, dim=-1).float().cpu().numpy()
        return found
