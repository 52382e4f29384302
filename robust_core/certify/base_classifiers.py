"""Base classifiers for smoothing: small networks over quantised vectors, and the space that texts are put into.

A stored model is a folder `smoothed/<name>` with model.safetensors (fp16) and card.json; it holds a network for each
method and Lambda. The files are checked against the SHA-256 in the card before they are used.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from robust_core.certify.quantised import quantise
from robust_core.errors import BadInput, UnknownName
from robust_core.models import loading
from robust_core.resources.encoder import sha256

LEVELS = 255
_FOLDER = "smoothed"


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


def build(shape: Sequence[int], classes: int, hidden: int) -> nn.Module:
    """Make an untrained network: a CNN for images wider than 8 pixels, else an MLP."""
    if len(shape) == 3 and max(shape[1:]) > 8:
        return BlurredCnn(shape, classes, hidden)
    return BlurredMlp(math.prod(shape), classes, hidden)


def judge(network: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    """Return a network as the base classifier that `robust_core.certify.smoothers` asks.

    The evaluations of one input make one batch of a fixed shape, so a row is computed alike whatever input it belongs
    to: the base classifier is a function of the row, as the theorem wants it.
    """
    network.eval()

    def classes(rows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(rows))).argmax(-1).numpy()

    return classes


@dataclasses.dataclass(frozen=True)
class Space:
    """A few orthonormal directions of a sentence embedding, and the range in which they are quantised.

    Args:
        mean: (e,) float32 embedding in the middle of the range.
        axes: (d, e) float32 orthonormal rows.
        half: Half the range of each coordinate; what lies beyond is clipped.
        levels: Quantisation steps of the range.
    """

    mean: np.ndarray
    axes: np.ndarray
    half: float
    levels: int = LEVELS

    @property
    def step(self) -> float:
        """Length of one quantisation step in units of the embedding."""
        return 2 * self.half / self.levels

    def vectors(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (n, d) int32 values 0..levels of (n, e) embeddings.

        Raises:
            BadInput: An embedding is not finite or has another length.
        """
        embeddings = np.asarray(embeddings, dtype=np.float32)
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.mean):
            raise BadInput(f"Embeddings must have the shape (n, {len(self.mean)}), not {embeddings.shape}.")
        coordinates = ((embeddings - self.mean) @ self.axes.T).astype(np.float64)
        return quantise(np.clip(coordinates, -self.half, self.half), -self.half, self.half, self.levels)


@dataclasses.dataclass(frozen=True)
class SmoothedCard:
    """What is known of stored base classifiers; `card.json` holds the same fields but `folder`.

    Args:
        id: Name, that of the data set, with `@seed` where the seed is not 0.
        kind: "text" or "image".
        dataset: Data set they were trained on.
        labels: Label names, by index.
        shape: Shape of a quantised input.
        levels: Largest value of a coordinate.
        seed: Seed of the trainings.
        networks: For each network its method, Lambda, stability weight and accuracy on dev under one blur a text.
        settings: How they were trained.
        space: For texts: kind of projection, dimensions and half the range in units of the embedding.
        data: Rows and SHA-256 of each split used, with a note where it is a part.
        files: SHA-256 of each file.
        bytes: Size of the files.
        parent: SHA-256 of the encoder, for texts.
        version: Version of the code.
        folder: Where the card was read.
    """

    id: str
    kind: str
    dataset: str
    labels: tuple[str, ...]
    shape: tuple[int, ...]
    levels: int
    seed: int
    networks: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any]
    space: Mapping[str, Any]
    data: Mapping[str, Any]
    files: Mapping[str, str]
    bytes: int
    parent: str
    version: str
    folder: Path


class SmoothedModel:
    """Trained base classifiers of one data set.

    Args:
        card: Its card.
        networks: Networks by (method, Lambda).
        space: Where texts are put; None for images.
    """

    def __init__(self, card: SmoothedCard, networks: Mapping[tuple[str, float], nn.Module], space: Space | None
                 ) -> None:
        self.id, self.card, self.labels, self.levels, self.shape = (card.id, card, card.labels, card.levels, card.shape)
        self.networks, self.space = dict(networks), space

    def scales(self, method: str) -> list[float]:
        """Return the Lambdas that a method has networks for, rising."""
        return sorted(scale for name, scale in self.networks if name == method)

    def judge(self, method: str, scale: float) -> Callable[[np.ndarray], np.ndarray]:
        """Return the base classifier trained under a method's noise.

        Raises:
            BadInput: There is none for this Lambda.
        """
        network = self.networks.get((method, float(scale)))
        if network is None:
            known = ", ".join(f"{s:g}" for s in self.scales(method)) or "none"
            raise BadInput(f"{self.id} has no {method} network for Lambda {scale:g}; there are {known}.")
        return judge(network)

    def vectors(self, texts: Sequence[str], device: str = "auto") -> np.ndarray:
        """Return the (n, d) quantised vectors of texts.

        Raises:
            BadInput: The model is one for images.
        """
        from robust_core import encoders

        if self.space is None:
            raise BadInput(f"{self.id} is a model for images; it reads no texts.")
        return self.space.vectors(encoders.default(device).encode(texts))


