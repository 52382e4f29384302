"""What every classifier network offers to training, attacks and explanations."""

import torch
from torch import nn


class Network(nn.Module):
    """A network that reads word-embedding rows; `forward(embeddings, mask)` returns (n, classes) scores.

    Attributes:
        embedding: The table of word-embedding rows.
        screens: Whether bf16 makes it faster where the processor has it.
    """

    embedding: nn.Embedding
    screens = False

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) token ids; a network may know a faster way than through its rows."""
        return self(self.embedding(ids), mask)

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) vector that the last linear layer reads, of (n, t, d) rows and an (n, t) bool mask."""
        raise NotImplementedError
