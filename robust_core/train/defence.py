"""What a defence is to the training loop: a method with its parameters, and what it does with each batch."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.registry import Method, check_parameters

if TYPE_CHECKING:
    import torch
    from torch import nn

    from robust_core.train.recipe import Recipe
    from robust_core.train.setup import Batch, Row, Setup

    Rows = Generator[dict[str, Any], None, Sequence[Row]]


class Objective:
    """One training under a defence: what changes while it lasts.

    The loop asks for the rows of each epoch, and for the gradients of each batch; exactly one optimiser step follows
    each call of `gradients`. This class is plain training; members override what they do differently.

    Args:
        setup: The training.

    Attributes:
        modules: Further modules trained along, by name. What the finished classifier needs belongs into the network
            itself (`network.masks`).
        kept: Names of those stored beside the classifier's weights, each as `<name>.safetensors`.
        grows: Whether the schedule follows the number of rows of each epoch; False counts the first epoch's for all.
    """

    grows = True
    kept: tuple[str, ...] = ()

    def __init__(self, setup: "Setup") -> None:
        self.setup = setup
        self.modules: dict[str, nn.Module] = {}

    def rows(self, epoch: int) -> "Rows":
        """Return the training rows of an epoch, counted from 1; a generator, which may yield events on its way.

        The network is in train mode and must be left so. After a resume it is asked for the epoch that was under way
        once more, after `load`, and must come to the same rows. It may take long: `state` is saved between its events.
        """
        return self.setup.rows
        yield

    def gradients(self, batch: "Batch") -> "dict[str, torch.Tensor]":
        """Leave the gradients of one batch in the parameters, and return its loss terms, detached scalars.

        The term "loss" is the sum that is minimised. Gradients are zero before, the network is in train mode, torch's
        global random numbers are the training's stream for dropout.
        """
        loss = self.cross_entropy(batch)
        loss.backward()
        return {"loss": loss.detach()}

    def counts(self, epoch: int) -> bool:
        """Return whether the weights after an epoch may be the ones that are kept."""
        return True

    def notes(self) -> dict[str, Any]:
        """Return figures that came up in the training and belong into the card's config, as JSON values."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return what an exact resume needs beyond weights, optimiser and random numbers: tensors and JSON values.

        The loop saves the modules' weights. With several processes the first one's state serves them all.
        """
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned; tensors come back on the CPU."""

    def scores(self, embeddings: "torch.Tensor", mask: "torch.Tensor") -> "torch.Tensor":
        """Return the network's (n, classes) float32 scores of (n, t, d) word-embedding rows, in mixed precision."""
        with self.setup.autocast():
            return self.setup.network(embeddings, mask).float()

    def cross_entropy(self, batch: "Batch") -> "torch.Tensor":
        """Return the mean cross-entropy of a batch, a scalar with its graph."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(self.scores(self.setup.network.embedding(batch.ids), batch.mask), batch.labels)


@dataclasses.dataclass(frozen=True)
class Defence(Method):
    """A way to train; its fields are its parameters.

    Attributes:
        PRESETS: Named values of the fields.
        BY_DATASET: Values that the paper chose for a data set, taken there before a preset.
        FOR_SMALL: Values that take the place of the defaults on data sets of fewer than `train.SMALL` texts.
        tunes_words: Whether a word model's table of vectors is trained; else it is the base model's, frozen.
        from_base: Whether a transformer starts from the base model instead of from the encoder.
    """

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    BY_DATASET: ClassVar[dict[str, dict[str, Any]]] = {}
    FOR_SMALL: ClassVar[dict[str, Any]] = {}
    tunes_words: ClassVar[bool] = False
    from_base: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_parameters(self)

    def fit(self, recipe: "Recipe") -> "Recipe":
        """Return the recipe to train by, where the parameters decide on it, as on the number of epochs."""
        return recipe

    @property
    def variant(self) -> str:
        """Last part of a model id, such as flat-textfooler."""
        return self.name

    def prepare(self, setup: "Setup") -> None:
        """Change the network before the training, such as adding word masks; random numbers are those of `first`."""

    def course(self, setup: "Setup") -> Objective:
        """Begin a training."""
        return Objective(setup)
