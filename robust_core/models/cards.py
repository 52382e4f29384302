"""Cards of stored models: what is known of a checkpoint, found, read, checked and written."""

import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robust_core import datasets
from robust_core.errors import BadInput
from robust_core.files import join_inside, short_name
from robust_core.models.card_files import check_card, check_count, check_sha256, read_json_card, write_card
from robust_core.models.config_files import MOST_LABELS
from robust_core.paths import checkpoint_folders

if TYPE_CHECKING:
    import torch

ARCHITECTURES = {"cnn": "CNN", "lstm": "LSTM", "cnn-retrofitted": "CNN on retrofitted vectors",
                 "lstm-retrofitted": "LSTM on retrofitted vectors", "minilm": "MiniLM", "additive": "Additive"}
# What a network on the packaged table of retrofitted word vectors (`resources.retrofitted`) is else.
RETROFITTED = {"cnn-retrofitted": "cnn", "lstm-retrofitted": "lstm"}
WORD_MODELS = ("cnn", "lstm", "additive", *RETROFITTED)
# Name in the place of a defence where a checkpoint is made of two others: a certified core and a bounded correction.
CORE = "core"
# The same where it is another checkpoint that reads slips of the keyboard as the nearest known word.
TYPOS = "typos"
# What such a card calls the hash of the table that says which word is nearest where several are.
RANKS = "table parts-of-speech"
# In the place of the data set for a model that a person brought (`own_models`); no data set can be called so.
IMPORTED = "own-model"
_MOST_SIZES = 30


