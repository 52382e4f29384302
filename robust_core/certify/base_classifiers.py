"""Base classifiers for smoothing: small networks over quantised vectors, and the space that texts are put into.

A stored model is a folder `smoothed/<name>` with model.safetensors (fp16) and card.json; it holds a network for each
method and Lambda. The files are checked against the SHA-256 in the card before they are used.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from robust_core import encoders, paths
from robust_core.certify.networks import build_network, make_judge
from robust_core.certify.space import Space
from robust_core.errors import BadInput, UnknownName, first_sentence, shorten
from robust_core.files import join_inside
from robust_core.models import fingerprints
from robust_core.models.card_files import check_card, check_count, check_sha256, read_json_card, write_card
from robust_core.models.config_files import MOST_LABELS
from robust_core.models.networks.shapes import on_no_device
from robust_core.models.weight_files import Weight, find_misfits, load_weights, read_header

_FOLDER, _MOST_NETWORKS = "smoothed", 200


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
        data: Rows and SHA-256 of each split used, and what was left out of it (`splits.TrainingTexts`); older cards say
            in a note where it is a part, and left nothing out.
        files: SHA-256 of each file.
        bytes: Size of the files.
        parent: SHA-256 of the encoder, for texts.
        version: Version of the code.
        folder: Where the card was read.
        known_faults: What was found to be wrong with how they were trained, a line each; older cards lack it.
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
    known_faults: tuple[str, ...] = ()


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
        return make_judge(network)

    def vectors(self, texts: Sequence[str], device: str = "auto") -> np.ndarray:
        """Return the (n, d) quantised vectors of texts.

        Raises:
            BadInput: The model is one for images.
        """
        if self.space is None:
            raise BadInput(f"{self.id} is a model for images; it reads no texts.")
        return self.space.vectors(encoders.load_default(device).encode(texts))


def cards() -> list[SmoothedCard]:
    """Return the cards of all stored models; damaged ones are left out."""
    found: dict[str, SmoothedCard] = {}
    for root in paths.checkpoint_folders():
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
    def make(values: dict[str, Any]) -> SmoothedCard:
        values |= {"labels": tuple(values["labels"]), "shape": tuple(values["shape"])}
        card = check_card(SmoothedCard(**values, folder=folder))
        check_count(len(card.labels), 1, MOST_LABELS)
        check_count(card.levels)
        if card.kind not in ("text", "image") or not card.id.isprintable() or len(card.networks) > _MOST_NETWORKS:
            raise ValueError("no such kind, or no such network")
        return card

    return read_json_card(folder, make,
                          f"The card of {_FOLDER}/{folder.name} is missing or damaged; restore card.json.")


def check_files(card: SmoothedCard) -> None:
    """Compare every file with the SHA-256 in the card.

    Raises:
        BadInput: A file is absent or differs, or texts were put through another encoder.
    """
    if "model.safetensors" not in card.files:
        raise BadInput(f"The card of {card.id} does not list the SHA-256 of its weights; restore the checkpoint.")
    check_sha256(card.folder, card.files, lambda name, _: (
        f"{_FOLDER}/{card.id}: {name} is missing or does not match its card; restore the checkpoint."))
    if card.parent and fingerprints.hash_encoder() != card.parent:
        raise BadInput(f"{_FOLDER}/{card.id} reads another encoder than the one in use; unset ROBUST_ENCODER.")


def load(name: str) -> SmoothedModel:
    """Load the base classifiers of a data set.

    Raises:
        UnknownName: There are none.
        BadInput: Files are damaged.
    """
    known = {card.id: card for card in cards()}
    if name not in known:
        raise UnknownName("smoothed model", name, list(known))
    card = known[name]
    check_files(card)
    weights = card.folder / "model.safetensors"
    try:
        _check_sizes(card, read_header(weights))
        tensors = {key: value.float() for key, value in load_weights(weights).items()}
        space = None
        if card.kind == "text":
            space = Space(tensors["space/mean"].numpy(), tensors["space/axes"].numpy(), float(card.space["half"]),
                          card.levels)
        networks = {}
        for entry in card.networks:
            network = build_network(card.shape, len(card.labels), int(card.settings["hidden"]))
            prefix = make_key(entry["method"], entry["scale"])
            network.load_state_dict({key.removeprefix(prefix): value for key, value in tensors.items()
                                     if key.startswith(prefix)}, strict=True)
            networks[entry["method"], float(entry["scale"])] = network
    except (KeyError, RuntimeError, OSError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BadInput(f"{_FOLDER}/{shorten(name)} cannot be read: {first_sentence(error)}.") from None
    return SmoothedModel(card, networks, space)


def _check_sizes(card: SmoothedCard, header: Mapping[str, Weight]) -> None:
    """Compare the sizes on a card with the header of its weights, before anything of these sizes is allocated.

    Raises:
        KeyError, RuntimeError, TypeError, ValueError, ZeroDivisionError: They are others, or none.
    """
    with on_no_device():
        network = build_network(card.shape, len(card.labels), card.settings["hidden"])
    for entry in card.networks:
        prefix = make_key(entry["method"], entry["scale"])
        own = {key.removeprefix(prefix): weight for key, weight in header.items() if key.startswith(prefix)}
        misfit = next(find_misfits(network, own), None)
        if misfit:
            raise ValueError(f"its weights do not fit its card: {misfit}")
    if card.kind == "text":
        size = header["space/mean"].shape
        if len(size) != 1 or header["space/axes"].shape != (math.prod(card.shape), *size) or not (
                0 < float(card.space["half"]) < math.inf):
            raise ValueError("its space does not fit its card")


def save(model: SmoothedModel, root: Path) -> SmoothedCard:
    """Write base classifiers below a folder of checkpoints, the card last; return the finished card."""
    from safetensors.torch import save as to_bytes

    tensors = {make_key(method, scale) + name: value.half().contiguous()
               for (method, scale), network in model.networks.items() for name, value in network.state_dict().items()}
    if model.space is not None:
        # fp32: the quantised vector of a text must be the one that training saw.
        tensors |= {"space/mean": torch.from_numpy(model.space.mean), "space/axes": torch.from_numpy(model.space.axes)}
    folder = join_inside(root / _FOLDER, model.card.id, "model's name")
    return write_card(model.card, folder, [("model.safetensors", to_bytes(tensors))])


def make_key(method: str, scale: float) -> str:
    """Return how the names of a network's tensors begin."""
    return f"{method}/{scale:g}/"
