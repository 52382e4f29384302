"""What a defence is to the training loop: a method with its parameters, and what it does with each batch."""

import dataclasses
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from robust_core.registry import Method, check_hooks, check_parameters

if TYPE_CHECKING:
    import torch
    from torch import nn

    from robust_core.models.networks.base import Network
    from robust_core.train.recipe import Recipe
    from robust_core.train.setup import Batch, Row, Setup

    Rows = Generator[dict[str, Any], None, Sequence[Row]]

D = TypeVar("D", bound="Defence")


class Objective(Generic[D]):
    """One training under a defence: what changes while it lasts.

    The loop asks for the rows of each epoch, and for the gradients of each batch; exactly one optimiser step follows
    each call of `gradients`. This class minimises the defence's `loss` on the training texts; a defence that needs
    more than that (rows of its own, several passes, a state) returns a subclass from its `objective`.

    Args:
        setup: The training.
        defence: Its parameters.

    Attributes:
        modules: Further modules trained along, by name. What the finished classifier needs belongs into the network
            itself (`network.masks`).
        kept: Names of those stored beside the classifier's weights, each as `<name>.safetensors`.
        grows: Whether the schedule follows the number of rows of each epoch; False counts the first epoch's for all.
    """

    grows = True
    kept: tuple[str, ...] = ()

    def __init__(self, setup: "Setup", defence: D) -> None:
        self.setup, self.defence = setup, defence
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
        loss = self.loss(batch)
        loss.backward()
        return {"loss": loss.detach()}

    def loss(self, batch: "Batch") -> "torch.Tensor":
        """Return the scalar loss of a batch with its graph, in mixed precision."""
        with self.setup.autocast():
            return self.defence.loss(self.setup.network, batch)

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


# What a defence may define; any other public method would never be called.
HOOKS = ("loss", "objective", "prepare", "fit")


@dataclasses.dataclass(frozen=True)
class Defence(Method):
    """A way to train; its fields are its parameters.

    Most defences write `loss` and nothing else. Those that change more than the loss write `objective` instead.

    Attributes:
        PRESETS: Named values of the fields.
        BY_DATASET: Values that the paper chose for a data set, taken there before a preset.
        FOR_SMALL: Values that take the place of the defaults on data sets of fewer than `train.SMALL` texts.
        tunes_words: Whether a word model's table of vectors is trained; else it is the base model's, frozen.
        takes_swaps: Whether it has a parameter `swaps`, which names a swap set or says that a file holds it.
        from_base: Whether a transformer starts from the base model instead of from the encoder.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {}
    BY_DATASET: ClassVar[dict[str, dict[str, Any]]] = {}
    FOR_SMALL: ClassVar[dict[str, Any]] = {}
    tunes_words: ClassVar[bool] = False
    takes_swaps: ClassVar[bool] = False
    from_base: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_hooks(cls, "defence", HOOKS)
        if cls.loss is not Defence.loss and cls.objective is not Defence.objective:
            raise TypeError(f"{cls.__name__} has a loss and an objective, which would leave the loss unused: "
                            "a defence defines one of the two.")

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

    def loss(self, network: "Network", batch: "Batch") -> "torch.Tensor":
        """Return what is minimised on a batch, a scalar with its graph; here the mean cross-entropy.

        The network is in train mode, in mixed precision where the recipe and the device have it; torch's global random
        numbers are the training's stream for dropout.

        Args:
            network: The network, `network(embeddings, mask)` returns (n, classes) scores.
            batch: (n, t) token ids and mask, (n,) labels.
        """
        from torch.nn.functional import cross_entropy

        return cross_entropy(network(network.embedding(batch.ids), batch.mask).float(), batch.labels)

    def objective(self, setup: "Setup") -> Objective:
        """Begin a training: return what gives the loop its rows and gradients; here the one that minimises `loss`."""
        return Objective(setup, self)
