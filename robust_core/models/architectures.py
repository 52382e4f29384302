"""Untrained networks by name, with their tokenizers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robust_core.errors import BadInput
from robust_core.models import huggingface
from robust_core.models.cards import WORD_MODELS
from robust_core.models.device import pick_device
from robust_core.models.tokens import WordVocabulary, read_subwords
from robust_core.resources.encoder import minilm_folder

if TYPE_CHECKING:

    from robust_core.models.networks.base import Network
    from robust_core.models.tokens import Subwords


def build(architecture: str, config: Mapping[str, Any], labels: tuple[str, ...], vocabulary: tuple[str, ...] = ()
          ) -> "tuple[Network, WordVocabulary | Subwords]":
    """Make an untrained network and its tokenizer.

    Args:
        architecture: cnn, lstm, minilm, or a Hugging Face id or folder.
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


def check_places(length: int, places: int) -> None:
    """Raise BadInput unless a longest input has room for a word, and a transformer a place for each of its pieces."""
    if not 3 <= length <= places:
        raise BadInput(f"The longest input must have 3 to {places:,} pieces, not {length:,}.")


def _build_plain(architecture: str, sizes: dict[str, Any], length: int, labels: tuple[str, ...],
                 vocabulary: tuple[str, ...]) -> "tuple[Network, WordVocabulary | Subwords]":
    if architecture in WORD_MODELS:
        from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM

        tokens = WordVocabulary(vocabulary, length)
        return (WordCNN if architecture == "cnn" else WordLSTM)(len(tokens), len(labels), **sizes), tokens
    if architecture == "minilm":
        from robust_core.models.networks.bert import Bert
        from robust_core.models.networks.transformer import EncoderClassifier

        folder = minilm_folder()
        body = Bert.from_folder(folder)
        check_places(length, body.config["max_position_embeddings"])
        return EncoderClassifier(body, len(labels), **sizes), read_subwords(folder, length)
    classifier = huggingface.open_classifier(architecture, pick_device("cpu"), labels=labels, length=length)
    return classifier.net.requires_grad_(True), classifier.tokens
