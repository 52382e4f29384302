"""Build `retrofitted.npz`: word vectors, each drawn towards those of its neighbours, for all words of the attacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robust_core.paths import CHECKPOINTS
from robust_core.resources._tables import load_arrays, pack_words, unpack_words
from robust_core.resources.build.words import read_train_texts
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.retrofitted import FILE
from robust_core.resources.vectors import word_vectors
from robust_core.resources.wordnet import synonyms
from robust_core.text import find_words, split_word

if TYPE_CHECKING:
    import scipy.sparse as sparse

# Data sets whose training texts' words have a row even where no table knows them.
DATASETS = ("sst2", "trec")
# The word model whose learnt vectors are taken.
MODEL = "sst2/cnn"
LEAST_COSINE = 0.5
# What the mean of the neighbours weighs beside the word's own vector, and how often it is taken.
WEIGHT, STEPS = 2.0, 10
# Standard deviation of a coordinate: that of the word vectors which base models start from.
SPREAD = 0.5


def build_retrofitted(data: Path, out: Path) -> Path:
    """Write the table.

    A word starts from what the base model of `MODEL` learnt for it, one that this model does not know from the word
    vector that it would have started from.

    Args:
        data: Folder of data sets.
        out: Folder to write `retrofitted.npz` to: words (bytes), vectors (words, 200) int8, scale (words,) float16.
    """
    known, learnt = read_learnt(CHECKPOINTS / MODEL)
    words = sorted({*list_words(data), *known})
    number = {word: i for i, word in enumerate(words)}
    rows = [number[word] for word in known]
    vectors = word_vectors(words, learnt.shape[1])
    vectors *= SPREAD / vectors[rows].std()
    vectors[rows] = learnt
    vectors = retrofit(vectors, list_links(words))
    vectors *= SPREAD / vectors.std()
    scale = (np.abs(vectors).max(1) / 127).astype(np.float16)
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE
    np.savez_compressed(path, words=pack_words(words), scale=scale, vectors=np.rint(
        vectors / np.maximum(scale.astype(np.float32), 1e-9)[:, None]).clip(-127, 127).astype(np.int8))
    return path


def read_learnt(folder: Path) -> tuple[list[str], np.ndarray]:
    """Return the words that a data set's word models know, and the (words, d) vectors that their base model learnt."""
    from safetensors.numpy import load_file

    words = (folder / "vocabulary.txt").read_text(encoding="utf-8").split("\n")
    return words, load_file(folder / "embedding.safetensors")["weight"][2:].astype(np.float32)


def list_words(data: Path) -> list[str]:
    """Return the pieces of all words of training texts and of all that may stand in for a word, in order."""
    texts = {text[start:end].lower() for text, _ in read_train_texts(data, DATASETS) for start, end in find_words(text)}
    table = set(unpack_words(load_arrays("neighbours.npz", "neighbours")["words"]))
    every = texts | table | {other for word in texts | table for other in synonyms(word)}
    return sorted({piece for word in every for piece in split_word(word)})


def list_links(words: Sequence[str]) -> "sparse.csr_matrix":
    """Return the (words, words) matrix of neighbours, 1 where either word has the other for one."""
    import scipy.sparse as sparse

    number = {word: i for i, word in enumerate(words)}
    pairs = np.array([(i, number[other.lower()]) for word, i in number.items() for other, cosine in neighbours(word)
                      if cosine >= LEAST_COSINE and other.lower() in number], dtype=np.int64).reshape(-1, 2)
    links = sparse.coo_matrix((np.ones(len(pairs)), pairs.T), (len(words), len(words))).tocsr()
    links = (links + links.T).tocsr()
    links.data[:] = 1.0
    return links


def retrofit(vectors: np.ndarray, links: "sparse.csr_matrix", weight: float = WEIGHT, steps: int = STEPS) -> np.ndarray:
    """Return (words, d) vectors X that come near to X = (E + weight D^-1 A X) / (1 + weight), by Jacobi steps.

    That is (I + weight (I - D^-1 A))^-1 E. A word without neighbours keeps its vector.

    Args:
        vectors: (words, d) vectors E.
        links: (words, words) symmetric matrix A of neighbours; D holds its row sums.
        weight: What the mean of the neighbours weighs beside the word's own vector.
        steps: How often the mean is taken.
    """
    import scipy.sparse as sparse

    degree = np.asarray(links.sum(1)).ravel()
    mean, linked = sparse.diags(1 / np.maximum(degree, 1)) @ links, (degree > 0)[:, None]
    moved = vectors
    for _ in range(steps):
        moved = np.where(linked, (vectors + weight * (mean @ moved)) / (1 + weight), vectors)
    return np.asarray(moved, dtype=np.float32)
