"""Which entries of the leaderboard are asked for, in which order, and which of them errors cannot tell apart."""

import math
from collections.abc import Callable, Sequence

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES
from robust_core.claims.derivation import Figure
from robust_core.errors import UnknownName
from robust_core.leaderboard.entries import Entry

# Two figures are told apart where they differ by so many standard errors of their difference.
TOLD_APART = 2.0


def filter_entries(entries: Sequence[Entry], *, dataset: str | None = None, attack: str | None = None,
                   presets: Sequence[str] = (), architectures: Sequence[str] = (), defences: Sequence[str] = ()
                   ) -> list[Entry]:
    """Return the entries that are asked for; what is not named is not asked about.

    Raises:
        UnknownName: There is no such attack or preset, or no entry on such a data set.
    """
    known = list(dict.fromkeys(entry.dataset for entry in entries))
    if dataset is not None and dataset not in known:
        raise UnknownName("data set of the leaderboard", dataset, known)
    if attack is not None:
        ATTACKS[attack]
    for preset in presets:
        if preset not in NAMES:
            raise UnknownName("preset", preset, list(NAMES))
    return [entry for entry in entries if (dataset is None or entry.dataset == dataset)
            and (attack is None or entry.attack == attack) and (not presets or entry.preset in presets)
            and (not architectures or entry.architecture in architectures)
            and (not defences or entry.defence in defences)]


def _of_certificate(entry: Entry) -> Figure | None:
    return entry.certificate.share if entry.certificate else None


def _of_judges(entry: Entry) -> Figure | None:
    return entry.valid.share if entry.valid else None


# What entries may be ordered by, and its name.
ORDERS: dict[str, tuple[str, Callable[[Entry], Figure | None]]] = {
    "attacked": ("Under attack", lambda entry: entry.attacked),
    "clean": ("Clean", lambda entry: entry.clean),
    "lowest": ("Lowest over the attacks measured", lambda entry: entry.lowest.share if entry.lowest else None),
    "certified": ("Certified", _of_certificate),
    "valid": ("Valid share of the flips", _of_judges),
}


def sort_entries(entries: Sequence[Entry], by: str = "attacked") -> list[Entry]:
    """Return entries with the highest figure first, those without one last; equal ones by model.

    Raises:
        UnknownName: They cannot be ordered by that.
    """
    if by not in ORDERS:
        raise UnknownName("order", by, list(ORDERS))
    read = ORDERS[by][1]

    def key(entry: Entry) -> tuple[bool, float, str]:
        figure = read(entry)
        known = figure is not None and math.isfinite(figure.value)
        return not known, -figure.value if figure is not None and known else 0.0, entry.id

    return sorted(entries, key=key)


def list_tied(best: Entry, entries: Sequence[Entry]) -> list[Entry]:
    """Return the other entries whose accuracy under attack the errors do not tell apart from one.

    The models meet the same texts, whose difficulty the error of each counts: treated as independent, errors are rather
    too large, so that some are listed which a comparison text by text would tell apart.
    """
    def is_tied(entry: Entry) -> bool:
        gap = abs(best.attacked.value - entry.attacked.value)
        return gap < TOLD_APART * math.hypot(best.attacked.error, entry.attacked.error)

    return [entry for entry in entries if entry is not best and is_tied(entry)]
