"""A classifier over frozen sentence vectors of length one."""

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

from robust_core.models.networks.base import Reading
from robust_core.models.networks.bert import mean_pool
from robust_core.models.networks.encoder_body import Body
from robust_core.models.networks.transformer import EncoderClassifier


class UnitClassifier(EncoderClassifier):
    """An encoder whose unit vectors a linear head reads.

    Args:
        body: The encoder, shared and frozen.
        weight: (classes, d) float32 of the head.
        bias: (classes,) float32 of the head.
    """

    def __init__(self, body: Body, weight: np.ndarray, bias: np.ndarray) -> None:
        super().__init__(body, len(bias), dropout=0.0)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) sentence vectors, of length one."""
        return F.normalize(super().represent(embeddings, mask), dim=-1)

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, the sentence vectors and the last hidden states."""
        states = self._states(embeddings, mask)
        unit = F.normalize(mean_pool(states, mask), dim=-1)
        return Reading(self.head(unit), unit, states)
