"""How long and how fast to train."""

import dataclasses
import math
from typing import Any

from robust_core import datasets
from robust_core.models.cards import WORD_MODELS, find_family
from robust_core.registry import check_parameters, param

# Training texts below which a data set is small: an epoch of usual batches would be a handful of steps.
SMALL = 1000
# Parts of a recipe that name a file of one's own.
FILES = ("unlabelled", "swap_file")
# Pieces that transformers read of long texts: as many as MiniLM has places for, some 400 words.
_PIECES = {"imdb": 512}


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How long and how fast to train; `recipe_for` gives each architecture its defaults."""

    epochs: int = param(10, "Passes over the training texts", low=1, high=200)
    learning_rate: float = param(1e-3, "Largest step of the optimiser", low=0.0, high=1.0)
    batch_size: int = param(64, "Texts per step", low=1, high=4096)
    weight_decay: float = param(0.0, "Decoupled weight decay", low=0.0, high=1.0)
    warmup: float = param(0.0, "Share of the steps in which the rate rises", low=0.0, high=1.0)
    decay: str = param("constant", "How the rate goes on after the warm-up", choices=("constant", "linear"))
    clip: float = param(1.0, "Largest gradient norm; 0 switches clipping off", low=0.0)
    dropout: float = param(0.2, "Share of features dropped in training", low=0.0, high=0.9)
    embedding_dropout: float = param(
        0.0, "Share of the word vectors' coordinates dropped in training (word models)", low=0.0, high=0.9)
    word_dropout: float = param(0.0, "Share of words read as unknown in training (word models)", low=0.0, high=0.9)
    length: int = param(50, "Longest input, in tokens", low=1, high=512)
    rows: int = param(0, "Training texts to use, drawn once and the same for every seed; 0: all", low=0)
    rank: int = param(8, "Rank of the low-rank weights of a transformer; 0 trains all its weights", low=0, high=64)
    mixed: bool = param(True, "Run matrix products in bf16 where the processor has it (transformers)")
    lora_targets: str = param("attention", "Which layers get low-rank weights", choices=("attention", "all"))

    unlabelled: str = param("", "File of texts without labels, one a line, which the teacher labels; empty: none",
                            later=True)
    teacher: str = param("", "Model that labels them, of the same classes", later=True)
    swap_file: str = param("", "JSON file of swaps, word to list of words, for a defence with swaps=file; "
                               "empty: none", later=True)
    patience: int = param(0, "Epochs without a better accuracy on dev after which to stop; 0: never", low=0)

    def __post_init__(self) -> None:
        check_parameters(self)


def make_recipe(architecture: str, dataset: str, texts: float = math.inf, **changes: Any  # noqa: ANN401 (fields)
               ) -> Recipe:
    """Return the recipe chosen on dev for an architecture, with `changes` applied.

    Args:
        architecture: A name of `cards.ARCHITECTURES`, or a Hugging Face id or folder.
        dataset: Name of the data set.
        texts: Number of training texts; fewer than `SMALL` take smaller batches and more epochs.
        changes: Fields of the recipe.
    """
    if architecture == "additive":
        defaults: dict[str, Any] = {"epochs": 16, "learning_rate": 1e-2, "batch_size": 256, "weight_decay": 1e-3,
                                    "decay": "linear", "clip": 0.0, "dropout": 0.0, "length": 400}
        if texts < SMALL:
            defaults |= {"batch_size": 32}
    elif architecture in WORD_MODELS:
        defaults = {"epochs": 10, "learning_rate": 5e-4, "batch_size": 32, "dropout": 0.5, "embedding_dropout": 0.3,
                    "word_dropout": 0.05, "length": datasets.describe(dataset).length}
        if find_family(architecture) == "lstm":
            defaults |= {"learning_rate": 1e-3, "batch_size": 64, "dropout": 0.4, "embedding_dropout": 0.4,
                         "word_dropout": 0.15}
        if texts < SMALL:
            defaults |= {"epochs": 20, "learning_rate": 1e-3, "batch_size": 8}
    else:
        defaults = {"epochs": 4, "learning_rate": 5e-4, "batch_size": 32, "weight_decay": 0.01, "warmup": 0.06,
                    "decay": "linear", "dropout": 0.1, "length": _PIECES.get(dataset, 128), "rank": 16,
                    "lora_targets": "all"}
        if texts < SMALL:
            defaults |= {"epochs": 8, "batch_size": 8}
    return Recipe(**(defaults | changes))
