"""Small networks over quantised inputs: base classifiers for smoothing."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn


class BlurredMlp(nn.Module):
    """One hidden layer over d numbers 0..1; 1/2, the middle of the range, says nothing and becomes 0.

    Args:
        size: Coordinates of an input.
        classes: Classes.
        hidden: Units of the hidden layer.
    """

    def __init__(self, size: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(size, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, blurred: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores of n inputs of any shape."""
        return self.out(torch.relu(self.hidden(2 * blurred.flatten(1) - 1)))


class BlurredCnn(nn.Module):
    """Convolutions of 3 by 3, halving the image until it is at most 4 wide, and one linear layer.

    Args:
        shape: (channels, height, width).
        classes: Classes.
        hidden: Channels of the first convolution; later ones have twice as many, up to four times.
    """

    def __init__(self, shape: Sequence[int], classes: int, hidden: int) -> None:
        super().__init__()
        channels, height, width = shape
        layers: list[nn.Module] = [nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU()]
        inner = hidden
        while max(height, width) > 4:
            outer = min(2 * inner, 4 * hidden)
            layers += [nn.Conv2d(inner, outer, 3, stride=2, padding=1), nn.ReLU()]
            inner, height, width = outer, (height + 1) // 2, (width + 1) // 2
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(inner * height * width, classes)

    def forward(self, blurred: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores of (n, channels, height, width) images 0..1."""
        return self.out(self.body(2 * blurred - 1).flatten(1))


def build_network(shape: Sequence[int], classes: int, hidden: int) -> nn.Module:
    """Make an untrained network: a CNN for images wider than 8 pixels, else an MLP."""
    if len(shape) == 3 and max(shape[1:]) > 8:
        return BlurredCnn(shape, classes, hidden)
    return BlurredMlp(math.prod(shape), classes, hidden)


def make_judge(network: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Return a network as the base classifier that `robust_core.certify.smoothers` asks.

    The evaluations of one input make one batch of a fixed shape, so a row is computed alike whatever input it belongs
    to: the base classifier is a function of the row, as the theorem wants it.
    """
    network.eval()

    def classes(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(rows))).argmax(-1).numpy()

    return classes
