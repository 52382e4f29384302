"""Stored models: cards, hashes, saving, loading.

A checkpoint is a folder `<dataset>/<architecture>/<defence>` with model.safetensors and card.json. Word models share
one embedding table and vocabulary per data set and architecture, in the folder above. Nothing is ever unpickled, and
every file is checked against the SHA-256 in its card before it is used.
"""

from typing import TYPE_CHECKING

from robust_core import datasets
from robust_core.errors import BadInput, UnknownName, first_sentence
from robust_core.files import check_path
from robust_core.models import huggingface
from robust_core.models.architectures import build
from robust_core.models.cards import ARCHITECTURES, WORD_MODELS, Card, cards, check_files, find_word_files, read_card
from robust_core.models.device import pick_device
from robust_core.models.fingerprints import hash_base_encoder, hash_encoder
from robust_core.models.weight_files import find_misfits, load_weights, read_header
from robust_core.paths import checkpoint_folders, short_name

# Characters of a vocabulary: far more than a table of word vectors has rows for.
_MOST_VOCABULARY = 50_000_000

if TYPE_CHECKING:
    import torch

    from robust_core.models.classifier import TextClassifier


def load(model_id: str, device: str = "auto") -> "TextClassifier":
    """Load a classifier.

    Args:
        model_id: Id of a checkpoint, a folder with a checkpoint or a Hugging Face model, or a Hugging Face id.
        device: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput: Files are damaged, the folder holds no classifier, or nothing can be called so.
        MissingResource: Weights are not here and cannot be fetched.
    """
    folder = check_path(model_id, "model")
    known = {card.id: card for card in cards()}
    card = known.get(model_id)
    if card is None and (folder / "card.json").is_file():
        card = read_card(folder)
    if card is not None:
        return _load_card(card, pick_device(device))
    if model_id.strip() and folder.is_dir():
        if not (folder / "config.json").is_file():
            # A shipped checkpoint whose card is damaged ends here as well as a folder that is none.
            raise BadInput(f"The folder {short_name(folder)} holds neither a card.json nor a Hugging Face config.json.")
        return huggingface.open_classifier(model_id, pick_device(device))
    for root in checkpoint_folders():
        if ".." not in folder.parts and (root / model_id / "card.json").is_file():
            read_card(root / model_id)
    if model_id.split("/")[0] in datasets.DATASETS or model_id.count("/") > 1 or not model_id.strip():
        raise UnknownName("model", model_id, list(known))
    return huggingface.open_classifier(model_id, pick_device(device), list(known))


def _load_card(card: Card, device: "torch.device") -> "TextClassifier":
    from robust_core.models.classifier import TextClassifier
    from robust_core.models.lora import merge_state

    check_files(card)
    if card.parent and card.architecture in ARCHITECTURES and hash_encoder() != card.parent:
        raise BadInput(f"{card.id} adapts another encoder than the one in use; unset ROBUST_ENCODER.")
    try:
        words: tuple[str, ...] = ()
        table_name = ""
        if card.architecture in WORD_MODELS:
            table_name, words_name = map(str, find_word_files(card))
            with (card.folder / words_name).open(encoding="utf-8") as file:
                words = tuple(file.read(_MOST_VOCABULARY).split("\n"))
        _check_sizes(card, words, table_name)
        state = {name: value.float() if value.is_floating_point() else value
                 for name, value in load_weights(card.folder / "model.safetensors").items()}
        network, tokens = build(card.architecture, card.config["network"], card.labels, words)
        if words:
            table = load_weights(card.folder / table_name)["weight"].float()
            network.load_state_dict(state | {"embedding.weight": table}, strict=True, assign=True)
        else:
            own = card.architecture in ARCHITECTURES
            if card.parent and not own and hash_base_encoder(card.architecture, network) != card.parent:
                raise BadInput(f"{card.id} adapts another encoder than the one called {card.architecture} here.")
            # All but the encoder's own, and what of it was only drawn.
            merge_state(network, state, card.config, {name for name in network.state_dict() if name in network.fresh
                                                      or not name.startswith(("body.", "model."))})
    except (KeyError, IndexError, RuntimeError, OSError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{card.id} cannot be read: {first_sentence(error)}.") from None
    return TextClassifier(card.id, card.labels, network, tokens, device, card)


def _check_sizes(card: Card, words: tuple[str, ...], table_name: str) -> None:
    """Compare the sizes on a card with the headers of its files, before anything of these sizes is allocated.

    Raises:
        BadInput: A file is damaged.
        KeyError, ValueError: The sizes are others.
    """
    from robust_core.models.networks.shapes import on_no_device

    header, sizes = read_header(card.folder / "model.safetensors"), card.config["network"]
    if card.architecture in WORD_MODELS:
        with on_no_device():
            network, _ = build(card.architecture, sizes, card.labels, words)
        table = read_header(card.folder / table_name)["weight"]
        misfit = next(find_misfits(network, header | {"embedding.weight": table}), None)
        if misfit:
            raise ValueError(f"its weights do not fit its card: {misfit}")
    elif sizes.get("masks") and header["masks.hidden.weight"].shape[0] != sizes["masks"]["hidden"]:
        raise ValueError("its word masks do not fit its card")
    elif sizes.get("groups"):
        raise ValueError("only word models have groups of words")
