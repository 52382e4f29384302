"""The command line that gives a figure again."""

import shlex

from robust_core.types import Precision

# Stands in a command for the folder of the public data sets, which everybody has somewhere else (docs/data.md).
DATA = "DATA"


def make_command(*words: str, seeds: int = 1, n: int | None = None, precision: Precision = "exact",
                 train: bool = False, data: bool = False) -> str:
    """Return `python -m robust_core` with some words, quoted for a shell.

    Args:
        words: The command's name, then its arguments and options.
        seeds: Trainings of each model; not named where it is 1.
        n: Most examples; not named where it is None.
        precision: Precision of the attacks; not named where it is exact.
        train: Whether models have to be trained that are not shipped.
        data: Whether it reads public data sets.
    """
    options = ["--seeds", str(seeds)] if seeds > 1 else []
    options += ["--n", str(n)] if n is not None else []
    options += ["--precision", precision] if precision != "exact" else []
    options += ["--train"] * train
    options += ["--data-dir", DATA] * data
    return shlex.join(["python", "-m", "robust_core", *words, *options])
