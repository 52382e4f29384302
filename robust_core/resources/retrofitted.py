"""Word vectors retrofitted to the neighbour table: a word that no training text holds lies where its neighbours lie.

Retrofitting (Faruqui et al. 2015, https://aclanthology.org/N15-1184) moves each vector towards the mean of its
neighbours' vectors. The table has a row for each word that the attacks can bring, so that a word model built on it
knows them all.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from robust_core.file_hashes import sha256_once
from robust_core.resources._tables import load_arrays, table_path, unpack_words

FILE, COMMAND = "retrofitted.npz", "retrofitted"


class Retrofitted(NamedTuple):
    """The table.

    Attributes:
        words: Word pieces, as `models.tokens.split_word` makes them.
        vectors: (words, d) float32; coordinates have a standard deviation of 0.5. Shared by all who read it.
    """

    words: tuple[str, ...]
    vectors: np.ndarray


@cache
def retrofitted_vectors() -> Retrofitted:
    """Return the table, read once.

    Raises:
        MissingResource: If the table is absent.
        BadInput: If it is damaged.
    """
    table = load_arrays(FILE, COMMAND)
    vectors = table["vectors"].astype(np.float32)
    vectors *= table["scale"].astype(np.float32)[:, None]
    return Retrofitted(tuple(unpack_words(table["words"])), vectors)


def hash_retrofitted() -> str:
    """Return the SHA-256 of the table's file, by which a model's card names it.

    Raises:
        MissingResource: If the table is absent.
    """
    return sha256_once(table_path(FILE, COMMAND))
