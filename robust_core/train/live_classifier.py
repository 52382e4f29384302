"""The network of a training as a classifier that can be attacked."""

import contextlib
from collections.abc import Iterator

from robust_core.models.classifier import TextClassifier
from robust_core.models.lora import merge_copy
from robust_core.train.setup import Setup


@contextlib.contextmanager
def open_live_classifier(setup: Setup, *, training: bool = False) -> Iterator[TextClassifier]:
    """Give a classifier with a copy of the network as it is now, low-rank weights merged.

    Args:
        setup: The training.
        training: Leave dropout and sampled masks on; they draw from the training's own random numbers.
    """
    network = merge_copy(setup.network)
    victim = TextClassifier("live", setup.labels, network, setup.tokens, setup.device)
    if not training:
        yield victim
        return
    network.train()
    with setup.random.dropout:
        yield victim

