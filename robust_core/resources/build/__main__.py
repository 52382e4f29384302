"""Make the packed tables and the small encoder: `python -m robust_core.resources.build NAME --data DIR`.

The outcome is a pure function of the inputs: all sampling is seeded, all lists are sorted before use.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from robust_core.resources._tables import TABLES
from robust_core.resources.build.antonyms import build_antonyms
from robust_core.resources.build.pos import build_pos
from robust_core.resources.build.retrofitted import build_retrofitted
from robust_core.resources.build.vectors import build_vectors
from robust_core.resources.build.wordnet import build_wordnet
from robust_core.resources.encoder import build_encoder

NAMES = ("encoder", "neighbours", "swaps", "pos", "vectors", "retrofitted", "antonyms", "wordnet")


def main(arguments: list[str] | None = None) -> int:
    """Build one resource and print where it lies, its size and the time taken.

    Args:
        arguments: Command line without the program's name; None reads the process's own.

    Returns:
        0 on success, 2 where an input or a dependency is missing.
    """
    parser = argparse.ArgumentParser(prog="python -m robust_core.resources.build", description=__doc__)
    parser.add_argument("name", choices=NAMES, help="what to build")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of public texts and lists")
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"),
                        help="folder of WordNet 3.0's own files (Debian package wordnet-base)")
    parser.add_argument("--out", type=Path, help="folder to write (default: the package's tables; encoder: required)")
    parser.add_argument("--neighbours", type=Path, default=TABLES / "neighbours.npz",
                        help="swaps only: table of neighbours to choose from")
    parser.add_argument("--dtype", default="float16", help="encoder only: float16, bfloat16 or float32")
    options = parser.parse_args(arguments)
    if options.name == "encoder" and options.out is None:
        parser.error("encoder needs --out DIR")
    missing = [folder for folder in _needed(options) if not folder.is_dir()]
    if missing:
        parser.error(f"no such folder: {missing[0]}")
    start = time.perf_counter()
    for path in _builder(options.name)(options):
        size = sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size
        print(f"{path}: {size:,} bytes, {time.perf_counter() - start:.0f} s")
    return 0


def _needed(options: argparse.Namespace) -> list[Path]:
    if options.name == "encoder":
        return []
    if options.name == "wordnet":
        return [options.wordnet]
    return [options.data] if options.name in ("vectors", "retrofitted") else [options.data, options.wordnet]


def _builder(name: str) -> Callable[[argparse.Namespace], list[Path]]:
    """Return the function that builds a resource; what it needs is imported only when it runs."""
    def encoder(options: argparse.Namespace) -> list[Path]:
        return [build_encoder(options.out, options.dtype)]

    def neighbours(options: argparse.Namespace) -> list[Path]:
        from robust_core.resources.build.neighbours import build_neighbours
        return [build_neighbours(options.data, options.wordnet, options.out or TABLES)]

    def swaps(options: argparse.Namespace) -> list[Path]:
        from robust_core.resources.build.swaps import build_swaps
        return [build_swaps(options.data, options.wordnet, options.neighbours, options.out or TABLES)]

    def pos(options: argparse.Namespace) -> list[Path]:
        return [build_pos(options.data, options.wordnet, options.out or TABLES)]

    def vectors(options: argparse.Namespace) -> list[Path]:
        return [build_vectors(options.data, options.out or TABLES)]

    def retrofitted(options: argparse.Namespace) -> list[Path]:
        return [build_retrofitted(options.data, options.out or TABLES)]

    def antonyms(options: argparse.Namespace) -> list[Path]:
        return [build_antonyms(options.data, options.wordnet, options.out or TABLES)]

    def wordnet(options: argparse.Namespace) -> list[Path]:
        return [build_wordnet(options.wordnet, options.out or TABLES)]

    return {"encoder": encoder, "neighbours": neighbours, "swaps": swaps, "pos": pos, "vectors": vectors,
            "retrofitted": retrofitted, "antonyms": antonyms, "wordnet": wordnet}[name]


if __name__ == "__main__":
    sys.exit(main())