@dataclasses.dataclass(frozen=True)
class Card:
    """What is known of a stored model; `card.json` holds the same fields but `folder`.

    Args:
        id: Model id, `<dataset>/<architecture>/<defence>` with `@seed` where the seed is not 0.
        dataset: Data set it was trained on.
        architecture: A name of `ARCHITECTURES`, or the name of a Hugging Face encoder.
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
        data: Rows and SHA-256 of each split used, and what was left out of it (`splits.TrainingTexts`); the same of
            texts without labels (unlabelled), and name and SHA-256 of a swap set from a file (swaps). Of a card that
            does not name dropped_overlap nothing is known: texts of dev and test may be among those it learnt from.
        parent: SHA-256 of the encoder the weights adapt or of the packaged word vectors they read, if there is one.
        version: Version of the code.
        folder: Where the card was read.
        known_faults: What was found to be wrong with how it was trained, a line each; older cards have no such field.
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
    known_faults: tuple[str, ...] = ()

    @property
    def defence_name(self) -> str:
        """Name of the defence, such as base."""
        return str(self.defence["name"])

    @property
    def is_certified(self) -> bool:
        """Whether swaps of words cannot flip what it is proved of: an additive model, or one with an additive core."""
        return self.architecture == "additive" or self.defence_name == CORE

    @property
    def is_made_of_others(self) -> bool:
        """Whether it has no weights of its own: a certified core with a correction, or a model that mends typos."""
        return self.defence_name in (CORE, TYPOS)

    @property
    def is_imported(self) -> bool:
        """Whether a person brought it, so that nothing is known of its training and of its accuracy."""
        return self.dataset == IMPORTED

    @property
    def title(self) -> str:
        """Short name for people: architecture and defence."""
        defence = self.id.split("/")[2] if self.id.count("/") >= 2 else self.defence_name
        return f"{ARCHITECTURES.get(self.architecture, self.architecture)} · {defence}"


def read_card(folder: Path) -> Card:
    """Read `card.json` of a folder.

    Raises:
        BadInput: There is none, or it is damaged.
    """
    def make(values: dict[str, Any]) -> Card:
        values["labels"] = tuple(values["labels"])
        return _check_card(check_card(Card(**values, folder=folder)))

    return read_json_card(folder, make, f"The card of {short_name(folder)} is damaged; restore card.json.",
                          f"{folder.name} has no card.json.")


def _check_card(card: Card) -> Card:
    """Return a card; raise ValueError unless what everything else relies on is there and possible."""
    network = card.config["network"]
    check_count(network["length"])
    check_count(len(card.labels), 1, MOST_LABELS)
    if not isinstance(card.defence["name"], str) or not card.id.isprintable() or not 0 <= card.dev_accuracy <= 1:
        raise ValueError("a field of the card has another type")
    if not all(isinstance(card.data.get(split, {}), dict) for split in datasets.SPLITS):
        raise ValueError("no data")
    if not _is_short(network) or not isinstance(card.config.get("lora_scale", 1.0), int | float):
        raise ValueError("no sizes of a network")
    return card


def _is_short(network: Mapping[str, Any]) -> bool:
    """Return whether no list of sizes is so long that building what it describes would take for ever."""
    return len(network) <= _MOST_SIZES and all(len(size) <= _MOST_SIZES for size in network.values()
                                               if isinstance(size, list | dict))


def cards(first: Path | None = None) -> list[Card]:
    """Return the cards of all checkpoints, by data set, architecture, defence and seed; damaged ones are left out.

    Args:
        first: Another folder of checkpoints, whose cards count before those of the same id in `roots`.
    """
    found: dict[str, Card] = {}
    for root in ([first] if first else []) + checkpoint_folders():
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
    own_words = card.architecture in WORD_MODELS and card.architecture not in RETROFITTED
    if card.is_made_of_others:
        return
    # A model that somebody brought may have its weights in several files, which an index lists.
    if not card.is_imported and "model.safetensors" not in card.files or own_words and None in find_word_files(card):
        raise BadInput(f"The card of {card.id} does not list the SHA-256 of all its files; restore card.json.")
    check_sha256(card.folder, card.files, lambda name, problem: (
        f"{card.id}: {Path(name).name} {problem}; restore the checkpoint."))


def find_word_files(card: Card) -> list[str | None]:
    """Return the names of the table of word vectors and the vocabulary: shared, in the folder above, or its own."""
    return [next((name for name in (f"../{file}", file) if name in card.files), None)
            for file in ("embedding.safetensors", "vocabulary.txt")]


def find_family(architecture: str) -> str:
    """Return the architecture of which another is a variant on the packaged word vectors; of all others themselves."""
    return RETROFITTED.get(architecture, architecture)


def name_folder(architecture: str) -> str:
    """Return the name of an architecture in model ids: letters, digits, dots and dashes."""
    # "." and ".." have names as well.
    plain = Path(os.path.abspath(architecture)).name if Path(architecture).is_dir() else architecture
    return re.sub(r"[^\w.]+", "-", plain)


def find_folder(root: Path, model_id: str) -> Path:
    """Return where a checkpoint lies in a folder of checkpoints.

    Raises:
        BadInput: The id leads out of the folder.
    """
    return join_inside(root, model_id, "model's name")


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

    Raises:
        BadInput: The id leads out of the folder.
    """
    from safetensors.torch import save as to_bytes

    folder = find_folder(root, card.id)
    contents = {"model.safetensors": weights} | {
        f"{name.removesuffix('.safetensors')}.safetensors": tensors for name, tensors in (more or {}).items()}

    def files() -> Iterator[tuple[str, bytes]]:
        for name, content in [*contents.items(), *shared.items()]:
            data = content if isinstance(content, bytes) else to_bytes({k: v.contiguous() for k, v in content.items()})
            above = name in shared and _may_share(folder, name, hashlib.sha256(data).hexdigest())
            yield f"../{name}" if above else name, data

    return write_card(card, folder, files())


def _may_share(folder: Path, name: str, digest: str) -> bool:
    """Return whether a file can lie in the folder above without changing what another checkpoint there reads."""
    others = [path for path in folder.parent.glob("*/card.json") if path.parent != folder]
    for path in others:
        with contextlib.suppress(BadInput):
            if read_card(path.parent).files.get(f"../{name}", digest) != digest:
                return False
    return True
