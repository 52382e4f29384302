"""The base defence: none. What every other defence is compared with."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from robust_core.defences import DEFENCES
from robust_core.registry import check_parameters

if TYPE_CHECKING:
    import torch

    from robust_core.models.network import Network
    from robust_core.train import Batch


@dataclasses.dataclass(frozen=True)
class Defence:
    """A way to train; its fields are its parameters."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_parameters(self)

    def loss(self, network: "Network", batch: "Batch") -> "torch.Tensor":
        """Return the loss of one batch, a scalar."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(network(network.embedding(batch.ids), batch.mask).float(), batch.labels)


@DEFENCES.register("base", title="Base", source="https://arxiv.org/abs/1408.5882")
@dataclasses.dataclass(frozen=True)
class Base(Defence):
    """Plain cross-entropy on the training texts, no defence."""
