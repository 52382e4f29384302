"""Classifiers made of a frozen encoder and a probe, as victims that any attack can ask."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

from robust_core.encoders import MeanPooled
from robust_core.models.bert import mean_pool
from robust_core.models.body import Body
from robust_core.models.classifier import TextClassifier
from robust_core.models.network import Reading
from robust_core.models.transformer import EncoderClassifier
from robust_core.sentences.probes import Probe
from robust_core.types import Encoder


class UnitClassifier(EncoderClassifier):
    """An encoder whose unit vectors a linear head reads.

    Args:
        body: The encoder, shared and frozen.
        probe: The head.
    """

    def __init__(self, body: Body, probe: Probe) -> None:
        super().__init__(body, len(probe.bias), dropout=0.0)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(probe.weight))
            self.head.bias.copy_(torch.from_numpy(probe.bias))

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, d) sentence vectors, of length one."""
        return F.normalize(super().represent(embeddings, mask), dim=-1)

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, the sentence vectors and the last hidden states."""
        states = self._states(embeddings, mask)
        unit = F.normalize(mean_pool(states, mask), dim=-1)
        return Reading(self.head(unit), unit, states)


class Closed:
    """A classifier of an encoder that shows no gradients: a text goes in, probabilities come out.

    Args:
        id: Name.
        labels: Label names.
        encoder: The encoder.
        probe: The head.
    """

    def __init__(self, id: str, labels: tuple[str, ...], encoder: Encoder, probe: Probe) -> None:
        self.id, self.labels, self._encoder, self._probe = id, labels, encoder, probe
        self.device = torch.device("cpu")

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities."""
        if not texts:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        scores = self._encoder.encode(texts) @ self._probe.weight.T + self._probe.bias
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def victim(encoder: Encoder, probe: Probe, labels: tuple[str, ...], task: str) -> Any:  # noqa: ANN401 (a Classifier)
    """Return the classifier of an encoder and a probe: one of ours with gradients and the fast door for attacks.

    Args:
        encoder: The encoder.
        probe: A probe that was fitted on its vectors.
        labels: Label names.
        task: Name of what it was fitted on.
    """
    name = f"encoders/{encoder.id}/{task}"
    if not isinstance(encoder, MeanPooled):
        return Closed(name, labels, encoder, probe)
    device = encoder.body.table.weight.device
    return TextClassifier(name, labels, UnitClassifier(encoder.body, probe), encoder.tokens, device)
