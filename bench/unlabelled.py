"""Sentences without labels for self-training: python -m bench.unlabelled --data-dir DIR --out FILE.

Sentences of 5 to 40 words from the reviews of IMDB's train split, whose labels are not looked at; 40,000 of them, drawn
once. `train --unlabelled FILE --teacher MODEL` leaves out those that stand in dev or test of its data set.
"""

import argparse
import random
import re
from pathlib import Path

from bench.program import run_program
from robust_core import datasets
from robust_core.files import write_file
from robust_core.text import find_words

_END = re.compile(r"(?<=[.!?])\s+")


def main() -> None:
    """Write the sentences, one a line."""
    parser = argparse.ArgumentParser(prog="python -m bench.unlabelled", description=__doc__)
    parser.add_argument("--n", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = sorted({sentence for example in datasets.load("imdb", "train", args.data_dir)
                    for sentence in _END.split(example.text) if 5 <= len(find_words(sentence)) <= 40})
    chosen = random.Random(args.seed).sample(found, min(args.n, len(found)))
    write_file(args.out, ("\n".join(chosen) + "\n").encode())


if __name__ == "__main__":
    run_program(main)
