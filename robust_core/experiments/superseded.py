"""Claims measured with a table that another one has taken the place of since: said beside them, until measured anew.

`results/superseded.tsv` names each such table by its hash. A claim that rests on it stays true of it, but its command
measures with the packed one now.
"""

import csv
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

from robust_core.claims.files import Claim
from robust_core.experiments.again import list_trained
from robust_core.paths import RESULTS

FILE = "superseded.tsv"
_FEW = 6


@functools.cache
def read_superseded(path: Path = RESULTS / FILE) -> dict[tuple[str, str], str]:
    """Return what a thing was, by its name in `rests_on` and its hash; empty where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {(row["name"], row["sha256"]): row["was"] for row in csv.DictReader(file, delimiter="\t")}


def list_superseded(claim: Claim) -> list[str]:
    """Return in words each thing that a claim rests on and that another one has taken the place of."""
    known = read_superseded()
    return list(dict.fromkeys(known[pair] for pair in claim.get("rests_on", {}).items() if pair in known))


def write_superseded(claims: Sequence[Claim]) -> Iterator[str]:
    """Return a line for each thing that some claims rest on and that another one has taken the place of."""
    found: dict[str, dict[str, None]] = {}
    for claim in claims:
        for was in list_superseded(claim):
            found.setdefault(was, {}).update(dict.fromkeys(f"`{model}`" for model in list_trained(claim)))
    for was, models in found.items():
        of = ", ".join(models) if len(models) <= _FEW else f"{len(models)} models"
        yield (f"Measured with {was}: attacks on {of}. Their commands search with the table that is packed now, so the "
               "figures may differ.")
