"""What our table still lacks, cell by cell, with about how many hours each takes."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from robust_core import datasets
from robust_core.claims.files import Claim, read_claims
from robust_core.claims.markdown import format_table
from robust_core.experiments.again import SEARCHES_AT_ONCE
from robust_core.experiments.base import Options
from robust_core.experiments.cells import count_examples
from robust_core.experiments.own.held import (
    ACCURACY,
    DATASET,
    PROVED,
    SPLIT,
    TAU,
    count_explained,
    find_held,
    list_figures,
    make_place,
    read_rows,
)
from robust_core.experiments.presence import split_by_presence
from robust_core.experiments.superseded import list_superseded
from robust_core.models.cards import find_family

if TYPE_CHECKING:
    from robust_core.experiments.own.table1 import Table1

_HOUR = 3600.0
# Seconds of integrated gradients of both versions of a text, and how much longer a text of a costlier network takes
# under an attack that was timed on another network only: about, as results/again.tsv has them.
_EXPLAINED = {"cnn": 0.03, "additive": 0.03, "lstm": 0.3, "minilm": 2.5}
_SLOWER = {"cnn": 1.0, "additive": 1.0, "lstm": 2.0, "minilm": 30.0}
# Seconds of the proofs of a text under three swap sets.
_PROVED = 0.01
# Seconds of a search where no attack of that name was ever timed.
_UNTIMED = 0.2
# By attack, preset and family of the network.
Paces = Mapping[tuple[str, str, str], float]


def list_missing(table: "Table1", options: Options) -> list[dict[str, Any]]:
    """Return a row for each cell of which a figure is in no claim, or rests on a table that is packed no more.

    Args:
        table: Our table.
        options: What a person changed.

    Returns:
        Rows with model, attack and preset (empty where a proof is missing), n, seeds, missing (names of figures), older
        (the same, measured with a table that another one has taken the place of), untrained (trainings that are not
        here) and hours, at most: what is stored already is not asked again.

    Raises:
        MissingResource: The data are not here, or no model is.
    """
    cells, claims = table.cells(options), read_claims(skip_damaged=True)
    whole, held = len(datasets.load(DATASET, SPLIT, options.data_dir)), find_held(claims, cells)
    paces = read_paces(claims)
    rows, cores = [], table.find_cores()
    for cell in cells:
        seeds, n = table.count_seeds(cell.model, options), count_examples(cell, options) or whole
        found = {figure: held.get(make_place(cell, figure)) for figure in list_figures(cell, cores)}
        missing = [figure for figure, claim in found.items()
                   if claim is None or not set(range(seeds)) <= set(claim["seeds"])]
        older = [figure for figure, claim in found.items()
                 if claim is not None and figure not in missing and list_superseded(claim)]
        if missing or older:
            explained = (count_explained(cell, options) or n) if TAU in (*missing, *older) else 0
            rows.append({"model": cell.model, "attack": cell.attack, "preset": cell.preset, "n": n, "seeds": seeds,
                         "missing": missing, "older": older,
                         "untrained": split_by_presence(cell.model, seeds)[1],
                         "hours": seeds * estimate_hours(cell.model, cell.attack, cell.preset, n, paces, explained)})
    return rows + [
        {"model": name, "attack": "", "preset": "", "n": whole, "seeds": 1, "missing": [PROVED], "older": [],
         "untrained": [], "hours": whole * _PROVED / _HOUR} for name in table.list_unproved(options)]


def write_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write what `list_missing` returns as a table with a sentence before it."""
    if not rows:
        return "Nothing is missing: claims hold every figure."
    untrained = list(dict.fromkeys(name for row in rows for name in row["untrained"]))
    first = (f"{len(rows):,} cells lack figures: about {_format_hours(sum(row['hours'] for row in rows))} hours of two "
             "cores, less what the store holds already.")
    lines = [[f"`{row['model']}`", row["attack"] or "–", row["preset"] or "–", f"{row['n']:,}", str(row["seeds"]),
              ", ".join(row["missing"]) or "–", ", ".join(row["older"]) or "–", _format_hours(row["hours"])]
             for row in rows]
    head = ["Model", "Attack", "Preset", "n", "Seeds", "Missing", "Measured with an older table", "Hours"]
    table = format_table(head, lines)
    last = f"\nNot trained here, so not measured: {', '.join(untrained)}.\n" if untrained else ""
    return f"{first}\n\n{table}{last}"


def _format_hours(hours: float) -> str:
    return f"{hours:.2f}" if hours < 1 else f"{hours:.1f}"


def read_paces(claims: Iterable[Claim]) -> Paces:
    """Return seconds a text, two cores at work, of the attacks that claims have timed."""
    timed: dict[tuple[str, str, str], list[float]] = {}
    for claim in claims:
        for row in read_rows(claim) if claim["metric"] == ACCURACY else ():
            if row.get("dataset") == DATASET and row.get("seconds") and row.get("attack"):
                preset = "careful" if "swap_set" in row.get("parameters", {}) else "paper"
                key = row["attack"], preset, _find_family(row["model"])
                timed.setdefault(key, []).append(row["seconds"] / SEARCHES_AT_ONCE)
    return {key: statistics.fmean(seconds) for key, seconds in timed.items()}


def estimate_hours(model: str, attack: str, preset: str, n: int, paces: Paces, explained: int = 0) -> float:
    """Return about how many hours of two cores an attack takes on texts as long as SST-2's sentences.

    Args:
        model: Id of the model.
        attack: Name of the attack.
        preset: Whose values it has.
        n: Texts to attack.
        paces: Seconds a text (`read_paces`).
        explained: Texts to explain, with their changed versions.
    """
    family = _find_family(model)
    exact = paces.get((attack, preset, family))
    # Else the same attack with other values, else on other networks, scaled.
    like = [seconds for (name, _, other), seconds in paces.items() if (name, other) == (attack, family)]
    scaled = [seconds / _SLOWER[other] * _SLOWER[family] for (name, _, other), seconds in paces.items()
              if name == attack]
    pace = exact if exact is not None else max(like or scaled, default=_UNTIMED * _SLOWER[family])
    return (n * pace + explained * _EXPLAINED[family]) / _HOUR


def _find_family(model: str) -> str:
    parts = model.split("/")
    family = find_family(parts[1]) if len(parts) > 1 else ""
    return family if family in _EXPLAINED else "minilm"
