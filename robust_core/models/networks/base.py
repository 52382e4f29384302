"""What every classifier network offers to training, attacks and explanations."""

from typing import NamedTuple

import torch
from torch import nn

from robust_core.errors import Incompatible
from robust_core.models.networks.mlm_head import MaskedHead
from robust_core.models.networks.word_masks import MaskConfig, WordMasks


class Reading(NamedTuple):
    """What one forward pass makes of a batch.

    Attributes:
        logits: (n, classes) scores before softmax.
        representation: (n, d) vector that the last linear layer reads, before dropout.
        states: (n, t, d) last hidden state of each token; None where a network has none.
    """

    logits: torch.Tensor
    representation: torch.Tensor
    states: torch.Tensor | None = None


class Network(nn.Module):
    """A network that reads word-embedding rows; `forward(embeddings, mask)` returns (n, classes) scores.

    Attributes:
        embedding: The table of word-embedding rows.
        masks: Word masks that its words go through; None reads them whole.
        screens: Whether bf16 makes it faster where the processor has it.
        takes_rows: Whether it can be fed with word-embedding rows at all; without them it shows no gradients.
        straight: Whether it has `along`, a faster way to the scores on the straight line between two texts.
        fresh: Names of weights of the encoder that were drawn, since the files had none.
        reconstruction: Head that reads tokens back from their hidden states; only models trained with RAR have one.
    """

    embedding: nn.Embedding
    masks: WordMasks | None
    screens = False
    takes_rows = True
    straight = False
    fresh: frozenset[str] = frozenset()
    reconstruction: MaskedHead | None

    def __init__(self) -> None:
        super().__init__()
        self.register_module("masks", None)
        self.register_module("reconstruction", None)

    @property
    def backbone(self) -> nn.Module:
        """What was there before the training: the encoder; of a word model the whole network."""
        return self

    def add_masks(self, config: MaskConfig, keep: float = 0.5) -> None:
        """Give it untrained word masks."""
        self.masks = WordMasks(self.embedding.embedding_dim, config, keep)

    def finish(self) -> None:
        """Turn what only a training needs into plain weights; called once, when it is over."""

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

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores and what they are made of, of (n, t, d) rows and an (n, t) bool mask, in one forward pass."""
        raise NotImplementedError

    def add_reconstruction(self) -> None:
        """Add an untrained head that reads tokens back; its decoder is the table of word embeddings itself.

        Raises:
            Incompatible: Tokens have no hidden states in this network.
        """
        raise Incompatible("RAR reads each token back from its hidden state; this architecture has none (a CNN keeps "
                           "the largest value over all places). Use an LSTM or a transformer.")

    def reconstruct(self, states: torch.Tensor) -> torch.Tensor:
        """Return the (…, vocabulary) scores of the tokens that (…, d) hidden states stand for.

        Raises:
            Incompatible: The model was not trained to read its tokens back.
        """
        if self.reconstruction is None:
            raise Incompatible("Only a model trained with RAR can read tokens back from their embeddings.")
        return self.reconstruction(states, self.embedding.weight)


def measure_mean_norm(table: torch.Tensor, pad: int = 0) -> float:
    """Return the mean L2 norm of the rows of a table of word embeddings, the pad's row left out."""
    norms = torch.linalg.vector_norm(table.detach().float(), dim=1)
    return float((norms.sum() - norms[pad]) / max(1, len(norms) - 1))
