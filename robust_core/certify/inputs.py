"""Quantised inputs with their classes, from texts or images."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from robust_core import datasets, encoders
from robust_core.certify import images
from robust_core.certify.space import learn_space
from robust_core.errors import BadInput
from robust_core.splits import load_training_texts

if TYPE_CHECKING:

    from robust_core.certify.space import Space
# A larger set is not encoded whole: 8,000 short texts take about two minutes on one core.
MOST_TEXTS = {"train": 8000, "dev": 2000}


@dataclasses.dataclass(frozen=True)
class Split:
    """Quantised inputs with their classes.

    Args:
        vectors: (n, *shape) int32 values 0..levels.
        labels: (n,) int64.
        uids: Names of the inputs.
        texts: The texts they come from; empty for images.
    """

    vectors: np.ndarray
    labels: np.ndarray
    uids: tuple[str, ...]
    texts: tuple[str, ...] = ()


def read_split(dataset: str, split: str, space: "Space | None" = None, data_dir: str | Path | None = None, *,
               n: int | None = None, seed: int = 0) -> Split:
    """Read a split of texts or images as quantised inputs.

    Args:
        dataset: Name of a text or an image set.
        split: train, dev or test.
        space: Where texts are put; needed for texts alone.
        data_dir: Folder of the data sets.
        n: Inputs to draw; all by default.
        seed: Seed of the draw.

    Raises:
        UnknownName, MissingResource, BadInput: As the data sets' own `load`; n is below 1.
    """
    if n is not None and n < 1:
        raise BadInput(f"The number of inputs must be at least 1, not {n}.")
    if dataset in images.IMAGES:
        pixels, labels = images.load(dataset, split, data_dir)
        chosen = draw_rows(len(labels), n, seed)
        return Split(pixels[chosen], labels[chosen], tuple(f"{dataset}/{split}/{i}" for i in chosen))
    examples = datasets.load(dataset, split, data_dir)
    examples = [examples[i] for i in draw_rows(len(examples), n, seed)]
    texts = tuple(e.text for e in examples)
    if space is None:
        raise BadInput(f"{dataset} holds texts: give the space that they are put into.")
    return Split(space.vectors(encoders.load_default().encode(texts)), np.array([e.label for e in examples]),
                 tuple(e.uid for e in examples), texts)


def draw_rows(count: int, n: int | None, seed: int) -> list[int]:
    """Return the positions of n of `count` inputs in rising order; all of them when n is None or too large."""
    if n is None:
        return list(range(count))
    return sorted(np.random.default_rng(seed).permutation(count)[:n].tolist())


class Prepared(NamedTuple):
    """Data that base classifiers are trained on.

    Attributes:
        space: Where texts are put; None for images.
        splits: Quantised inputs, train and dev.
        data: What a card says of them.
    """

    space: "Space | None"
    splits: dict[str, Split]
    data: dict[str, Any]


def prepare_splits(dataset: str, dimensions: int = 8, projection: str = "supervised", covered: float = 0.99,
                   data_dir: str | Path | None = None) -> Prepared:
    """Read the splits to train on and learn the space that texts are put into; arguments as of `train`.

    Texts that stand in a later split as well are left out (`splits.load_training_texts`).
    """
    if dataset in images.IMAGES:
        splits = {split: read_split(dataset, split, None, data_dir) for split in ("train", "dev")}
        return Prepared(None, splits, {name: {"n": len(s.labels), "sha256": images.hash_images(s.vectors, s.labels)}
                                       for name, s in splits.items()})
    texts = load_training_texts(dataset, data_dir, MOST_TEXTS)
    found = {split: (encoders.load_default().encode([e.text for e in examples]), examples)
             for split, examples in texts.splits.items()}
    labels = {split: np.array([e.label for e in examples]) for split, (_, examples) in found.items()}
    space = learn_space(found["train"][0], labels["train"], dimensions, projection, covered)
    return Prepared(space, {split: Split(space.vectors(embeddings), labels[split], tuple(e.uid for e in examples),
                                         tuple(e.text for e in examples))
                            for split, (embeddings, examples) in found.items()}, texts.data)
