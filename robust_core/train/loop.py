"""The one training loop: batches, schedule, clipping, selection on dev, events."""

import copy
import dataclasses
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from robust_core import __version__, datasets
from robust_core.errors import BadInput, UnknownName
from robust_core.models import checkpoint
from robust_core.models.network import Network
from robust_core.models.precision import fast_bf16
from robust_core.models.rows import padded
from robust_core.models.tokens import word_pieces
from robust_core.registry import check_parameters, param, to_record
from robust_core.resources import word_vectors
from robust_core.text import Draft
from robust_core.types import Example

if TYPE_CHECKING:
    from robust_core.defences.base import Defence


class Batch(NamedTuple):
    """One training batch: (n, t) token ids, (n, t) bool mask, (n,) labels."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How long and how fast to train; `recipe_for` gives each architecture its defaults."""

    epochs: int = param(10, "Passes over the training texts", low=1, high=200)
    learning_rate: float = param(1e-3, "Largest step of the optimiser", low=0.0, high=1.0)
    batch_size: int = param(64, "Texts per step", low=1, high=4096)
    weight_decay: float = param(0.0, "Decoupled weight decay", low=0.0, high=1.0)
    warmup: float = param(0.0, "Share of the steps in which the rate rises", low=0.0, high=1.0)
    decay: str = param("constant", "Course of the rate after the warm-up", choices=("constant", "linear"))
    clip: float = param(1.0, "Largest gradient norm; 0 switches clipping off", low=0.0)
    dropout: float = param(0.2, "Share of features dropped in training", low=0.0, high=0.9)
    embedding_dropout: float = param(
        0.0, "Share of the word vectors' coordinates dropped in training (word models)", low=0.0, high=0.9)
    word_dropout: float = param(0.0, "Share of words read as unknown in training (word models)", low=0.0, high=0.9)
    length: int = param(50, "Longest input, in tokens", low=1, high=512)
    rank: int = param(8, "Rank of the low-rank weights of a transformer; 0 trains all its weights", low=0, high=64)
    mixed: bool = param(True, "Run matrix products in bf16 where the processor has it (transformers)")
    lora_targets: str = param("attention", "Which layers get low-rank weights", choices=("attention", "all"))

    def __post_init__(self) -> None:
        check_parameters(self)


class Trained(NamedTuple):
    """Outcome of a training: the best epoch's network, its tokenizer and its card (not yet saved)."""

    network: Network
    tokens: Any
    card: checkpoint.Card


def recipe_for(architecture: str, dataset: str, **changes: Any) -> Recipe:  # noqa: ANN401 (fields of Recipe)
    """Return the recipe chosen on dev for an architecture, with `changes` applied."""
    if architecture in ("cnn", "lstm"):
        defaults: dict[str, Any] = {"epochs": 10, "learning_rate": 5e-4, "batch_size": 32, "dropout": 0.5,
                                    "embedding_dropout": 0.3, "word_dropout": 0.05,
                                    "length": datasets.describe(dataset).length}
        if architecture == "lstm":
            defaults |= {"learning_rate": 1e-3, "batch_size": 64, "dropout": 0.4, "embedding_dropout": 0.4,
                         "word_dropout": 0.15}
    else:
        defaults = {"epochs": 4, "learning_rate": 5e-4, "batch_size": 32, "weight_decay": 0.01, "warmup": 0.06,
                    "decay": "linear", "dropout": 0.1, "length": 128, "rank": 16, "lora_targets": "all"}
    return Recipe(**(defaults | changes))


