"""The entries that the page shows: read from results/ once, and again when a file has changed."""

import functools
from pathlib import Path

from robust_core.leaderboard import valid
from robust_core.leaderboard.entries import Board, Entry, read_board
from robust_core.leaderboard.papers import PaperFigure, read_papers
from robust_core.models.cards import ARCHITECTURES
from robust_core.paths import RESULTS
from ui.shared import catalogue


def find_board(folder: Path = RESULTS) -> Board:
    """Return the leaderboard of a folder of claims."""
    # A card may say of a known fault: cards are part of what is read.
    cards = tuple((card.id, card.known_faults) for card in catalogue.read_cards().values())
    files = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.glob("*.json")))
    return _read(folder, files, cards, valid.stamp_kept())


@functools.lru_cache(maxsize=8)
def _read(folder: Path, files: tuple[tuple[str, int], ...], cards: tuple[tuple[str, tuple[str, ...]], ...],
          judgements: tuple[tuple[str, int], ...]) -> Board:
    return valid.add_valid_shares(read_board(folder))


@functools.cache
def find_papers() -> list[PaperFigure]:
    """Return the papers' own figures."""
    return read_papers()


def name_entry(entry: Entry) -> str:
    """Return the model of an entry as people write it, without the data set, which the page names."""
    card = catalogue.read_cards().get(entry.model)
    if card is not None:
        return catalogue.shorten_name(card)
    _, architecture, name = entry.model.split("/")
    return f"{ARCHITECTURES.get(architecture, architecture)} · {name}"
