"""Labelled image sets: digits come with scikit-learn, CIFAR-10 is read from a folder in its usual binary format.

Images are whole numbers 0..levels of the shape (channels, height, width).
"""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from robust_core.errors import BadInput, MissingResource, UnknownName
from robust_core.files import read_bytes
from robust_core.paths import data_folders

SPLITS = ("train", "dev", "test")
_CIFAR_ROW = 1 + 3 * 32 * 32
_CIFAR_DEV = 5000
_CIFAR_BYTES = 10_000 * _CIFAR_ROW
_CIFAR_HOW = ("Put the binary version of CIFAR-10 (data_batch_1.bin to data_batch_5.bin, test_batch.bin) into a folder "
              "cifar10 or cifar-10-batches-bin and name the folder around it with --data-dir or ROBUST_DATA.")


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """What is known of an image set before it is read.

    Args:
        name: Name in commands.
        title: Name as people write it.
        labels: Label names, by index.
        shape: (channels, height, width).
        levels: Largest value of a pixel.
        source: Where it comes from, with its licence.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    shape: tuple[int, int, int]
    levels: int
    source: str


IMAGES: dict[str, ImageSet] = {s.name: s for s in (
    ImageSet("digits", "Digits", tuple("0123456789"), (1, 8, 8), 16,
             "UCI optical recognition of handwritten digits (Alpaydin and Kaynak 1998), as in scikit-learn; CC BY 4.0"),
    ImageSet("cifar10", "CIFAR-10", ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
                                     "truck"), (3, 32, 32), 255, "Krizhevsky 2009; no licence stated"),
)}


def load(name: str, split: str, data_dir: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read a split: (n, channels, height, width) int32 images, and (n,) int64 labels.

    Digits are dealt out by a fixed draw: 1,097 train, 200 dev, 500 test. CIFAR-10's dev split is the last 5,000 of
    its training images.

    Raises:
        UnknownName: There is no such image set or split.
        MissingResource: The files are not here.
        BadInput: A file is damaged.
    """
    if not isinstance(name, str) or name not in IMAGES:
        raise UnknownName("image set", name, list(IMAGES))
    if split not in SPLITS:
        raise UnknownName("split", split, list(SPLITS))
    return _load_digits(split) if name == "digits" else _load_cifar10(split, data_dir)


def hash_images(images: np.ndarray, labels: np.ndarray) -> str:
    """Return a SHA-256 over images and labels."""
    return hashlib.sha256(images.astype("<i4").tobytes() + labels.astype("<i8").tobytes()).hexdigest()


def _load_digits(split: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    images, labels = map(np.asarray, load_digits(return_X_y=True))
    order = np.random.default_rng(0).permutation(len(labels))
    start, end = {"train": (0, 1097), "dev": (1097, 1297), "test": (1297, 1797)}[split]
    chosen = order[start:end]
    return images[chosen].reshape(-1, 1, 8, 8).astype(np.int32), labels[chosen].astype(np.int64)


def _load_cifar10(split: str, data_dir: str | Path | None) -> tuple[np.ndarray, np.ndarray]:
    names = ["test_batch.bin"] if split == "test" else [f"data_batch_{i}.bin" for i in range(1, 6)]
    folders = [folder for root in data_folders(data_dir)
               for folder in (root / "cifar10", root / "cifar-10-batches-bin", root)]
    folder = next((f for f in folders if all((f / name).is_file() for name in names)), None)
    if folder is None:
        raise MissingResource(f"The {split} split of CIFAR-10", _CIFAR_HOW)
    rows = np.concatenate([_read_cifar_rows(folder / name) for name in names])
    rows = {"train": rows[:-_CIFAR_DEV], "dev": rows[-_CIFAR_DEV:], "test": rows}[split]
    return rows[:, 1:].reshape(-1, 3, 32, 32).astype(np.int32), rows[:, 0].astype(np.int64)


def _read_cifar_rows(path: Path) -> np.ndarray:
    data = np.frombuffer(read_bytes(path, _CIFAR_BYTES), dtype=np.uint8)
    if not len(data) or len(data) % _CIFAR_ROW or data[::_CIFAR_ROW].max() > 9:
        raise BadInput(f"{path.name} is no file of CIFAR-10's binary version.")
    return data.reshape(-1, _CIFAR_ROW)
