"""Untrained networks by name, with their tokenizers."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from robust_core.errors import BadInput
from robust_core.models import huggingface
from robust_core.models.cards import RETROFITTED, WORD_MODELS, find_family
from robust_core.models.device import pick_device
from robust_core.models.tokens import WholeWords, WordVocabulary, read_subwords
from robust_core.resources.encoder import minilm_folder
from robust_core.resources.retrofitted import retrofitted_vectors

if TYPE_CHECKING:
    import torch

    from robust_core.models.networks.base import Network
    from robust_core.models.tokens import Subwords


def build(architecture: str, config: Mapping[str, Any], labels: tuple[str, ...], vocabulary: tuple[str, ...] = ()
          ) -> "tuple[Network, WordVocabulary | Subwords]":
    """Make an untrained network and its tokenizer.

    Args:
        architecture: A name of `cards.ARCHITECTURES`, or a Hugging Face id or folder.
        config: Sizes of the network, and `length`, the longest input in tokens.
        labels: Label names.
        vocabulary: Known words of a word model.

    Returns:
        (network, tokenizer).

    Raises:
        BadInput: The longest input has no room for a word, or more places than the encoder.
    """
    from robust_core.models.networks.word_masks import GroupedEmbedding, MaskConfig

    sizes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    length, masks, groups = int(sizes.pop("length")), sizes.pop("masks", None), int(sizes.pop("groups", 0))
    reconstructs = bool(sizes.pop("reconstruction", False))
    network, tokens = _build_plain(architecture, sizes, length, labels, vocabulary)
    if groups:
        network.embedding = GroupedEmbedding(
            network.embedding.num_embeddings, network.embedding.embedding_dim, groups)
    if masks is not None:
        network.add_masks(MaskConfig(**masks))
    if reconstructs:
        network.add_reconstruction()
    return network, tokens


@functools.cache
def _load_packaged_vectors() -> "torch.Tensor":
    """Return the packaged word vectors, zeros for the pad and for unknown words before them."""
    import torch

    return torch.from_numpy(np.pad(retrofitted_vectors().vectors, ((2, 0), (0, 0))))


def _build_word_model(architecture: str, sizes: dict[str, Any], classes: int, words: int) -> "Network":
    from torch import nn

    from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM

    kind = WordCNN if find_family(architecture) == "cnn" else WordLSTM
    if architecture not in RETROFITTED:
        return kind(words, classes, **sizes)
    # All networks share one table, which trainings leave as it is.
    table = _load_packaged_vectors()
    network = kind(1, classes, table.shape[1], **sizes)
    network.embedding = nn.Embedding.from_pretrained(table, padding_idx=0)
    return network


def check_places(length: int, places: int) -> None:
    """Raise BadInput unless a longest input has room for a word, and a transformer a place for each of its pieces."""
    if not 3 <= length <= places:
        raise BadInput(f"The longest input must have 3 to {places:,} pieces, not {length:,}.")


def _build_plain(architecture: str, sizes: dict[str, Any], length: int, labels: tuple[str, ...],
                 vocabulary: tuple[str, ...]) -> "tuple[Network, WordVocabulary | Subwords]":
    if architecture == "additive":
        from robust_core.models.networks.additive import AdditiveNetwork

        units = WholeWords(vocabulary, length)
        return AdditiveNetwork(len(units), len(labels), **sizes), units
    if architecture in WORD_MODELS:
        tokens = WordVocabulary(vocabulary, length)
        return _build_word_model(architecture, sizes, len(labels), len(tokens)), tokens
    if architecture == "minilm":
        from robust_core.models.networks.bert import Bert
        from robust_core.models.networks.transformer import EncoderClassifier

        folder = minilm_folder()
        body = Bert.from_folder(folder)
        check_places(length, body.config["max_position_embeddings"])
        return EncoderClassifier(body, len(labels), **sizes), read_subwords(folder, length)
    classifier = huggingface.open_classifier(architecture, pick_device("cpu"), labels=labels, length=length)
    return classifier.net.requires_grad_(True), classifier.tokens
