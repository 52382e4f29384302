"""What one training is: network, rows, recipe, device, and random numbers of its own for each purpose."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from robust_core.errors import BadInput
from robust_core.models.cards import find_family
from robust_core.models.device import autocast_bf16
from robust_core.models.networks.base import Network
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.resources.swap_sets import FILE, SwapSet, read_swap_set
from robust_core.train.parallel import ProcessGroup
from robust_core.train.recipe import Recipe
from robust_core.types import Example


class Row(NamedTuple):
    """One training text as the network reads it.

    Attributes:
        ids: Token ids, special tokens included.
        label: Index of the gold class.
        number: Number of the training example it is, or was made from.
        owner: Index of the word each token belongs to, -1 for special tokens; empty where nobody asks. In a row made
            from another text words are numbered as there: each has the index of the word it stands for, and -1 where
            it stands for none.
        original: The row of the text it was made from; None for a text of the data set itself.
    """

    ids: tuple[int, ...]
    label: int
    number: int
    owner: tuple[int, ...] = ()
    original: "Row | None" = None


class Pair(NamedTuple):
    """The original texts of a batch, each in the place of the row made from it; a clean row is its own original.

    Attributes:
        ids: (n, u) token ids of the originals.
        mask: (n, u) bool, True at real tokens.
        owner: (n, u) index of the word of each token of the original, -1 for special tokens and pads.
        twin: (n, t) index of the word of the original that each token of the batch itself stands for, -1 where there
            is none.
        made: (n,) bool, True where the row is not a clean one.
        rows: (n, t) token ids of the batch itself, before words were hidden from it.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    owner: torch.Tensor
    twin: torch.Tensor
    made: torch.Tensor
    rows: torch.Tensor


class Batch(NamedTuple):
    """One training batch.

    Attributes:
        ids: (n, t) int64 token ids.
        mask: (n, t) bool, True at real tokens.
        labels: (n,) int64 gold classes.
        numbers: (n,) int64 numbers of the training examples.
        pair: The original texts, or None when every row is clean.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor
    numbers: torch.Tensor
    pair: Pair | None = None


class RandomStream:
    """A stretch of torch's random numbers that is the training's own; outside of it the caller's go on untouched.

    Args:
        seed: Where the stretch begins.
        device: Device whose numbers are taken over as well.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices=self._devices):
            torch.manual_seed(seed)
            self.state = self._read()

    def _read(self) -> list[torch.Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._devices)]

    def _write(self, state: list[torch.Tensor]) -> None:
        torch.set_rng_state(state[0])
        for device, part in zip(self._devices, state[1:], strict=True):
            torch.cuda.set_rng_state(part, device)

    def __enter__(self) -> None:
        self._outside = self._read()
        self._write(self.state)

    def __exit__(self, *error: object) -> None:
        self.state = self._read()
        self._write(self._outside)


class Randomness:
    """Separate random numbers for each purpose, so that using more of one kind moves no other.

    Args:
        seed: Seed of the training.
        device: Where the network lives.
        part: Number of the process among those that share the training; all draw the same order and first weights.

    Attributes:
        first: Stream of the first weights (torch's global numbers inside `with`).
        dropout: Stream of everything dropped in training.
        order: Order of the rows.
        choice: Draws among examples: which are attacked, which serve as negatives.
        masks: Draws of word masks, on the device.
        noise: Starting points of perturbations, on the device.
    """

    def __init__(self, seed: int, device: torch.device, part: int = 0) -> None:
        def number(purpose: int, own: int = 0) -> int:
            return int(np.random.SeedSequence([seed, purpose, own]).generate_state(1, np.uint64)[0] >> 1)

        self.first, self.dropout = RandomStream(number(0), device), RandomStream(number(1, part), device)
        self.order, self.choice = np.random.default_rng(number(2)), np.random.default_rng(number(3))
        self.masks = torch.Generator(device).manual_seed(number(4, part))
        self.noise = torch.Generator(device).manual_seed(number(5, part))

    def state(self) -> dict[str, Any]:
        """Return where each stands, as tensors and plain values."""
        streams = {f"{name}.{i}": part for name in ("first", "dropout")
                   for i, part in enumerate(getattr(self, name).state)}
        return streams | {"masks": self.masks.get_state(), "noise": self.noise.get_state(),
                          "order": self.order.bit_generator.state, "choice": self.choice.bit_generator.state}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        for name in ("first", "dropout"):
            stream = getattr(self, name)
            stream.state = [state[f"{name}.{i}"] for i in range(len(stream.state))]
        self.masks.set_state(state["masks"])
        self.noise.set_state(state["noise"])
        self.order.bit_generator.state = state["order"]
        self.choice.bit_generator.state = state["choice"]


@dataclasses.dataclass(eq=False)
class Setup:
    """One training, before its first step.

    Attributes:
        network: The network, on the device; what has `requires_grad` is trained.
        tokens: Its tokenizer.
        recipe: How long and how fast.
        device: Where it runs.
        dataset: Name of the data set.
        architecture: A name of `cards.ARCHITECTURES`, or a Hugging Face id or folder.
        labels: Label names, by index.
        examples: Training texts.
        rows: The same as rows, in the same order: `rows[i].number == i`.
        random: Random numbers for each purpose.
        seed: Seed of the training.
        mixed: Whether matrix products run in bf16.
        processes: The processes that share the training: this one's `part`, all `parts`.
        labelled: How many of the texts came with a label; those behind them have the teacher's likeliest class.
        taught: (n - labelled, classes) the teacher's probabilities of the others; None where there are none.
        swaps: The swap set of the recipe's file; None where there is none.
    """

    network: Network
    tokens: Subwords | WordVocabulary
    recipe: Recipe
    device: torch.device
    dataset: str
    architecture: str
    labels: tuple[str, ...]
    examples: Sequence[Example]
    rows: Sequence[Row]
    random: Randomness
    seed: int = 0
    mixed: bool = False
    processes: ProcessGroup = dataclasses.field(default_factory=ProcessGroup)
    labelled: int = 0
    taught: torch.Tensor | None = None
    swaps: SwapSet | None = None

    @property
    def word_model(self) -> bool:
        """Whether it is a CNN or LSTM over word vectors."""
        return self.family in ("cnn", "lstm")

    @property
    def family(self) -> str:
        """The architecture, whatever word vectors it reads."""
        return find_family(self.architecture)

    @property
    def steps(self) -> int:
        """Steps of an epoch over the clean rows."""
        return -(-len(self.rows) // self.recipe.batch_size)

    def find_swap_set(self, name: str) -> SwapSet:
        """Return a swap set by name; raise BadInput where it is that of a file, and the recipe has none."""
        if name != FILE:
            return read_swap_set(name)
        if self.swaps is None:
            raise BadInput(f"swaps={FILE} needs a file: name it by --swaps.")
        return self.swaps

    def autocast(self) -> contextlib.AbstractContextManager:
        """Return the context for forward passes: bf16 matrix products where the recipe and the device have them."""
        return autocast_bf16(self.device, self.mixed)
