"""Stored sentence encoders: low-rank weights on another encoder, with a card; `encoders/<name>` below a root."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_core import paths
from robust_core.errors import BadInput, first_sentence
from robust_core.files import join_inside
from robust_core.models.card_files import check_card, check_low_rank, check_sha256, read_json_card, write_card
from robust_core.models.weight_files import load_weights

if TYPE_CHECKING:
    import torch

    from robust_core.models.base_encoders import BaseEncoder

FOLDER = "encoders"
_WEIGHTS = "model.safetensors"


@dataclasses.dataclass(frozen=True)
class EncoderCard:
    """What is known of a stored encoder; `card.json` holds the same fields but `folder`.

    Args:
        id: Name, with `@seed` where the seed is not 0.
        method: Record of the method it was trained by.
        schedule: How long and how fast.
        seed: Seed of the training.
        config: lora_scale; length, the longest input in pieces; start, the folder or Hugging Face id of the encoder
            that it adapts, where that is not the packaged one.
        corpus: n (sentences), longest (pieces), sources, left_out, drawn_from and sha256. Cards without left_out are
            older than the comparison with the transfer tasks that have no splits.
        dev: What the weights were selected on: task, metric, n, left_out, before, after, step, checks. Cards without
            left_out took all pairs of STS-B dev.
        steps: Steps of the training.
        seconds: Wall time of the training.
        device: Where it was trained.
        bytes: Size of the files in `files`.
        files: SHA-256 of each file.
        parent: SHA-256 of the encoder that it adapts.
        version: Version of the code.
        folder: Where the card was read.
        known_faults: What was found to be wrong with how it was trained, a line each; older cards have no such field.
    """

    id: str
    method: Mapping[str, Any]
    schedule: Mapping[str, Any]
    seed: int
    config: Mapping[str, Any]
    corpus: Mapping[str, Any]
    dev: Mapping[str, Any]
    steps: int
    seconds: float
    device: str
    bytes: int
    files: Mapping[str, str]
    parent: str
    version: str
    folder: Path
    known_faults: tuple[str, ...] = ()


def cards() -> list[EncoderCard]:
    """Return the cards of the stored encoders, shipped ones first; of one name the first counts.

    Raises:
        BadInput: A card is damaged.
    """
    found: dict[str, EncoderCard] = {}
    for root in paths.checkpoint_folders():
        for path in sorted((root / FOLDER).glob("*/card.json")):
            card = read(path.parent)
            found.setdefault(card.id, card)
    return list(found.values())


def read(folder: Path) -> EncoderCard:
    """Read the card of a folder.

    Raises:
        BadInput: There is none, or it is damaged.
    """
    def make(values: dict[str, Any]) -> EncoderCard:
        card = check_card(EncoderCard(**values, folder=folder))
        check_low_rank(card.config)
        if set(card.files) != {_WEIGHTS} or not isinstance(card.config.get("start", ""), str):
            raise ValueError("the card lists other files, or starts from what is no name")
        if not card.id.isprintable():
            raise ValueError("no name")
        return card

    return read_json_card(folder, make, f"The card of the encoder {folder.name} is damaged; restore card.json.")


def save(card: EncoderCard, weights: "Mapping[str, torch.Tensor]", root: Path) -> EncoderCard:
    """Write an encoder, the card last; returns the finished card."""
    from safetensors.torch import save as to_bytes

    data = to_bytes({name: value.contiguous() for name, value in weights.items()})
    return write_card(card, join_inside(root / FOLDER, card.id, "encoder's name"), [(_WEIGHTS, data)])


def load_adapted(card: EncoderCard) -> "BaseEncoder":
    """Load the encoder that a stored one adapts, and make it the stored one.

    Raises:
        BadInput: The file differs from its card, or was made for another encoder.
        MissingResource: The encoder it adapts is not here.
    """
    from robust_core.models.base_encoders import load_base_encoder

    state = _read_weights(card)
    given = load_base_encoder(card.config.get("start", ""), card.config["length"])
    _merge(card, given, state)
    return given


def apply(card: EncoderCard, given: "BaseEncoder") -> None:
    """Add an encoder's low-rank weights to the one that it adapts.

    Raises:
        BadInput: The file differs from its card, or was made for another encoder.
    """
    _merge(card, given, _read_weights(card))


def _read_weights(card: EncoderCard) -> "dict[str, torch.Tensor]":
    try:
        check_sha256(card.folder, card.files, lambda name, problem: (
            f"{name} of the encoder {card.id} {problem}; restore it."))
        return {name: value.float() for name, value in load_weights(card.folder / _WEIGHTS).items()}
    except OSError:
        raise BadInput(f"The encoder {card.id} cannot be read; restore it.") from None


def _merge(card: EncoderCard, given: "BaseEncoder", state: "Mapping[str, torch.Tensor]") -> None:
    from robust_core.models import lora

    start = card.config.get("start")
    if given.sha256 != card.parent:
        where = f"the one in {start}." if start else "the one in use; unset ROBUST_ENCODER."
        raise BadInput(f"{card.id} adapts another encoder than {where}")
    try:
        lora.merge_state(given.body, state, card.config)
    except (KeyError, RuntimeError) as error:
        raise BadInput(f"The encoder {card.id} cannot be read: {first_sentence(error)}.") from None
