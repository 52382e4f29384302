"""What it takes to give a claim's figure again: its command, and seconds, minutes or a training first."""

import csv
import functools
import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from robust_core.claims.command import DATA
from robust_core.claims.files import Claim
from robust_core.experiments.presence import shipped
from robust_core.files import read_json
from robust_core.paths import CHECKPOINTS, RESULTS

# Written by `claims draw`, a line each time a claim was measured again.
AGAIN_FILE = "again.tsv"
COLUMNS = ("date", "claim", "verdict", "stored", "again", "seconds", "engine", "machine")
AGAIN = ("Again: what it takes to measure a line again from its command, in seconds or minutes of two cores, or after "
         "so many minutes of training where the weights are not shipped.")
_MINUTE = 60.0
# Searches of an attack that run side by side, each of which counts its own seconds.
SEARCHES_AT_ONCE = 32
# Seconds of a forward pass of one text, about, on a laptop's processor that other work shares.
_OF_A_TEXT, _OF_A_TRANSFORMER = 0.001, 0.03


def describe_again(files: Iterable[str], claims: Sequence[Claim]) -> str:
    """Return "seconds", "minutes" or "after 45 min of training".

    Args:
        files: Names of the claims' files.
        claims: The claims of one line.
    """
    absent = {model for claim in claims for model in list_trained(claim) if model not in shipped()}
    if absent:
        seconds = [_find_training_seconds(model) for model in absent]
        known = [s for s in seconds if math.isfinite(s)]
        return f"after {math.ceil(sum(known) / _MINUTE):,} min of training" if len(known) == len(absent) else (
            "after a training")
    seconds = [estimate_seconds(name, claim) for name, claim in zip(files, claims, strict=True)]
    return "seconds" if max(seconds) < _MINUTE else "minutes"


def list_trained(claim: Claim) -> list[str]:
    """Return the ids of the models and encoders that a claim rests on."""
    rests = [name.partition(" ")[2] for name in claim.get("rests_on", {}) if name.startswith(("model ", "encoder "))]
    return list(dict.fromkeys(rests))


def _find_training_seconds(model: str) -> float:
    """Return how long a training took: its own or that of the nearest name that is here."""
    known, name = _read_shipped_seconds(), model.partition("@")[0]
    while name and name not in known:
        name = name.rpartition("-")[0]
    return known.get(name, math.nan)


@functools.cache
def _read_shipped_seconds() -> dict[str, float]:
    # Of the project's own folder, whatever folder of checkpoints somebody has set.
    every = [read_json(path) for path in CHECKPOINTS.rglob("card.json")]
    return {str(card["id"]): float(card["seconds"]) for card in every if card.get("seconds") and "id" in card}


def estimate_seconds(file: str, claim: Claim) -> float:
    """Return about how many seconds a claim takes to be measured again, on a machine that does nothing else.

    That is what it took the last time, if that is known, or what its attacks took, where that is less: the last time
    may have been beside other work.

    Args:
        file: Name of its file.
        claim: The claim.
    """
    known = _read_times(RESULTS / AGAIN_FILE).get(file)
    rows = [row for row in claim["details"].get("rows", ()) if isinstance(row, dict)]
    attacks = [row["seconds"] * row["n"] / SEARCHES_AT_ONCE for row in rows
               if row.get("seconds") and "succeeded" in row]
    if known is not None:
        return min(known, sum(attacks)) if attacks and claim["metric"] == "accuracy_under_attack" else known
    if attacks or claim["metric"] != "accuracy":
        return sum(attacks) if attacks else 2 * _MINUTE
    text = _OF_A_TRANSFORMER if any("minilm" in model for model in list_trained(claim)) else _OF_A_TEXT
    return max(len(rows), 1) * claim["n"] * text


@functools.lru_cache(maxsize=1)
def _read_times(path: Path) -> dict[str, float]:
    return {name: float(line["seconds"]) for name, line in read_record(path).items()}


def read_record(path: Path) -> dict[str, dict[str, str]]:
    """Return the last line of each claim in a record of claims that were measured again, by file."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["claim"]: row for row in csv.DictReader(file, delimiter="\t")}


def write_commands(claims: Sequence[Claim]) -> str:
    """Return the commands of some claims, those that differ in model and attack alone written once."""
    patterns: dict[str, list[str]] = {}
    for claim in claims:
        words = shlex.split(claim["command"])
        model, attack = (claim["details"].get(key) for key in ("model", "attack"))
        for at, word in enumerate(words[:-1]):
            if word == "--model" and words[at + 1] == model:
                words[at + 1] = "MODEL"
            elif word == "--attack" and words[at + 1] == attack:
                words[at + 1] = "ATTACK"
        patterns.setdefault(shlex.join(words), []).append(str(model))
    lines = []
    for pattern, models in patterns.items():
        others = {name for other, names in patterns.items() if other != pattern for name in names}
        only = sorted(set(models) - others) if len(patterns) > 1 else []
        lines.append(f"`{pattern}`" + (f" for {', '.join(f'`{name}`' for name in only)}" if only else ""))
    where = f" ({DATA} is the folder of the public data sets, see docs/data.md)." if any(
        DATA in pattern for pattern in patterns) else "."
    return "; ".join(lines) + where
