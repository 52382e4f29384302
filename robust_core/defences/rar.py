"""RAR: reconstruction from adversarial representations (Qiu et al. 2021)."""

import dataclasses
from typing import TYPE_CHECKING

from robust_core.defences import DEFENCES
from robust_core.defences.freelb import FreeLB, FreeLBObjective
from robust_core.registry import param

if TYPE_CHECKING:
    import torch

    from robust_core.models.networks.base import Reading
    from robust_core.perturb import SameDropout
    from robust_core.train.setup import Batch, Setup


class RARObjective(FreeLBObjective["RAR"]):
    """A training under RAR."""

    def added(self, t: int, reading: "Reading", batch: "Batch", dropout: "SameDropout") -> "dict[str, torch.Tensor]":
        """Return the weighted mean loss of reading the batch's tokens back from their perturbed states."""
        from torch.nn.functional import cross_entropy

        first = int(self.defence.skip_clean and not self.defence.start and self.defence.passes > 1)
        if t < first or reading.states is None:
            return {}
        with self.setup.autocast():
            scores = self.setup.network.reconstruct(reading.states[batch.mask])
        loss = cross_entropy(scores.float(), batch.ids[batch.mask])
        return {"reconstruction": self.defence.weight * loss / (self.defence.passes - first)}


@DEFENCES.register("rar", title="RAR", source="https://aclanthology.org/2021.findings-acl.142")
@dataclasses.dataclass(frozen=True)
class RAR(FreeLB):
    """FreeLB, and a head that must name every token of the text from its perturbed states.

    The head (dense, GELU, norm, the table of word embeddings as decoder, a bias of its own) stays in the finished
    model, so that it can say what it reads in attacked embeddings. All real tokens count, special ones included;
    every pass counts alike; perturbations climb the classification loss only.

    Differs: the paper puts the norm first; its parameter count (11,813,810) fits this order only.
    """

    weight: float = param(0.1, "Weight of the reconstruction loss", low=0.0, high=100.0)
    skip_clean: bool = param(False, "Leave out the first pass where it is a clean one (start = 0)")

    def prepare(self, setup: "Setup") -> None:
        """Give the network its head.

        Raises:
            Incompatible: Tokens have no hidden states in this architecture.
        """
        setup.network.add_reconstruction()
        setup.network.to(setup.device)

    def objective(self, setup: "Setup") -> RARObjective:
        """Begin a training."""
        return RARObjective(setup, self)
