"""A file of swaps like that of the field's benchmark: python -m bench.nearest_words --data-dir DIR --out FILE.

Each word of IMDB's reviews with its nearest words in the packed counter-fitted table: at most 8, from a cosine of 0.75
on; stop words, negations and words such as "however" neither give way nor come in, as attacks leave them alone. Jia et
al. 2019 (https://arxiv.org/abs/1909.00986) publish such a list from the vectors of Mrkšić et al. 2016, which `train`,
`certify` and `attack` read as well (`--swaps FILE`); figures on this file are not figures on theirs.
"""

import argparse
import json
from collections.abc import Collection
from pathlib import Path

from bench.program import run_program
from robust_core import datasets
from robust_core.files import write_file
from robust_core.models.networks.additive import TURNS, is_negation
from robust_core.resources.neighbour_table import neighbours
from robust_core.resources.stopwords import stop_words
from robust_core.text import Draft


def main() -> None:
    """Write the file, and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m bench.nearest_words", description=__doc__)
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--cosine", type=float, default=0.75)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    words = sorted({word.lower() for split in ("train", "dev", "test")
                    for example in datasets.load("imdb", split, args.data_dir)
                    for word in Draft.of(example.text).words})
    held = stop_words() | TURNS
    near = {word: [other for other, cosine in neighbours(word) if cosine >= args.cosine and not _is_held(other, held)]
            for word in words if not _is_held(word, held)}
    swaps = {word: others[:args.most] for word, others in near.items() if others}
    write_file(args.out, json.dumps(swaps, indent=0).encode())
    print(f"{len(swaps):,} of {len(words):,} words, {sum(map(len, swaps.values())):,} swaps")


def _is_held(word: str, held: Collection[str]) -> bool:
    return word in held or is_negation(word)


if __name__ == "__main__":
    run_program(main)
