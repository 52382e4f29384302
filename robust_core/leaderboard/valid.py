"""Valid share: of the texts that an attack flipped, the share that judges still give the original's true label.

Counted are the blind reading that comes with the program and the judgements kept here, those of texts that stand in
the entry's own split. Judges decide together, each text once: more than half must find the true label.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path

from robust_core import datasets
from robust_core.claims.derivation import Figure
from robust_core.errors import RobustError
from robust_core.judging.items import Group
from robust_core.judging.kept import ENDING, read_files
from robust_core.judging.records import Judged, list_judges
from robust_core.judging.scores import decide
from robust_core.judging.shipped import READ_FROM, read_reading
from robust_core.leaderboard.entries import Board, Entry, Valid
from robust_core.metrics import estimate_proportion
from robust_core.paths import own_judgements


def add_valid_shares(board: Board, data_dir: str | None = None) -> Board:
    """Return a leaderboard with the valid share of each entry whose flips somebody judged.

    Args:
        board: The leaderboard.
        data_dir: Folder of data sets: kept judgements count where the split of their texts is here.
    """
    shipped, kept = _read_shipped(), _read_kept(stamp_kept())
    return board._replace(entries=tuple(
        dataclasses.replace(entry, valid=find_valid_share(entry, shipped, kept, data_dir)) for entry in board.entries))


def find_valid_share(entry: Entry, shipped: Sequence[Judged], kept: Sequence[Judged], data_dir: str | None = None
                     ) -> Valid | None:
    """Return the valid share of an entry; None where nobody judged its flips.

    Args:
        entry: The entry.
        shipped: The judgements of the shipped reading.
        kept: Judgements on texts of any data set.
        data_dir: Folder of data sets.
    """
    group = Group(entry.model, entry.attack, entry.preset)
    found = [each for each in shipped if each.item.adversarial and each.item.group == group] if (
        (entry.dataset, entry.split) == READ_FROM) else []
    if mine := [each for each in kept if each.item.adversarial and each.item.group == group]:
        texts = _read_texts(entry.dataset, entry.split, data_dir)
        found += [each for each in mine if each.item.original in texts]
    if not found:
        return None
    # The same text may have been judged in several draws: it counts once.
    verdicts = decide(each._replace(source="") for each in found)
    share = estimate_proportion(sum(verdict.kept for verdict in verdicts), len(verdicts))
    return Valid(Figure(*share, len(verdicts)), len(list_judges(found)))


def stamp_kept() -> tuple[tuple[str, int], ...]:
    """Return the files of this person's judgements and when each changed."""
    return tuple((str(path), path.stat().st_mtime_ns) for path in sorted(own_judgements().glob(f"*/*{ENDING}")))


@functools.lru_cache(maxsize=8)
def _read_kept(files: tuple[tuple[str, int], ...]) -> tuple[Judged, ...]:
    # What cannot be read is said where judgements are made.
    return tuple(read_files(Path(name) for name, _ in files)[0])


@functools.cache
def _read_shipped() -> tuple[Judged, ...]:
    with contextlib.suppress(RobustError):
        return tuple(read_reading()[1])
    return ()


@functools.lru_cache(maxsize=8)
def _read_texts(dataset: str, split: str, data_dir: str | None) -> frozenset[str]:
    with contextlib.suppress(RobustError):
        return frozenset(example.text for example in datasets.load(dataset, split, data_dir))
    return frozenset()
