"""Classifiers made of a frozen encoder and a probe, as victims that any attack can ask."""

from collections.abc import Sequence

import numpy as np

from robust_core.encoder_evaluation.probes import Probe
from robust_core.encoders import MeanPooled
from robust_core.protocols import Classifier, Encoder


class BlackBoxClassifier:
    """A classifier of an encoder that shows no gradients: a text goes in, probabilities come out.

    Args:
        id: Name.
        labels: Label names.
        encoder: The encoder.
        probe: The head.
    """

    def __init__(self, id: str, labels: tuple[str, ...], encoder: Encoder, probe: Probe) -> None:
        self.id, self.labels, self._encoder, self._probe = id, labels, encoder, probe
        self.device = "cpu"

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Return (n, classes) float32 probabilities."""
        if not texts:
            return np.zeros((0, len(self.labels)), dtype=np.float32)
        scores = self._encoder.encode(texts) @ self._probe.weight.T + self._probe.bias
        scores = np.exp(scores - scores.max(1, keepdims=True))
        return (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def make_victim(encoder: Encoder, probe: Probe, labels: tuple[str, ...], task: str) -> Classifier:
    """Return the classifier of an encoder and a probe: one of ours with gradients and the fast door for attacks.

    Args:
        encoder: The encoder.
        probe: A probe that was fitted on its vectors.
        labels: Label names.
        task: Name of what it was fitted on.
    """
    name = f"encoders/{encoder.id}/{task}"
    if not isinstance(encoder, MeanPooled):
        return BlackBoxClassifier(name, labels, encoder, probe)
    from robust_core.models.classifier import TextClassifier
    from robust_core.models.networks.probe import UnitClassifier

    network = UnitClassifier(encoder.body, probe.weight, probe.bias)
    return TextClassifier(name, labels, network, encoder.tokens, encoder.body.table.weight.device)
