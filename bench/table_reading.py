"""A blind reading of neighbour tables: python -m bench.table_reading make|score.

`make` draws pairs of each table, from three bands of cosine, of words that SST-2's training texts use, mixes them, and
writes `pairs.tsv` (a number and two words: all that the reader sees) and `key.tsv` (table, cosine, part of speech).
The reader writes `verdicts.tsv`: one of VERDICTS a pair. `score` says how many pairs are good (GOOD) in each band and
part of speech; each pair is weighed by how many pairs of its table it stands for.
"""

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.program import run_program
from bench.tsv import write_rows
from robust_core import datasets
from robust_core.errors import BadInput
from robust_core.judging.shipped import read_rows
from robust_core.resources._tables import unpack_words
from robust_core.resources.neighbour_table import read_cosines
from robust_core.resources.pos import tag
from robust_core.resources.stopwords import stop_words

FOLDER = Path(__file__).with_suffix("")
# What the second word is to the first, in some sense of it.
VERDICTS = ("synonym", "form", "related", "sense", "opposite", "name", "nonsense")
GOOD = ("synonym", "form")
# Lower ends of the bands of cosine, and the share of a table's pairs that each gets in the reading.
BANDS = ((0.8, 0.3), (0.65, 0.3), (-1.0, 0.4))
KINDS = ("noun", "verb", "adj", "adv")
# What attacks take: TextFooler all pairs from 0.5 on, the swap set of `careful` those from 0.75 on that a list names.
BOUNDS = (0.5, 0.65, 0.75)
_HOW = ("python -m bench.table_reading make writes pairs.tsv, key.tsv and sizes.tsv, a reader verdicts.tsv with the "
        "columns number and verdict.")

Pair = tuple[str, str, float]


class Judged(NamedTuple):
    """The verdict on a pair, and how many pairs of its table it stands for."""

    verdict: str
    cosine: float
    tag: str
    weight: float


def main() -> None:
    """Draw the pairs or score the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m bench.table_reading", description=__doc__)
    parser.add_argument("what", choices=("make", "score"))
    parser.add_argument("--table", action="append", nargs=3, metavar=("NAME", "FILE", "N"), default=[],
                        help="a table's name, its file and how many of its pairs are read; repeatable")
    parser.add_argument("--at-least", type=int, default=5, help="how often SST-2's training texts use a word")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    args = parser.parse_args()
    if args.what == "score":
        for line in score_verdicts(args.folder):
            print(line)
        return
    counts = Counter(word for e in datasets.load("sst2", "train", args.data_dir) for word in e.text.lower().split())
    words = {word for word, n in counts.items() if n >= args.at_least and word not in stop_words()}
    rng, drawn, sizes = random.Random(args.seed), [], []
    for name, file, n in args.table:
        bands = split_pairs(read_pairs(Path(file), words))
        sizes.append((name, *(len(band) for band in bands)))
        for (_, share), band in zip(BANDS, bands, strict=True):
            drawn += [(name, *pair) for pair in rng.sample(band, min(round(share * int(n)), len(band)))]
    write_pairs(args.folder, rng.sample(drawn, len(drawn)), sizes)


def read_pairs(path: Path, words: set[str]) -> list[Pair]:
    """Return (word, neighbour, cosine) of all neighbours that some words have in a table's file."""
    with np.load(path) as file:
        table = {name: file[name] for name in file.files}
    names, end = unpack_words(table["words"]), np.cumsum(table["count"], dtype=np.int64)
    return [(word, names[other], float(cosine)) for row, word in enumerate(names) if word in words
            for span in [slice(int(end[row] - table["count"][row]), int(end[row]))]
            for other, cosine in zip(table["neighbour"][span], read_cosines(table, span), strict=True)]


def split_pairs(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Return the pairs of each band."""
    found: list[list[Pair]] = [[] for _ in BANDS]
    for pair in pairs:
        found[_find_band(pair[2])].append(pair)
    return found


def _find_band(cosine: float) -> int:
    return next(k for k, (low, _) in enumerate(BANDS) if cosine >= low)


def write_pairs(folder: Path, drawn: Sequence[tuple[str, str, str, float]], sizes: Sequence[tuple]) -> None:
    """Write what the reader sees, and apart from it where each pair comes from and how many pairs a band holds."""
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / "pairs.tsv", [("number", "word", "other"),
                                      *((k, a, b) for k, (_, a, b, _) in enumerate(drawn, 1))])
    write_rows(folder / "key.tsv", [("number", "table", "cosine", "tag"),
                                    *((k, name, f"{cosine:.3f}", tag([a])[0])
                                      for k, (name, a, _, cosine) in enumerate(drawn, 1))])
    write_rows(folder / "sizes.tsv", [("table", *(f"from {low:g}" for low, _ in BANDS)), *sizes])


def score_verdicts(folder: Path) -> Iterator[str]:
    """Yield a line for each table and band, for each part of speech, and for the table as a whole.

    Raises:
        BadInput: A pair has no verdict, or one that is none.
    """
    verdicts = {row["number"]: row["verdict"] for row in read_rows(folder / "verdicts.tsv", _HOW)}
    key = read_rows(folder / "key.tsv", _HOW)
    wrong = [row["number"] for row in key if verdicts.get(row["number"]) not in VERDICTS]
    if wrong:
        raise BadInput(f"Pair {wrong[0]} has no verdict, or one that is none of {', '.join(VERDICTS)}.")
    for size in read_rows(folder / "sizes.tsv", _HOW):
        rows = [row for row in key if row["table"] == size["table"]]
        read = Counter(_find_band(float(row["cosine"])) for row in rows)
        weights = [int(size[f"from {low:g}"]) / max(read[k], 1) for k, (low, _) in enumerate(BANDS)]
        judged = [Judged(verdicts[row["number"]], float(row["cosine"]), row["tag"],
                         weights[_find_band(float(row["cosine"]))]) for row in rows]
        for k, (low, _) in enumerate(BANDS):
            held = [pair for pair in judged if _find_band(pair.cosine) == k]
            high = f" to {BANDS[k - 1][0]:g}" if k else ""
            yield f"{size['table']}, cosine {max(low, 0):g}{high}: {_summarise(held)}"
        for bound in BOUNDS:
            yield f"{size['table']}, from {bound:g} on: {_summarise([p for p in judged if p.cosine >= bound])}"
        for kind in KINDS:
            held = [p for p in judged if p.tag.lower().startswith(kind) and p.cosine >= BANDS[1][0]]
            yield f"{size['table']}, {kind} from {BANDS[1][0]:g} on: {_summarise(held)}"
        yield f"{size['table']}, all its pairs: {_summarise(judged)}"


def _summarise(held: Sequence[Judged]) -> str:
    """Return the share of good pairs, each weighed by how many pairs of the table it stands for."""
    if not held:
        return "none read"
    weight = np.array([pair.weight for pair in held])
    good = np.array([pair.verdict in GOOD for pair in held])
    share = float(weight @ good / weight.sum())
    error = float(((weight * (good - share)) ** 2).sum() ** 0.5 / weight.sum())
    counts = Counter(pair.verdict for pair in held)
    parts = ", ".join(f"{name} {counts[name]}" for name in VERDICTS if counts[name])
    return f"{100 * share:.0f} ± {100 * error:.0f} % good, {len(held)} read ({parts})"


if __name__ == "__main__":
    run_program(main)
