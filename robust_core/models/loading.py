"""Stored models: cards, hashes, saving, loading.

A checkpoint is a folder `<dataset>/<architecture>/<defence>` with model.safetensors and card.json. Word models share
one embedding table and vocabulary per data set and architecture, in the folder above. Nothing is ever unpickled, and
every file is checked against the SHA-256 in its card before it is used.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_core import datasets
from robust_core.errors import BadInput, UnknownName
from robust_core.models import huggingface
from robust_core.resources.encoder import minilm_folder, sha256

if TYPE_CHECKING:
    import torch
    from torch import nn

    from robust_core.models.classifier import TextClassifier
    from robust_core.models.networks.base import Network
    from robust_core.models.tokens import Subwords, WordVocabulary

SHIPPED = Path(__file__).parents[2] / "checkpoints"
ARCHITECTURES = {"cnn": "CNN", "lstm": "LSTM", "minilm": "MiniLM"}
WORD_MODELS = ("cnn", "lstm")


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a stored model; `card.json` holds the same fields but `folder`.

    Args:
        id: Model id, `<dataset>/<architecture>/<defence>` with `@seed` where the seed is not 0.
        dataset: Data set it was trained on.
        architecture: cnn, lstm, minilm, or the name of a Hugging Face encoder.
        defence: Record of the defence.
        seed: Seed of the training.
        labels: Label names, by index.
        config: Sizes of the network.
        recipe: Epochs, learning rates and the like.
        dev_accuracy: Share of the dev split that the stored weights classify correctly.
        epochs: Epoch the weights come from, counted from 1.
        seconds: Wall time of the training.
        device: Where it was trained.
        parameters: Trained and frozen parameters of the whole network.
        bytes: Size of the files in `files`.
        files: SHA-256 of each file, by path from the card's folder.
        data: Rows and SHA-256 of each split used; drawn_from, the rows there are, where only a part was used.
        parent: SHA-256 of the encoder the weights adapt, if there is one.
        version: Version of the code.
        folder: Where the card was read.
    """

    id: str
    dataset: str
    architecture: str
    defence: Mapping[str, Any]
    seed: int
    labels: tuple[str, ...]
    config: Mapping[str, Any]
    recipe: Mapping[str, Any]
    dev_accuracy: float
    epochs: int
    seconds: float
    device: str
    parameters: int
    bytes: int
    files: Mapping[str, str]
    data: Mapping[str, Any]
    parent: str
    version: str
    folder: Path

    @property
    def defence_name(self) -> str:
        """Name of the defence, such as base."""
        return str(self.defence["name"])

    @property
    def title(self) -> str:
        """Short name for people: architecture and defence."""
        defence = self.id.split("/")[2] if self.id.count("/") >= 2 else self.defence_name
        return f"{ARCHITECTURES.get(self.architecture, self.architecture)} · {defence}"


def roots() -> list[Path]:
    """Return the folders that hold checkpoints: the shipped one and the one of own trainings."""
    own = Path(os.environ.get("ROBUST_RUNS", "runs")) / "checkpoints"
    return [Path(os.environ.get("ROBUST_CHECKPOINTS", SHIPPED)), own]


def read_card(folder: Path) -> Card:
    """Read `card.json` of a folder.

    Raises:
        BadInput: There is none, or it is damaged.
    """
    try:
        values = json.loads((folder / "card.json").read_text(encoding="utf-8"))
        values["labels"] = tuple(values["labels"])
        card = Card(**values, folder=folder)
        _check_card(card)
        return card
    except FileNotFoundError:
        raise BadInput(f"{folder.name} has no card.json.") from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(f"The card of {short_name(folder)} is damaged; restore card.json.") from None


def _check_card(card: Card) -> None:
    """Raise ValueError unless the fields that everything else relies on have their types."""
    texts = (card.id, card.dataset, card.architecture, card.parent, card.defence["name"], *card.labels,
             *card.files, *card.files.values())
    if not all(isinstance(text, str) for text in texts) or not isinstance(card.config, dict):
        raise ValueError("a field of the card has another type")


def cards(first: Path | None = None) -> list[Card]:
    """Return the cards of all checkpoints, by data set, architecture, defence and seed; damaged ones are left out.

    Args:
        first: Another folder of checkpoints, whose cards count before those of the same id in `roots`.
    """
    found: dict[str, Card] = {}
    for root in ([first] if first else []) + roots():
        for path in sorted(root.glob("*/*/*/card.json")):
            try:
                card = read_card(path.parent)
            except BadInput:
                continue
            found.setdefault(card.id, card)
    order = list(ARCHITECTURES)
    return sorted(found.values(), key=lambda c: (
        list(datasets.DATASETS).index(c.dataset) if c.dataset in datasets.DATASETS else 99,
        order.index(c.architecture) if c.architecture in order else 99, c.defence_name != "base", c.id))