def cards() -> list[SmoothedCard]:
    """Return the cards of all stored models; damaged ones are left out."""
    found: dict[str, SmoothedCard] = {}
    for root in loading.roots():
        for path in sorted((root / _FOLDER).glob("*/card.json")):
            try:
                card = read_card(path.parent)
            except BadInput:
                continue
            found.setdefault(card.id, card)
    return sorted(found.values(), key=lambda c: (c.kind != "text", c.id != "sst2", c.id))


def read_card(folder: Path) -> SmoothedCard:
    """Read `card.json` of a folder.

    Raises:
        BadInput: There is none, or it is damaged.
    """
    try:
        values = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        values |= {"labels": tuple(values["labels"]), "shape": tuple(int(n) for n in values["shape"])}
        return SmoothedCard(**values, folder=folder)
    except (OSError, ValueError, TypeError, KeyError):
        raise BadInput(f"The card of {_FOLDER}/{folder.name} is missing or damaged; restore card.json.") from None


def check_files(card: SmoothedCard) -> None:
    """Compare every file with the SHA-256 in the card.

    Raises:
        BadInput: A file is absent or differs, or texts were put through another encoder.
    """
    if "model.safetensors" not in card.files:
        raise BadInput(f"The card of {card.id} does not vouch for its weights; restore the checkpoint.")
    for name, expected in card.files.items():
        path = card.folder / name
        if not path.is_file() or sha256(path) != expected:
            raise BadInput(f"{_FOLDER}/{card.id}: {name} is missing or does not match its card; restore the "
                           "checkpoint.")
    if card.parent and loading.encoder_hash() != card.parent:
        raise BadInput(f"{_FOLDER}/{card.id} reads another encoder than the one in use; unset ROBUST_ENCODER.")


def load(name: str) -> SmoothedModel:
    """Load the base classifiers of a data set.

    Raises:
        UnknownName: There are none.
        BadInput: Files are damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    known = {card.id: card for card in cards()}
    if name not in known:
        raise UnknownName("smoothed model", name, list(known))
    card = known[name]
    check_files(card)
    try:
        tensors = {key: value.float() for key, value in load_file(card.folder / "model.safetensors").items()}
        space = None
        if card.kind == "text":
            space = Space(tensors["space/mean"].numpy(), tensors["space/axes"].numpy(), float(card.space["half"]),
                          card.levels)
        networks = {}
        for entry in card.networks:
            network = build(card.shape, len(card.labels), int(card.settings["hidden"]))
            prefix = key_of(entry["method"], entry["scale"])
            network.load_state_dict({key.removeprefix(prefix): value for key, value in tensors.items()
                                     if key.startswith(prefix)}, strict=True)
            networks[entry["method"], float(entry["scale"])] = network
    except (KeyError, RuntimeError, OSError, TypeError, ValueError, SafetensorError) as error:
        raise BadInput(f"{_FOLDER}/{name} cannot be read: {str(error).splitlines()[0]}.") from None
    return SmoothedModel(card, networks, space)


def save(model: SmoothedModel, root: Path) -> SmoothedCard:
    """Write base classifiers below a folder of checkpoints, the card last; return the finished card."""
    from safetensors.torch import save as to_bytes

    tensors = {key_of(method, scale) + name: value.half().contiguous()
               for (method, scale), network in model.networks.items() for name, value in network.state_dict().items()}
    if model.space is not None:
        # fp32: the quantised vector of a text must be the one that training saw.
        tensors |= {"space/mean": torch.from_numpy(model.space.mean), "space/axes": torch.from_numpy(model.space.axes)}
    data = to_bytes(tensors)
    folder = root / _FOLDER / model.card.id
    folder.mkdir(parents=True, exist_ok=True)
    card = dataclasses.replace(model.card, files={"model.safetensors": hashlib.sha256(data).hexdigest()},
                               bytes=len(data), folder=folder)
    values = {f.name: getattr(card, f.name) for f in dataclasses.fields(card) if f.name != "folder"}
    loading.write_file(folder / "model.safetensors", data)
    loading.write_file(folder / "card.json", (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    return card


def key_of(method: str, scale: float) -> str:
    """Return how the names of a network's tensors begin."""
    return f"{method}/{scale:g}/"
