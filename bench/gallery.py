"""Texts to begin with, and what happens to them: python -m bench.gallery search|check [--out FILE].

Each text is attacked by TextFooler under the preset `careful` on a plain model, on FLAT and on the certified one.
`search` sorts the sample reviews by what happens, and writes the examples of the Attack page: at most so many of a
kind, texts of 4 to 50 words, in the order of their hashes, so that nobody picks; and a few that were typed. `check`
attacks the stored ones again.
"""

import argparse
import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.program import check_models, run_program
from robust_core import ATTACKS, datasets
from robust_core.attacks.presets import CAREFUL, read_preset
from robust_core.certify.word_swaps import WordCertifier
from robust_core.files import write_file
from robust_core.models import loading
from robust_core.paths import ROOT
from robust_core.resources.swap_sets import read_swap_set
from robust_core.text import find_words
from robust_core.types import Example

FILE = ROOT / "ui" / "attack" / "gallery.tsv"
MODELS = ("sst2/cnn/base", "sst2/cnn/flat-textfooler", "sst2/additive/close")
COLUMNS = ("kind", "label", "text")
# How many texts of each kind are kept, by what happens; written by hand in `ui.attack.examples`.
MOST = {"proved": 20, "holds": 2, "flat": 10, "all hold": 3, "all flip": 2, "wrong": 2}
# Typed for the page, not drawn from the reviews: always kept.
TYPED = {
    "Not even the lovely island scenery can save this soggy romance.": 0,
    "an exceedingly clever piece of cinema": 1,
    "a warm, funny and honest film about growing old together": 1,
    "the plot is thin and the jokes fall flat": 0,
    "it is slow at times, but the ending makes up for everything": 1,
    "a tedious, clumsy thriller that wastes a talented cast": 0,
    "the performances are strong and the music is beautiful": 1,
}


class Row(NamedTuple):
    """A text, and what happens to it.

    Attributes:
        kind: A key of `MOST`.
        label: Index of its true class.
        text: The text.
    """

    kind: str
    label: int
    text: str


def sort_texts(examples: Sequence[Example]) -> list[Row]:
    """Attack each text on the three models, and say what happens."""
    models = [loading.load(name, "cpu") for name in MODELS]
    certifier = WordCertifier(models[-1], read_swap_set(CAREFUL))
    attack = ATTACKS["textfooler"](**read_preset(ATTACKS["textfooler"], CAREFUL))
    found: dict[str, dict[str, str]] = {example.text: {} for example in examples}
    for model in models:
        for event in attack.run([model], list(examples)):
            if event.result is not None:
                found[event.result.example.text][model.id] = event.result.status
    return [Row(name_kind([found[e.text][m] for m in MODELS], certifier.certify(e.text).certified), int(e.label or 0),
                e.text) for e in examples]


def name_kind(statuses: Sequence[str], certified: bool) -> str:
    """Return the kind of a text, from what came of the attacks on base, FLAT and the certified model."""
    base, flat, ours = statuses
    if "skipped" in statuses:
        return "wrong"
    if base != "succeeded":
        return "all hold" if "succeeded" not in statuses else "other"
    if ours != "succeeded":
        return "flat" if flat != "succeeded" else "proved" if certified else "holds"
    return "all flip" if flat == "succeeded" else "other"


def choose_rows(rows: Iterable[Row]) -> list[Row]:
    """Return at most so many rows of each kind, in the order of their hashes."""
    order, counts = sorted(rows, key=lambda row: hashlib.sha256(row.text.encode()).digest()), Counter()
    kept = [row for row in order if row.text in TYPED]
    for row in order:
        if row.text not in TYPED and 4 <= len(find_words(row.text)) <= 50 and counts[row.kind] < MOST.get(row.kind, 0):
            counts[row.kind] += 1
            kept.append(row)
    return sorted(kept, key=lambda row: [*MOST, row.kind].index(row.kind))


def read_rows(path: Path = FILE) -> list[Row]:
    """Return the stored texts."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Row(row["kind"], int(row["label"]), row["text"]) for row in csv.DictReader(file, delimiter="\t")]


def main() -> int:
    """Write or check the examples."""
    parser = argparse.ArgumentParser(prog="python -m bench.gallery", description=__doc__)
    parser.add_argument("what", choices=("search", "check"))
    parser.add_argument("--out", type=Path, default=FILE)
    args = parser.parse_args()
    check_models(*MODELS)
    if args.what == "search":
        every = [Example(text, label, text) for text, label in TYPED.items()]
        every += [e for split in datasets.SPLITS for e in datasets.load("reviews", split) if e.text not in TYPED]
        rows = choose_rows(sort_texts(every))
        out = io.StringIO()
        table = csv.writer(out, delimiter="\t", lineterminator="\n")
        table.writerows([COLUMNS, *rows])
        write_file(args.out, out.getvalue().encode())
    else:
        stored = read_rows(args.out)
        rows = sort_texts([Example(row.text, row.label, str(i)) for i, row in enumerate(stored)])
        for before, now in zip(stored, rows, strict=True):
            if before != now:
                print(f"{before.kind} -> {now.kind}: {now.text}")
    for kind, number in Counter(row.kind for row in rows).items():
        print(f"{kind}: {number}")
    return 0


if __name__ == "__main__":
    run_program(main)
