"""What every classifier network offers to training, attacks and explanations."""

import torch
from torch import nn

from robust_core.models.masks import MaskConfig, WordMasks


class Network(nn.Module):
    """A network that reads word-embedding rows; `forward(embeddings, mask)` returns (n, classes) scores.

    Attributes:
        embedding: The table of word-embedding rows.
        masks: Word masks that its words go through; None reads them whole.
        screens: Whether bf16 makes it faster where the processor has it.
    """

    embedding: nn.Embedding
    masks: WordMasks | None
    screens = False

    def __init__(self) -> None:
        super().__init__()
        self.register_module("masks", None)

    @property
    def backbone(self) -> nn.Module:
        """What was there before the training: the encoder; of a word model the whole network."""
        return self

    def add_masks(self, config: MaskConfig, keep: float = 0.5) -> None:
        """Give it untrained word masks."""
        self.masks = WordMasks(self.embedding.embedding_dim, config, keep)

    def importance(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return the (n, t) importance phi of the words of (n, t, d) rows, without special cases; 1 without masks."""
        return torch.ones(embeddings.shape[:-1], device=embeddings.device) if self.masks is None else \
            self.masks(self.seen(embeddings))

    def seen(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return what the masks are made from, (n, t, d)."""
        return embeddings

    def masked(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, t, d) rows, masked if there are masks."""
        return embeddings if self.masks is None else self.masks.gate(embeddings, embeddings, mask)[0]

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) token ids; a network may know a faster way than through its rows."""
        return self(self.embedding(ids), mask)

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) vector that the last linear layer reads, of (n, t, d) rows and an (n, t) bool mask."""
        raise NotImplementedError