def check_files(card: Card) -> None:
    """Compare every file of a checkpoint with the SHA-256 in its card.

    Raises:
        BadInput: A file is absent or differs.
    """
    if "model.safetensors" not in card.files or card.architecture in WORD_MODELS and None in _word_files(card):
        raise BadInput(f"The card of {card.id} does not vouch for all its files; restore card.json.")
    for name, expected in card.files.items():
        path = card.folder / name
        if not path.is_file():
            raise BadInput(f"{card.id}: {path.name} is missing; restore the checkpoint.")
        if sha256(path) != expected:
            raise BadInput(f"{card.id}: {path.name} does not match its card; restore the checkpoint.")


def _word_files(card: Card) -> list[str | None]:
    """Return the names of the table of word vectors and the vocabulary: shared, in the folder above, or its own."""
    return [next((name for name in (f"../{file}", file) if name in card.files), None)
            for file in ("embedding.safetensors", "vocabulary.txt")]


def folder_name(architecture: str) -> str:
    """Return the name of an architecture in model ids: letters, digits, dots and dashes."""
    plain = Path(architecture).name if Path(architecture).is_dir() else architecture
    return re.sub(r"[^\w.]+", "-", plain)


def load(model_id: str, device: str = "auto") -> "TextClassifier":
    """Load a classifier.

    Args:
        model_id: Id of a checkpoint, a folder with a checkpoint or a Hugging Face model, or a Hugging Face id.
        device: auto (CUDA, then MPS, then CPU), cpu, cuda, cuda:1, mps.

    Raises:
        UnknownName: There is no such checkpoint.
        BadInput: Files are damaged, or the folder holds no classifier.
        MissingResource: Weights are not here and cannot be fetched.
    """
    known = {card.id: card for card in cards()}
    card = known.get(model_id)
    folder = Path(model_id)
    if card is None and (folder / "card.json").is_file():
        card = read_card(folder)
    if card is not None:
        return _load_card(card, pick_device(device))
    if model_id.strip() and folder.is_dir():
        if not (folder / "config.json").is_file():
            # A shipped checkpoint whose card is damaged ends here as well as a folder that is none.
            raise BadInput(f"The folder {short_name(folder)} holds neither a card.json nor a Hugging Face config.json.")
        return huggingface.classifier(model_id, pick_device(device))
    for root in roots():
        if (root / model_id / "card.json").is_file():
            read_card(root / model_id)
    if model_id.split("/")[0] in datasets.DATASETS or model_id.count("/") > 1 or not model_id.strip():
        raise UnknownName("model", model_id, list(known))
    return huggingface.classifier(model_id, pick_device(device), list(known))


