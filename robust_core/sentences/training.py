"""The training of a sentence encoder: corpus, steps, selection on STS-B dev, events, and the stored adapter."""

import dataclasses
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robust_core import __version__
from robust_core.errors import BadInput
from robust_core.models import adapters, checkpoint
from robust_core.models.body import parent
from robust_core.models.precision import fast_bf16
from robust_core.models.rows import batches, padded
from robust_core.registry import to_record
from robust_core.sentences import corpus, similarity
from robust_core.sentences.methods import Schedule, SimCSE
from robust_core.sentences.network import SentenceBatch, SentenceNetwork, Training
from robust_core.text import clean
from robust_core.train import Randomness, Recipe, add_low_rank, rate, shuffled

_EVERY = 0.5
_LORA_SCALE = 2.0
# Longest input of a finished encoder in pieces, as all-MiniLM-L6-v2 has it.
_LONGEST = 256


def train(method: SimCSE, schedule: Schedule, *, sentences: int | None = None, seed: int = 0, device: str = "auto",
          data_dir: str | None = None, name: str = "", start: str = "") -> Iterator[dict[str, Any]]:
    """Train an encoder and keep the weights that do best on STS-B dev.

    Args:
        method: Member of METHODS.
        schedule: How long and how fast.
        sentences: Sentences to learn from, 0 for all; by default 6,000 on a CPU and all on a GPU.
        seed: Seeds order, dropout, masks and first weights; the sentences are the same for every seed.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of data sets.
        name: Name of the encoder; its method's by default.
        start: Folder or Hugging Face id of the encoder to start from; the packaged one if empty.

    Yields:
        {"kind": "ready", sentences, steps}; {"kind": "step", step, steps, terms, loss, seconds, eta} at least each half
        second; {"kind": "check", step, steps, spearman} after each look at STS-B dev, the first of the encoder as it
        was; at last {"kind": "trained", "card": EncoderCard, "weights": …}, for `adapters.save`.

    Raises:
        MissingResource: Sentences, STS-B dev or the encoder are not here.
        BadInput: The loss is not finite, there are fewer sentences than a batch, or the encoder cannot be read.
        Incompatible: The method does not work on this encoder.
    """
    where = checkpoint.pick_device(device)
    random = Randomness(seed, where)
    body, tokens, sha256 = parent(start, _LONGEST)
    if sentences is None:
        sentences = 0 if where.type == "cuda" else corpus.ON_CPU
    given = corpus.read(tokens.until(schedule.length), sentences, schedule.length, data_dir)
    if len(given.rows) < schedule.batch_size:
        raise BadInput(f"There are only {len(given.rows)} sentences of at most {schedule.length} pieces; a batch has "
                       f"{schedule.batch_size}.")
    dev = similarity.pairs(similarity.DEV, data_dir)
    with random.first:
        network = SentenceNetwork(body, method.projection)
        add_low_rank(network, Recipe(rank=schedule.rank, lora_targets=schedule.lora_targets))
        network.to(where)
        training = Training(network, tokens, where, random, schedule.mixed and fast_bf16(where), schedule.rank,
                            schedule.lora_targets, lambda: parent(start, _LONGEST).body)
        course = method.course(training)
    loop = _Loop(training, course, schedule, given, dev)
    yield {"kind": "ready", "sentences": len(given.rows), "steps": loop.steps}
    yield from loop.run()
    card = adapters.EncoderCard(
        id=(name or to_record(method)["name"]) + f"@{seed}" * bool(seed), method=to_record(method),
        schedule=dataclasses.asdict(schedule), seed=seed,
        config={"lora_scale": _LORA_SCALE, "length": tokens.length} | ({"start": start} if start else {}),
        corpus={"n": len(given.rows), "longest": given.length, "sources": dict(given.sources),
                "drawn_from": given.drawn_from, "sha256": given.sha256},
        dev={"task": "stsb dev", "metric": "spearman", "n": len(dev.scores), "before": loop.checks[0][1],
             "after": loop.best, "step": loop.best_step, "checks": [list(check) for check in loop.checks]},
        steps=loop.steps, seconds=round(loop.seconds, 1), device=where.type, bytes=0, files={},
        parent=sha256, version=__version__, folder=Path())
    yield {"kind": "trained", "card": card, "weights": loop.weights}


