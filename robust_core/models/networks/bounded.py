"""A certified core with a bounded correction: the core's scores, and what another network's probabilities add to them.

    score_c(x) = core_c(x) + bound * p_c(x),   p = softmax of the correcting network's scores

The difference of two classes' scores is within `bound` of the core's, since two probabilities differ by at most 1. So
whatever holds of the core's lead by more than `bound` holds of the whole. With two classes the correction of their
difference is bound * tanh(M / 2), M the correcting network's own.
"""

import torch

from robust_core.models.networks.base import Network

# Ids from here on are the core's, so that one row of ids holds both readings of a text.
FIRST = 1 << 24


class BoundedNetwork(Network):
    """A core and a correction, each with its own token ids.

    Args:
        core: The network that is certified.
        correction: The network that corrects it.
        bound: By how much the difference of two scores may change, above 0.
    """

    takes_rows = False

    def __init__(self, core: Network, correction: Network, bound: float) -> None:
        super().__init__()
        self.core, self.correction, self.bound = core, correction, bound
        self.embedding, self.screens = correction.embedding, correction.screens

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) ids, the core's among them from `FIRST` on."""
        words = (ids >= FIRST) & mask
        corrected = self.correction.read(*_pick(ids, mask & ~words)).float().softmax(-1)
        return self.core.read(*_pick(ids - FIRST, words)).float() + self.bound * corrected


def _pick(ids: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the chosen ids of each row, moved to its beginning, and the mask of real ones; none read as a pad."""
    counts = chosen.sum(1, keepdim=True)
    most = max(int(counts.max()), 1)
    order = (~chosen).to(torch.uint8).argsort(dim=1, stable=True)[:, :most]
    places = torch.arange(most, device=ids.device)
    return ids.gather(1, order).masked_fill(places >= counts, 0), places < counts.clamp(min=1)