def pick_device(device: str) -> "torch.device":
    """Turn a device name into a device; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        BadInput: There is no such device on this machine.
    """
    import torch

    if device == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError):
        raise BadInput(f"There is no device {device!r} here; try auto or cpu.") from None
    return chosen


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
    """
    from robust_core.models.networks.word_masks import GroupedEmbedding, MaskConfig

    sizes: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
    length, masks, groups = int(sizes.pop("length")), sizes.pop("masks", None), int(sizes.pop("groups", 0))
    reconstructs = bool(sizes.pop("reconstruction", False))
    network, tokens = _plain(architecture, sizes, length, labels, vocabulary)
    if groups:
        network.embedding = GroupedEmbedding(
            network.embedding.num_embeddings, network.embedding.embedding_dim, groups)
    if masks is not None:
        network.add_masks(MaskConfig(**masks))
    if reconstructs:
        network.add_reconstruction()
    return network, tokens


def _plain(architecture: str, sizes: dict[str, Any], length: int, labels: tuple[str, ...],
           vocabulary: tuple[str, ...]) -> "tuple[Network, WordVocabulary | Subwords]":
    from robust_core.models.tokens import WordVocabulary

    if architecture in WORD_MODELS:
        from robust_core.models.networks.cnn_lstm import WordCNN, WordLSTM

        tokens = WordVocabulary(vocabulary, length)
        return (WordCNN if architecture == "cnn" else WordLSTM)(len(tokens), len(labels), **sizes), tokens
    if architecture == "minilm":
        from robust_core.models.networks.bert import Bert
        from robust_core.models.networks.transformer import EncoderClassifier

        folder = minilm_folder()
        return EncoderClassifier(Bert.from_folder(folder), len(labels), **sizes), subwords(folder, length)
    classifier = huggingface.classifier(architecture, pick_device("cpu"), labels=labels, length=length)
    return classifier.net.requires_grad_(True), classifier.tokens


def subwords(folder: Path, length: int) -> "Subwords":
    """Read the fast tokenizer of a folder with tokenizer.json."""
    from tokenizers import Tokenizer

    from robust_core.models.tokens import Subwords

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return Subwords(tokenizer, length, tokenizer.token_to_id("[PAD]"))


def save(card: Card, weights: Mapping[str, "torch.Tensor"], shared: Mapping[str, bytes | Mapping[str, "torch.Tensor"]],
         root: Path, more: "Mapping[str, Mapping[str, torch.Tensor]] | None" = None) -> Card:
    """Write a checkpoint: files first, the card last, each renamed into place when it is complete.

    Args:
        card: The card; its files, bytes and folder are filled in here.
        weights: Tensors of model.safetensors.
        shared: Files of the folder above, by name: bytes, or the tensors of a safetensors file. Where a neighbour uses
            another file of that name, the checkpoint gets its own.
        root: Folder of all checkpoints.
        more: Further safetensors files, by name without the ending.

    Returns:
        The finished card.
    """
    from safetensors.torch import save as to_bytes

    folder = root.joinpath(*card.id.split("/"))
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    size = 0
    contents = {"model.safetensors": weights} | {
        f"{name.removesuffix('.safetensors')}.safetensors": tensors for name, tensors in (more or {}).items()}
    for name, content in [*contents.items(), *shared.items()]:
        data = content if isinstance(content, bytes) else to_bytes({k: v.contiguous() for k, v in content.items()})
        digest = hashlib.sha256(data).hexdigest()
        if name in shared and _may_share(folder, name, digest):
            name = f"../{name}"
        write_file(folder / name, data)
        files[name] = digest
        size += len(data)
    done = dataclasses.replace(card, files=files, bytes=size, folder=folder)
    values = {f.name: getattr(done, f.name) for f in dataclasses.fields(done) if f.name != "folder"}
    write_file(folder / "card.json", (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    return done


def _may_share(folder: Path, name: str, digest: str) -> bool:
    """Return whether a file can lie in the folder above without changing what another checkpoint there reads."""
    others = [path for path in folder.parent.glob("*/card.json") if path.parent != folder]
    for path in others:
        with contextlib.suppress(BadInput):
            if read_card(path.parent).files.get(f"../{name}", digest) != digest:
                return False
    return True


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    shutil.copymode(path.parent / "card.json", temporary) if (path.parent / "card.json").exists() else \
        os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def _load_card(card: Card, device: "torch.device") -> "TextClassifier":
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from robust_core.models.classifier import TextClassifier

    check_files(card)
    if card.parent and card.architecture in ARCHITECTURES and encoder_hash() != card.parent:
        raise BadInput(f"{card.id} adapts another encoder than the one in use; unset ROBUST_ENCODER.")
    try:
        words: tuple[str, ...] = ()
        if card.architecture in WORD_MODELS:
            table_name, words_name = map(str, _word_files(card))
            words = tuple((card.folder / words_name).read_text(encoding="utf-8").split("\n"))
        network, tokens = build(card.architecture, card.config["network"], card.labels, words)
        state = {name: value.float() if value.is_floating_point() else value
                 for name, value in load_file(card.folder / "model.safetensors").items()}
        if words:
            table = load_file(card.folder / table_name)["weight"].float()
            network.load_state_dict(state | {"embedding.weight": table}, strict=True, assign=True)
        else:
            own = card.architecture in ARCHITECTURES
            if card.parent and not own and parent_hash(card.architecture, network) != card.parent:
                raise BadInput(f"{card.id} adapts another encoder than the one called {card.architecture} here.")
            merge(network, state, card.config)
    except (KeyError, RuntimeError, OSError, TypeError, ValueError, SafetensorError) as error:
        raise BadInput(f"{card.id} cannot be read: {str(error).splitlines()[0]}.") from None
    return TextClassifier(card.id, card.labels, network, tokens, device, card)


def encoder_hash() -> str:
    """Return the SHA-256 of the packaged encoder's weights, or of those that a copy in use was made from."""
    folder = minilm_folder()
    own = folder / "card.json"
    if own.is_file():
        return str(json.loads(own.read_text(encoding="utf-8"))["parent_sha256"])
    return sha256(folder / "model.safetensors")


def parent_hash(architecture: str, network: "Network") -> str:
    """Return the SHA-256 of the encoder that an untrained network was made from; empty for word models."""
    if architecture in ARCHITECTURES:
        return "" if architecture in WORD_MODELS else encoder_hash()
    return weights_hash(network, getattr(network, "fresh", frozenset()))


def weights_hash(network: "nn.Module", without: Collection[str] = ()) -> str:
    """Return the SHA-256 of a network's weights but for masks and some by name."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if name not in without and not name.startswith("masks."):
            digest.update(name.encode())
            digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def merge(network: Any, state: Mapping[str, "torch.Tensor"], config: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Add low-rank weights to a network: W += scale * B A; every other tensor of `state` replaces its namesake.

    Raises:
        KeyError: The network has no tensor of that name.
    """
    import torch

    own = network.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if name.endswith(".lora_B"):
                continue
            if name.endswith(".lora_A"):
                layer = name.removesuffix(".lora_A")
                own[f"{layer}.weight"] += config["lora_scale"] * state[f"{layer}.lora_B"] @ value
            else:
                own[name].copy_(value)


def short_name(folder: Path) -> str:
    """Name a folder by its last parts, without the machine's own path."""
    return "/".join(folder.parts[-3:])