class _Loop:
    """A training under way."""

    def __init__(self, training: Training, course: Any, schedule: Schedule, given: corpus.Corpus,  # noqa: ANN401
                 dev: similarity.Pairs) -> None:
        self._training, self._course, self._schedule, self._given, self._dev = training, course, schedule, given, dev
        modules = [training.network, *course.modules.values()]
        # Groups are clipped by themselves, so that a discriminator does not change the encoder's own steps.
        self._groups = [[p for p in module.parameters() if p.requires_grad] for module in modules]
        self._optimiser = torch.optim.AdamW([p for group in self._groups for p in group], lr=schedule.learning_rate,
                                            weight_decay=0.0)
        # A batch of one sentence has nothing to be told from, so what is left of an epoch is left out.
        self._a_epoch = len(given.rows) // schedule.batch_size
        self.steps = schedule.epochs * self._a_epoch
        self._recipe = Recipe(warmup=schedule.warmup, decay=schedule.decay)
        self.seconds, self.best, self.best_step = 0.0, -math.inf, 0
        self.checks: list[tuple[int, float]] = []
        self.weights: dict[str, torch.Tensor] = {}

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the end; `weights` are the best then."""
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
            groups = [group for group in shuffled(self._given.rows, self._schedule.batch_size,
                                                  self._training.random.order)]
            whole = [group for group in groups if len(group) == self._schedule.batch_size]
            for group in whole[: self._a_epoch]:
                yield [self._given.rows[i] for i in group]

    def _take(self, step: int, rows: list[tuple[int, ...]]) -> dict[str, float]:
        training, schedule = self._training, self._schedule
        for group in self._optimiser.param_groups:
            group["lr"] = schedule.learning_rate * rate(step, self.steps, self._recipe)
        for module in (training.network, *self._course.modules.values()):
            module.train()
        self._optimiser.zero_grad()
        with training.random.dropout:
            terms = self._course.terms(SentenceBatch(*padded(rows, training.tokens.pad_id, training.device)))
            sum(terms.values(), start=torch.zeros((), device=training.device)).backward()
        for group in self._groups if schedule.clip else ():
            torch.nn.utils.clip_grad_norm_(group, schedule.clip)
        self._optimiser.step()
        figures = {name: float(term.detach()) for name, term in terms.items()}
        if not all(map(math.isfinite, figures.values())):
            raise BadInput(f"The loss is not a number at step {step + 1}: lower the learning rate.")
        return figures

    def _check(self, step: int) -> dict[str, Any]:
        """Ask STS-B dev, and keep the weights if none were better; those before the training do not count."""
        value, _ = similarity.correlation(_Asked(self._training), self._dev)
        self.checks.append((step, value))
        if step and value > self.best:
            self.best, self.best_step = value, step
            self.weights = {name.removeprefix("body.").replace(".default.weight", ""): p.detach().cpu().half().clone()
                            for name, p in self._training.network.named_parameters() if ".lora_" in name}
        return {"kind": "check", "step": step, "steps": self.steps, "spearman": value}


class _Asked:
    """The encoder under training, asked for vectors."""

    id = "training"

    def __init__(self, training: Training) -> None:
        self._training = training
        self._tokens = training.tokens.until(128)

    def encode(self, texts: Any) -> np.ndarray:  # noqa: ANN401 (a sequence of texts)
        """Return (n, d) float32 rows of length one."""
        network, device = self._training.network, self._training.device
        rows = [self._tokens.ids(clean(text)) for text in texts]
        found = np.zeros((len(rows), network.body.width), dtype=np.float32)
        network.eval()
        for chosen in batches(rows, 32_768 if device.type == "cuda" else 2048):
            ids, mask = padded([rows[i] for i in chosen], self._tokens.pad_id, device)
            with torch.no_grad(), self._training.autocast():
                vectors = network.represent(network.embedding(ids), mask)
            found[chosen] = torch.nn.functional.normalize(vectors, dim=-1).float().cpu().numpy()
        return found
