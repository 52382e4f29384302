"""Tables that were tampered with, and forgetting what was read from them."""

import functools
import shutil
import sys
from pathlib import Path

import numpy as np

from robust_core.resources import _tables

# Everything that keeps what it looked up in a table.
KEEPERS = ("robust_core.resources", "robust_core.attacks.transformations")


def forget_tables() -> None:
    """Forget what was looked up, so that tables are opened again."""
    for name, module in list(sys.modules.items()):
        if name.startswith(KEEPERS):
            for value in list(vars(module).values()):
                if type(value) is functools._lru_cache_wrapper and value.__module__.startswith(KEEPERS):
                    value.cache_clear()


def scramble_neighbours(folder: Path) -> Path:
    """Copy the tables to a folder, with the neighbours of all words dealt out anew."""
    shutil.copytree(_tables.TABLES, folder)
    with np.load(folder / "neighbours.npz") as table:
        arrays = {name: table[name] for name in table.files}
    arrays["neighbour"] = np.random.default_rng(0).permutation(arrays["neighbour"])
    np.savez_compressed(folder / "neighbours.npz", **arrays)
    return folder
