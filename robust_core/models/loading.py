"""Stored models: cards, hashes, saving, loading.

A checkpoint is a folder `<dataset>/<architecture>/<defence>` with model.safetensors and card.json. Word models share
one embedding table and vocabulary per data set and architecture, in the folder above. Nothing is ever unpickled, and
every file is checked against the SHA-256 in its card before it is used.
"""

from typing import TYPE_CHECKING

from robust_core import datasets
from robust_core.errors import BadInput, UnknownName, first_sentence, quote
from robust_core.files import check_path, short_name
from robust_core.models import huggingface
from robust_core.models.architectures import build
from robust_core.models.card_files import check_in_wheel
from robust_core.models.cards import (
    ARCHITECTURES,
    CORE,
    RANKS,
    RETROFITTED,
    TYPOS,
    WORD_MODELS,
    Card,
    cards,
    check_files,
    find_word_files,
    read_card,
)
from robust_core.models.device import pick_device
from robust_core.models.fingerprints import hash_base_encoder, hash_packaged
from robust_core.models.weight_files import Weight, find_misfits, load_weights, read_header
from robust_core.paths import checkpoint_folders
from robust_core.resources import fingerprints
from robust_core.resources.retrofitted import retrofitted_vectors

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
    check_in_wheel(model_id)
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
    if card.is_made_of_others:
        return _load_parts(card, device)
    if card.is_imported:
        return _load_imported(card, device)
    if card.parent and card.architecture in ARCHITECTURES and hash_packaged(card.architecture) != card.parent:
        raise BadInput(f"{card.id} reads another table of word vectors than the packaged one; train it anew."
                       if card.architecture in RETROFITTED else
                       f"{card.id} adapts another encoder than the one in use; unset ROBUST_ENCODER.")
    try:
        words = _read_words(card)
        _check_sizes(card, words)
        state = {name: value.float() if value.is_floating_point() else value
                 for name, value in load_weights(card.folder / "model.safetensors").items()}
        network, tokens = build(card.architecture, card.config["network"], card.labels, words)
        if words:
            table = network.embedding.weight if card.architecture in RETROFITTED else load_weights(
                card.folder / str(find_word_files(card)[0]))["weight"].float()
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


def _load_imported(card: Card, device: "torch.device") -> "TextClassifier":
    """Load a model that a person brought; its classes are called what that person called them."""
    model = huggingface.open_classifier(str(card.folder), device)
    if len(model.labels) != len(card.labels):
        raise BadInput(f"{card.id} has {len(model.labels)} classes, its card names {len(card.labels)}; add it anew.")
    model.id, model.labels, model.card = card.id, card.labels, card
    return model


def _load_parts(card: Card, device: "torch.device") -> "TextClassifier":
    """Load a checkpoint that is made of one or two others."""
    from robust_core.models.bounded import bound_correction
    from robust_core.models.typos import hash_ranks, read_typos

    known, parts = {other.id: other for other in cards()}, []
    try:
        mends = card.defence_name == TYPOS or bool(card.defence.get("typos"))
        if mends and card.config["parts"][RANKS] != hash_ranks():
            raise BadInput(f"{card.id} was made with another table of English words than the packaged one; combine it "
                           "anew.")
        for name in ("core", "correction") if card.defence_name == CORE else ("of",):
            name = card.defence[name]
            part = known.get(name)
            if part is None or part.is_made_of_others:
                raise BadInput(f"{card.id} is made of {quote(name)}, which is not here.")
            if fingerprints.hash_sums(part.files) != card.config["parts"][name]:
                raise BadInput(f"{card.id} is made of another {name} than the one here; combine them anew.")
            parts.append(_load_card(part, device))
        if card.defence_name == CORE:
            core, correction = parts
            model = bound_correction(card.id, core, correction, float(card.defence["bound"]), card)
            return read_typos(card.id, model, card) if mends else model
        return read_typos(card.id, parts[0], card)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"{card.id} cannot be read: {first_sentence(error)}.") from None


def _read_words(card: Card) -> tuple[str, ...]:
    """Return the words that a word model knows; none for others."""
    if card.architecture in RETROFITTED:
        return retrofitted_vectors().words
    if card.architecture not in WORD_MODELS:
        return ()
    with (card.folder / str(find_word_files(card)[1])).open(encoding="utf-8") as file:
        return tuple(file.read(_MOST_VOCABULARY).split("\n"))


def _check_sizes(card: Card, words: tuple[str, ...]) -> None:
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
        # What is packaged has the shape it was built with.
        table = Weight("F32", tuple(network.embedding.weight.shape)) if card.architecture in RETROFITTED else \
            read_header(card.folder / str(find_word_files(card)[0]))["weight"]
        misfit = next(find_misfits(network, header | {"embedding.weight": table}), None)
        if misfit:
            raise ValueError(f"its weights do not fit its card: {misfit}")
    elif sizes.get("masks") and header["masks.hidden.weight"].shape[0] != sizes["masks"]["hidden"]:
        raise ValueError("its word masks do not fit its card")
    elif sizes.get("groups"):
        raise ValueError("only word models have groups of words")
