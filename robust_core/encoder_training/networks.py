"""The networks of a sentence encoder's training, and what one training is."""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from robust_core.models.device import autocast_bf16
from robust_core.models.networks.base import Network, measure_mean_norm
from robust_core.models.networks.bert import mean_pool
from robust_core.models.networks.encoder_body import Body
from robust_core.models.tokens import Subwords
from robust_core.train.setup import Randomness


class SentenceNetwork(Network):
    """An encoder with mean pooling, and in training perhaps a projection on top of it.

    Args:
        body: The encoder.
        projection: Whether to add two linear layers with batch norms (SimCSE's and DiffCSE's head).
    """

    def __init__(self, body: Body, projection: bool = False) -> None:
        super().__init__()
        self.body = body
        width = body.width
        self.projection = nn.Sequential(
            nn.Linear(width, 2 * width, bias=False), nn.BatchNorm1d(2 * width), nn.ReLU(),
            nn.Linear(2 * width, width, bias=False), nn.BatchNorm1d(width, affine=False)) if projection else None
        self.fresh = frozenset(name for name, _ in self.named_parameters() if name.startswith("projection."))

    @property
    def embedding(self) -> nn.Embedding:  # type: ignore[override]
        """The table of word-embedding rows."""
        return self.body.table

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.body

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) sentence vectors of (n, t, d) rows, as the finished encoder has them."""
        return mean_pool(self.body(embeddings, mask).float(), mask)

    def view(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) vectors that are contrasted: sentence vectors, projected if there is a projection."""
        mean = self.represent(embeddings, mask)
        return mean if self.projection is None else self.projection(mean)


class Discriminator(Network):
    """A second encoder that says of each piece whether it was replaced, told what the sentence means.

    Args:
        body: Its encoder, a copy of the one that is trained.
    """

    fresh = frozenset({"head.weight", "head.bias"})

    def __init__(self, body: Body) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.width, 2)

    @property
    def backbone(self) -> nn.Module:
        """The encoder."""
        return self.body

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor, meaning: torch.Tensor  # type: ignore[override]
                ) -> torch.Tensor:
        """Return (n, t, 2) scores: unchanged, replaced.

        Args:
            embeddings: (n, t, d) word-embedding rows.
            mask: (n, t) bool, True at real pieces.
            meaning: (n, d) sentence vectors; they take the place of the first piece behind the embedding layer, where
                every later piece can attend to them.
        """
        def told(rows: torch.Tensor, hidden: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return torch.cat([meaning[:, None].to(hidden.dtype), hidden[:, 1:]], dim=1), keep

        return self.head(self.body(embeddings, mask, told).float())


class SentenceBatch(NamedTuple):
    """A batch of sentences: (n, t) int64 piece ids, and the (n, t) bool mask of real pieces."""

    ids: torch.Tensor
    mask: torch.Tensor


@dataclasses.dataclass(eq=False)
class Training:
    """One training of an encoder, before its first step.

    Attributes:
        network: The encoder; what has `requires_grad` is trained.
        tokens: Its tokenizer.
        device: Where it runs.
        random: Random numbers for each purpose.
        mixed: Whether matrix products run in bf16.
        rank: Rank of low-rank weights, also of further encoders.
        lora_targets: Layers that get them.
        second: Makes another copy of the encoder as it was before the training.
    """

    network: SentenceNetwork
    tokens: Subwords
    device: torch.device
    random: Randomness
    mixed: bool
    rank: int
    lora_targets: str
    second: Callable[[], Body]

    def autocast(self) -> contextlib.AbstractContextManager:
        """Return the context for forward passes."""
        return autocast_bf16(self.device, self.mixed)

    @property
    def unit(self) -> float:
        """Mean norm of the encoder's token embeddings, in which sizes are given."""
        return measure_mean_norm(self.network.embedding.weight, self.tokens.pad_id)
