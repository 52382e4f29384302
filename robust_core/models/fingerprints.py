"""Hashes by which a checkpoint knows the encoder that it adapts."""

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from robust_core.errors import BadInput
from robust_core.file_hashes import sha256_once
from robust_core.files import read_json, short_name
from robust_core.models.cards import ARCHITECTURES, RETROFITTED, WORD_MODELS
from robust_core.resources.encoder import minilm_folder
from robust_core.resources.retrofitted import hash_retrofitted

if TYPE_CHECKING:
    from torch import nn

    from robust_core.models.networks.base import Network


def hash_encoder() -> str:
    """Return the SHA-256 of the packaged encoder's weights, or of those that a copy in use was made from.

    Raises:
        BadInput: The copy does not say from which.
    """
    folder = minilm_folder()
    own = folder / "card.json"
    if own.is_file():
        try:
            return str(read_json(own)["parent_sha256"])
        except (BadInput, KeyError, TypeError):
            raise BadInput(f"card.json in the encoder folder {short_name(folder)} names no parent_sha256.") from None
    return sha256_once(folder / "model.safetensors")


def hash_packaged(architecture: str) -> str:
    """Return the SHA-256 of what is packaged and one of our networks reads: encoder, word vectors or nothing."""
    if architecture in RETROFITTED:
        return hash_retrofitted()
    return "" if architecture in WORD_MODELS else hash_encoder()


def hash_base_encoder(architecture: str, network: "Network") -> str:
    """Return the SHA-256 of what an untrained network was made from (`hash_packaged`); of others, of their weights."""
    if architecture in ARCHITECTURES:
        return hash_packaged(architecture)
    return hash_weights(network, network.fresh)


def hash_weights(network: "nn.Module", without: Collection[str] = ()) -> str:
    """Return the SHA-256 of a network's weights but for masks and some by name."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name not in without and not name.startswith("masks."):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
