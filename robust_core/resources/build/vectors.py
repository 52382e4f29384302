"""Build `word_projection.npz`: principal components of bare-word vectors over the vocabulary of the train texts."""

from pathlib import Path

import numpy as np

from robust_core.resources.build.words import count_words, read_lines
from robust_core.resources.vectors import encode_words

COMPONENTS = 200
MEAN_LENGTH = 3.0


def build_vectors(data: Path, out: Path) -> Path:
    """Fit mean, components and scale and write them.

    Args:
        data: Folder of public texts and lists.
        out: Folder to write `word_projection.npz` to: mean (384,) and components (200, 384) in fp16, scale ().
    """
    words = choose_projection_words(data)
    rows = encode_words(words).astype(np.float64)  # (n, 384)
    mean = rows.mean(0)
    rows -= mean
    _, directions = np.linalg.eigh(rows.T @ rows)  # ascending
    components = directions[:, ::-1][:, :COMPONENTS].T  # (200, 384)
    # the sign of a component is arbitrary: fixed here so that two builds agree
    components *= np.sign(components[np.arange(COMPONENTS), np.abs(components).argmax(1)])[:, None]
    scale = MEAN_LENGTH / np.linalg.norm(rows @ components.T, axis=1).mean()
    out.mkdir(parents=True, exist_ok=True)
    path = out / "word_projection.npz"
    np.savez_compressed(path, mean=mean.astype(np.float16), components=components.astype(np.float16),
                        scale=np.float32(scale))
    return path


def choose_projection_words(data: Path) -> list[str]:
    """Return the sorted vocabulary: words seen twice in the train texts, so that data sets weigh as they are used."""
    counts = count_words(data)
    listed = set(read_lines(data / "counterfitting" / "vocabulary.txt.gz"))
    return sorted(word for word, n in counts.items() if n >= 5 or (n >= 2 and word in listed))
