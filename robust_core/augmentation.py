"""More training texts from labelled ones: words swapped at random, or the texts by which an attack fools a model.

Each new row keeps its row's label and all other cells, and says where it comes from.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from robust_core.attacks.base import make_generator
from robust_core.attacks.careful import CloseSwaps, make_edit
from robust_core.attacks.given_swaps import GivenSwaps, PlacedSwaps
from robust_core.attacks.searches.greedy import make_plain_edit
from robust_core.cleaning import clean
from robust_core.errors import BadInput, quote
from robust_core.resources.swap_sets import NAMES, SwapSet
from robust_core.tables import Table
from robust_core.text import Draft, Swap, diff
from robust_core.types import AttackResult

CAREFUL = NAMES[0]
# How a new row says where it comes from; empty in rows that were there before.
COLUMNS = ("augmented_from", "augmented_by", "augmented_model", "augmented_swaps", "augmented_seed")
KINDS = (".csv", ".tsv", ".jsonl")
# Draws for each variant that is wanted, before it is given up that there are so many.
_DRAWS = 4


class NewText(NamedTuple):
    """A text made from a row.

    Attributes:
        row: The row's number, from 1.
        text: The text.
        by: What made it: "swaps careful", or the name of an attack.
        model: Id of the model that an attack fooled; else empty.
        swaps: What stands for what.
        seed: Seed of everything random.
    """

    row: int
    text: str
    by: str
    model: str
    swaps: tuple[Swap, ...]
    seed: int

    @property
    def cells(self) -> dict[str, str]:
        """Cells that say where it comes from."""
        swaps = json.dumps([[swap.old, swap.new] for swap in self.swaps], ensure_ascii=False)
        return dict(zip(COLUMNS, (str(self.row), self.by, self.model, swaps, str(self.seed)), strict=True))


def check_columns(table: Table) -> None:
    """Refuse a table that holds new rows already.

    Raises:
        BadInput: It does.
    """
    known = [name for name in COLUMNS if name in table.columns]
    if known:
        raise BadInput(f"The file has a column {quote(known[0])}: it was augmented before. Take the file that it was "
                       "made from, or rename that column.")


def swap_words(text: str, swap_set: SwapSet, count: int, share: float, rng: np.random.Generator) -> list[str]:
    """Return different texts in which random words gave way to random ones of a swap set.

    Source: synonym replacement of EDA (Wei and Zou 2019), https://arxiv.org/abs/1901.11196, with the words of the set
    in the place of WordNet's. Stop words stay, and a swap is the part of speech that its word is, unless the set
    comes from a file.

    Args:
        text: The text.
        swap_set: What may stand for what; of `careful` the swaps that the attacks' preset takes, "a" and "an" before
            a word put right.
        count: Most texts; fewer where the words allow no more.
        share: Share of the words that are swapped, one at least.
        rng: Where chance comes from.
    """
    draft = Draft.of(text)
    placed: PlacedSwaps = CloseSwaps(draft) if swap_set.name == CAREFUL else GivenSwaps(
        draft, swap_set, same_part=swap_set.name in NAMES)
    edit = make_edit if swap_set.name == CAREFUL else make_plain_edit
    places = [i for i in range(len(draft.words)) if placed.at(i)]
    many = min(max(round(share * len(draft.words)), 1), len(places))
    found: dict[str, None] = {}
    for _ in range(_DRAWS * count if places else 0):
        changed = draft
        for place in sorted(rng.permutation(places)[:many].tolist()):
            words = placed.at(place)
            changed = changed.apply(edit(changed, place, words[int(rng.integers(len(words)))]))
        if changed.text != text:
            found[changed.text] = None
        if len(found) == count:
            break
    return list(found)


def swap_rows(table: Table, text: str, swap_set: SwapSet, count: int, share: float, seed: int) -> Iterator[NewText]:
    """Yield what `swap_words` makes of each row's text; a row's chance depends on its number and the seed alone."""
    for row, words in enumerate(table.values(text), start=1):
        for new in swap_words(words, swap_set, count, share, make_generator(seed, str(row))) if words else ():
            yield NewText(row, new, f"swaps {swap_set.name}", "", diff(words, new), seed)


def number_rows(table: Table, text: str, label: str) -> list[int]:
    """Return the numbers, from 1, of the rows that `uploads.label_rows` takes, in its order."""
    both = zip(table.values(text), table.values(label), strict=True)
    return [row for row, (words, value) in enumerate(both, start=1) if value and clean(words)]


def collect_flips(results: Mapping[str, AttackResult], uids: Sequence[str], rows: Sequence[int], seed: int
                  ) -> Iterator[NewText]:
    """Yield the texts of an attack's successes.

    Args:
        results: Results by example.
        uids: The examples.
        rows: The row of each of them.
        seed: Seed of the attack.
    """
    for uid, row in zip(uids, rows, strict=True):
        result = results.get(uid)
        if result is not None and result.status == "succeeded":
            yield NewText(row, result.perturbed, str(result.attack["name"]), result.victim, tuple(result.swaps), seed)


def write_rows(table: Table, text: str, new: Sequence[NewText], kind: str, only_new: bool = False) -> bytes:
    """Return a file with the rows of a table and, after each of them, the new ones that were made from it.

    Args:
        table: The rows.
        text: Column of the texts.
        new: What was made.
        kind: Ending of the file, of KINDS; cells are texts in each of them.
        only_new: Whether the rows that were there before are left out.
    """
    by_row: dict[int, list[NewText]] = {}
    for each in new:
        by_row.setdefault(each.row, []).append(each)

    def list_rows() -> Iterator[dict[str, str]]:
        for number, cells in enumerate(zip(*(table.cells[name] for name in table.columns), strict=True), start=1):
            row = dict(zip(table.columns, cells, strict=True))
            if not only_new:
                yield row | dict.fromkeys(COLUMNS, "")
            for each in by_row.get(number, ()):
                yield row | {text: each.text} | each.cells

    if kind == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in list_rows()).encode()
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, [*table.columns, *COLUMNS], delimiter="\t" if kind == ".tsv" else ",",
                            lineterminator="\n")
    writer.writeheader()
    writer.writerows(list_rows())
    return out.getvalue().encode()


def check_out(path: Path) -> str:
    """Return the ending of a file to be written.

    Raises:
        BadInput: It is none of KINDS.
    """
    if path.suffix.lower() not in KINDS:
        raise BadInput(f"--out names a file that ends in {', '.join(KINDS[:-1])} or {KINDS[-1]}, not "
                       f"{quote(path.name)}.")
    return path.suffix.lower()