def train(defence: "Defence", dataset: str, architecture: str, recipe: Recipe, *, seed: int = 0, device: str = "auto",
          data_dir: str | None = None) -> Iterator[dict[str, Any]]:
    """Train a classifier and select its best epoch on the dev split.

    Args:
        defence: Member of DEFENCES.
        dataset: Name of the data set.
        architecture: cnn, lstm or minilm.
        recipe: How long and how fast.
        seed: Seeds initialisation, order and dropout; the caller's random numbers are neither used nor moved.
        device: auto, cpu, cuda, mps.
        data_dir: Folder of the data sets.

    Yields:
        {"kind": "epoch", epoch, epochs, loss, dev_accuracy, seconds, eta} after each epoch, and at last
        {"kind": "trained", "trained": Trained}.

    Raises:
        UnknownName: There is no such architecture or data set.
        MissingResource: The data are not here.
        BadInput: The loss is not finite.
    """
    if architecture not in checkpoint.ARCHITECTURES:
        raise UnknownName("architecture", architecture, list(checkpoint.ARCHITECTURES))
    splits = {split: datasets.load(dataset, split, data_dir) for split in ("train", "dev")}
    labels = datasets.describe(dataset).labels
    where = checkpoint.pick_device(device)
    started = time.perf_counter()
    own = _OwnRandomness(seed, where)
    with own:
        vocabulary = learn_vocabulary(splits["train"]) if architecture in ("cnn", "lstm") else ()
        config: dict[str, Any] = {"length": recipe.length, "dropout": recipe.dropout}
        if vocabulary:
            config["embedding_dropout"] = recipe.embedding_dropout
        network, tokens = checkpoint.build(architecture, config, labels, vocabulary)
        if vocabulary:
            _set_word_vectors(network, vocabulary)
        elif recipe.rank:
            add_low_rank(network, recipe)
        network.to(where)
    loop = _Loop(defence, network, tokens, recipe, where,
                 {name: [(tokens.encode(e.text).ids, int(e.label or 0)) for e in split]
                  for name, split in splits.items()},
                 np.random.default_rng(seed), word_model=bool(vocabulary))
    best: tuple[float, int, dict[str, torch.Tensor]] = (-1.0, 0, {})
    for epoch in range(1, recipe.epochs + 1):
        with own:
            loss = loop.epoch()
        if not math.isfinite(loss):
            raise BadInput(f"The loss is not a number after epoch {epoch}: lower the learning rate.")
        accuracy = loop.accuracy("dev")
        if accuracy > best[0]:
            best = (accuracy, epoch, copy.deepcopy(network.state_dict()))
        seconds = time.perf_counter() - started
        yield {"kind": "epoch", "epoch": epoch, "epochs": recipe.epochs, "loss": loss, "dev_accuracy": accuracy,
               "seconds": seconds, "eta": seconds / epoch * (recipe.epochs - epoch)}
    network.load_state_dict(best[2])
    network.eval()
    suffix = f"@{seed}" if seed else ""
    card = checkpoint.Card(
        id=f"{dataset}/{architecture}/{defence.name}{suffix}", dataset=dataset,
        architecture=architecture, defence=to_record(defence), seed=seed, labels=labels,
        config={"network": config} | ({"lora_scale": 2.0} if recipe.rank and not vocabulary else {}),
        recipe=dataclasses.asdict(recipe), dev_accuracy=best[0], epochs=best[1],
        seconds=round(time.perf_counter() - started, 1), device=where.type,
        parameters=sum(p.numel() for p in network.parameters()), bytes=0, files={},
        data={name: {"n": len(split), "sha256": datasets.fingerprint(split)} for name, split in splits.items()},
        parent="" if vocabulary else checkpoint.encoder_hash(),
        version=__version__, folder=checkpoint.SHIPPED)
    yield {"kind": "trained", "trained": Trained(network, tokens, card)}


class _OwnRandomness:
    """A stretch of torch's random numbers that is the training's own; outside of it the caller's go on untouched.

    Args:
        seed: Where the stretch begins.
        device: Device whose numbers are taken over as well.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed)
            self._state = self._read()

    def _read(self) -> list[torch.Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._devices)]

    def _write(self, state: list[torch.Tensor]) -> None:
        torch.set_rng_state(state[0])
        for device, part in zip(self._devices, state[1:], strict=True):
            torch.cuda.set_rng_state(part, device)

    def __enter__(self) -> None:
        self._outside = self._read()
        self._write(self._state)

    def __exit__(self, *error: object) -> None:
        self._state = self._read()
        self._write(self._outside)


class _Loop:
    """The optimiser's side of a training: one call of `epoch` is one pass over the training rows."""

    def __init__(self, defence: "Defence", network: Network, tokens: Any,  # noqa: ANN401 (either tokenizer)
                 recipe: Recipe, device: torch.device, data: dict[str, list[tuple[tuple[int, ...], int]]],
                 order: np.random.Generator, *, word_model: bool) -> None:
        self._defence, self._network, self._tokens, self._recipe = defence, network, tokens, recipe
        self._device, self._data, self._order, self._word_model = device, data, order, word_model
        self._mixed = recipe.mixed and not word_model and fast_bf16(device)
        self._optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad],
                                            lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
        steps = math.ceil(len(data["train"]) / recipe.batch_size) * recipe.epochs
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, lambda step: rate(step, steps, recipe))

    def epoch(self) -> float:
        """Train for one epoch and return the mean loss."""
        self._network.train()
        rows = [row for row, _ in self._data["train"]]
        losses = []
        for chosen in shuffled(rows, self._recipe.batch_size, self._order):
            batch = make_batch([rows[i] for i in chosen], [self._data["train"][i][1] for i in chosen], self._tokens,
                               self._device)
            if self._recipe.word_dropout and self._word_model:
                batch = hide_words(batch, self._recipe.word_dropout)
            with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._mixed):
                loss = self._defence.loss(self._network, batch)
            self._optimiser.zero_grad()
            loss.backward()
            if self._recipe.clip:
                torch.nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip)
            self._optimiser.step()
            self._schedule.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    def accuracy(self, split: str) -> float:
        """Return the share of a split that is classified correctly now."""
        rows, labels = zip(*self._data[split], strict=True)
        return accuracy_of(self._network, rows, labels, self._tokens, self._device)


