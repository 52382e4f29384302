"""Read the packed tables beside this file: plain arrays, never pickles."""

from functools import cache
from pathlib import Path

import numpy as np

from robust_core.errors import BadInput, MissingResource
from robust_core.file_hashes import mark_read

TABLES = Path(__file__).parent / "tables"


def build_command(name: str) -> str:
    """Return how to make a table, as a sentence.

    Args:
        name: Sub-command of the builder, such as `neighbours`.
    """
    return f"Make it with: python -m robust_core.resources.build {name} --data DIR"


def table_path(file: str, command: str) -> Path:
    """Return the path of a table that is known to exist.

    Args:
        file: File name inside the folder of tables.
        command: Sub-command of the builder that makes it.

    Raises:
        MissingResource: If the file is not there.
    """
    path = TABLES / file
    if not path.is_file():
        raise MissingResource(f"the table {file}", build_command(command))
    return path


@cache
def load_arrays(file: str, command: str) -> "dict[str, np.ndarray]":
    """Load all arrays of an npz table, once per process.

    Args:
        file: File name inside the folder of tables.
        command: Sub-command of the builder that makes it.

    Raises:
        MissingResource: If the file is not there.
        BadInput: If it cannot be read as plain arrays.
    """
    path = table_path(file, command)
    mark_read(path)
    try:
        with np.load(path, allow_pickle=False) as table:
            return {key: table[key] for key in table.files}
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise BadInput(f"the table {file} is damaged. {build_command(command)}") from error


def pack_words(words: list[str]) -> "np.ndarray":
    """Return words as the bytes of one text (uint8), since arrays of str take four bytes a letter."""
    return np.frombuffer("\n".join(words).encode(), dtype=np.uint8)


def unpack_words(packed: "np.ndarray") -> list[str]:
    """Return the words that `pack_words` packed."""
    return packed.tobytes().decode().split("\n")
