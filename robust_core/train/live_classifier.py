"""The network of a training as a classifier that can be attacked."""

import contextlib
import copy
from collections.abc import Iterator

from robust_core.models.classifier import TextClassifier
from robust_core.models.networks.base import Network
from robust_core.train.setup import Setup


@contextlib.contextmanager
def live_classifier(setup: Setup, *, training: bool = False) -> Iterator[TextClassifier]:
    """Give a classifier with a copy of the network as it is now, low-rank weights merged.

    Args:
        setup: The training.
        training: Leave dropout and sampled masks on; they draw from the training's own random numbers.
    """
    network = merged(setup.network)
    victim = TextClassifier("live", setup.labels, network, setup.tokens, setup.device)
    if not training:
        yield victim
        return
    network.train()
    with setup.random.dropout:
        yield victim


def merged(network: Network) -> Network:
    """Return a copy of a network, its low-rank weights added to the layers they belong to."""
    if not any("lora_" in name for name, _ in network.named_parameters()):
        return copy.deepcopy(network)
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = copy.deepcopy(network)
    for name, layer in list(found.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            layer.merge()  # type: ignore[operator]
            owner, _, last = name.rpartition(".")
            setattr(found.get_submodule(owner) if owner else found, last, layer.get_base_layer())
    return found