def save(trained: Trained, root: Any) -> checkpoint.Card:  # noqa: ANN401 (a path)
    """Write a trained model as a checkpoint (fp16 tables and low-rank weights); returns the finished card."""
    state = trained.network.state_dict()
    if trained.card.architecture in ("cnn", "lstm"):
        weights = {name: value.half() for name, value in state.items() if name != "embedding.weight"}
        shared = {"embedding.safetensors": {"weight": state["embedding.weight"].half()},
                  "vocabulary.txt": "\n".join(trained.tokens.words).encode()}
        return checkpoint.save(trained.card, weights, shared, root)
    kept = {}
    for name, value in state.items():
        if ".lora_" in name:
            kept[name.replace(".default.weight", "")] = value.half()
        elif name.startswith("head."):
            kept[name] = value
        elif not trained.card.recipe["rank"]:
            kept[name] = value.half()
    return checkpoint.save(trained.card, kept, {}, root)


def learn_vocabulary(examples: Sequence[Example], at_least: int = 1) -> tuple[str, ...]:
    """Return the word pieces of the training texts, most frequent first, ties in alphabetical order."""
    counts = Counter(piece for e in examples for word in Draft.of(e.text).words for piece in word_pieces(word))
    return tuple(sorted((w for w, n in counts.items() if n >= at_least), key=lambda w: (-counts[w], w)))


def _set_word_vectors(network: Network, vocabulary: tuple[str, ...]) -> None:
    table = network.embedding.weight
    vectors = torch.from_numpy(word_vectors(vocabulary, table.shape[1]))
    # Coordinates of about 0.5: chosen on dev among 0.1, 0.25, 0.5 and 0.7, since the step size of Adam is absolute.
    vectors *= 0.5 / vectors.std()
    with torch.no_grad():
        table[2:] = vectors
        table[1] = torch.empty(table.shape[1]).uniform_(-0.05, 0.05)


def add_low_rank(network: Network, recipe: Recipe) -> None:
    """Freeze the encoder and add low-rank weights (Hu et al. 2022) with scale 2; the head stays trainable."""
    from peft import LoraConfig, inject_adapter_in_model

    dense = {"attention": r".*attention\.(self\.(query|key|value)|output\.dense)",
             "all": r".*(query|key|value|dense)"}[recipe.lora_targets]
    network.body.requires_grad_(False)
    inject_adapter_in_model(LoraConfig(r=recipe.rank, lora_alpha=2 * recipe.rank, target_modules=dense), network)
    for name, weight in network.named_parameters():
        weight.requires_grad_("lora_" in name or name.startswith("head."))


def rate(step: int, steps: int, recipe: Recipe) -> float:
    """Return the share of the learning rate to use at a step."""
    rising = recipe.warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    if recipe.decay == "linear":
        return max(0.0, (steps - step) / max(1.0, steps - rising))
    return 1.0


def shuffled(rows: Sequence[Sequence[int]], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield batches in random order; texts of like length share a batch so that few pads are run."""
    order = rng.permutation(len(rows))
    batches = []
    for start in range(0, len(order), size * 16):
        pool = sorted(order[start: start + size * 16].tolist(), key=lambda i: len(rows[i]))
        batches += [pool[i: i + size] for i in range(0, len(pool), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def make_batch(rows: Sequence[Sequence[int]], labels: Sequence[int], tokens: Any,  # noqa: ANN401 (either tokenizer)
               device: torch.device) -> Batch:
    """Pad rows to their longest."""
    ids, mask = padded(rows, tokens.pad_id, device)
    return Batch(ids, mask, torch.tensor(labels, device=device))


def hide_words(batch: Batch, share: float) -> Batch:
    """Turn a random share of the words into the unknown word, so that its vector is learnt."""
    hidden = (torch.rand(batch.ids.shape, device=batch.ids.device) < share) & (batch.ids > 1)
    return batch._replace(ids=batch.ids.masked_fill(hidden, 1))


@torch.no_grad()
def accuracy_of(network: Network, rows: Sequence[Sequence[int]], labels: Sequence[int], tokens: Any,  # noqa: ANN401
                device: torch.device) -> float:
    """Return the share of rows that a network classifies correctly, in eval mode."""
    network.eval()
    right = 0
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), 128):
        chosen = order[start: start + 128]
        batch = make_batch([rows[i] for i in chosen], [labels[i] for i in chosen], tokens, device)
        scores = network(network.embedding(batch.ids), batch.mask)
        right += int((scores.argmax(-1) == batch.labels).sum())
    return right / len(rows)
