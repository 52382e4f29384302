"""What speaks against taking a figure of the leaderboard as it stands, as the tables of results say it."""

import collections
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import ASIDE, PAPER, name_preset, read_preset
from robust_core.claims.files import Claim
from robust_core.claims.footnotes import read_warnings
from robust_core.errors import BadInput
from robust_core.experiments.superseded import list_superseded
from robust_core.models.known_faults import list_known_faults
from robust_core.registry import parameters


def list_warnings(model: str, claim: Claim) -> Iterator[str]:
    """Yield what the claim's own checks found, then what the tables say below: its resources, its model's training."""
    yield from read_warnings(claim["details"])
    rows = claim["details"].get("rows") or [claim["details"]]
    yield from _describe_other_values(rows[0]["parameters"])
    if exhausted := sum(row.get("exhausted", 0) for row in rows):
        yield (f"{exhausted:,} of {sum(row['n'] for row in rows):,} attacks ran out of queries and count as held. The "
               "figure is an upper bound.")
    for was in list_superseded(claim):
        yield (f"Measured with {was}. The command searches with the table that is packed now, so its figure may "
               "differ; compare it with others of the same mark.")
    with contextlib.suppress(BadInput):
        yield from (f"Known fault: {fault}" for fault in list_known_faults(model))


def _describe_other_values(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line where the values of an attack are those of no preset: a preset may have changed since."""
    if name_preset(record):
        return
    cls = ATTACKS[str(record["name"])]
    usual = read_preset(cls, PAPER)
    differs = [f"{p.name} {record.get(p.name, p.default)} (now {usual.get(p.name, p.default)})" for p in parameters(cls)
               if p.name not in ASIDE and record.get(p.name, p.default) != usual.get(p.name, p.default)]
    if differs:
        yield (f"Measured with other values than the preset {PAPER} has now: {', '.join(differs)}. The command may "
               "give another figure.")


def list_unfair(claims: Iterable[Claim]) -> Mapping[str, Sequence[str]]:
    """Return what sets a model's training apart, by model: other settings than the planned ones, a draw of texts."""
    found: dict[str, dict[str, None]] = collections.defaultdict(dict)
    for claim in claims:
        details = claim["details"]
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            lines = found[details["model"]]
            for name, (theirs, planned) in details.get("differs", {}).items():
                lines[f"Trained with {name} {theirs} where {planned} were planned. It is no fair rival of models that "
                      "were trained as planned."] = None
            data = details.get("trained_on", {})
            if "drawn_from" in data:
                lines[f"Trained on a fixed draw of {data['n']:,} of {data['drawn_from']:,} texts."] = None
    return {model: list(lines) for model, lines in found.items()}
