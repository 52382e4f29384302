"""Claims on disk: one JSON file a measured figure, with the command that gives it again and what it rests on."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from robust_core.errors import BadInput, list_names, quote
from robust_core.files import check_path, describe_failure, read_json, write_file
from robust_core.paths import RESULTS
from robust_core.records import to_finite
from robust_core.runs import read_versions


class Claim(TypedDict):
    """A measured figure, as its file holds it.

    Attributes:
        claim: The statement, in words.
        command: Command line that gives the figure again, with everything it needs but the folder of data sets.
        run: Id of the run, empty where none was stored.
        n: The denominator of the rate it states, or the examples behind the mean.
        seeds: Seeds behind the figure.
        metric: Name of the figure, such as accuracy_under_attack.
        value: The figure; None where it is not defined.
        value_se: Its standard error; None where it is not defined.
        thresholds: Parameters it depends on, such as similarity thresholds.
        details: The rows that it is worked out from, one a training, and what a table shows beside it.
        precision: Precision of the attacks; empty where it says nothing.
        rests_on: From each thing that the figure rests on to its hash: models, tables, encoders, data, engine.
        freeze: Heading in docs/freeze.md under which the settings stood before the look at test; empty before there
            was such a page, and for figures that rest on no test split.
        versions: Versions of the libraries that measured it; `write_claim` adds them.
        digest: SHA-256 of all the rest; `write_claim` adds it.
    """

    claim: str
    command: str
    run: str
    n: int
    seeds: Sequence[int]
    metric: str
    value: float | None
    value_se: float | None
    thresholds: dict[str, Any]
    details: dict[str, Any]
    precision: NotRequired[str]
    rests_on: NotRequired[Mapping[str, str]]
    freeze: NotRequired[str]
    versions: NotRequired[Mapping[str, str]]
    digest: NotRequired[str]


# How the fields follow each other in a file: what it says first, then how, then the rows.
_ORDER = ("claim", "metric", "value", "value_se", "n", "seeds", "precision", "run", "command", "freeze",
          "thresholds", "details", "rests_on", "versions")


def compute_digest(claim: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a claim's JSON without its own digest."""
    rest = {name: value for name, value in claim.items() if name != "digest"}
    text = json.dumps(to_finite(rest), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write_claim(path: str | Path, **fields: Unpack[Claim]) -> Path:
    """Write one claim as a small JSON file that appears whole or not at all.

    Args:
        path: File to write; its folder is made if needed.
        fields: Those of `Claim`; numbers that are not finite are written as null.

    Returns:
        The path.

    Raises:
        BadInput: The file cannot be written, or a claim that rests on more stands there already.
    """
    usual = {"precision": "", "freeze": "", "rests_on": {}}
    values = to_finite({**usual, **fields, "seeds": list(fields["seeds"]), "versions": read_versions()})
    values["rests_on"] = dict(sorted(values["rests_on"].items()))
    path = check_path(path, "place of the claim")
    _check_successor(path, fields["seeds"], fields["n"])
    store_claim(path, {name: values[name] for name in _ORDER if name in values})
    return path


def store_claim(path: Path, values: Mapping[str, Any]) -> None:
    """Write a claim's fields as they are, with their digest.

    Raises:
        BadInput: The file cannot be written.
    """
    text = json.dumps({**values, "digest": compute_digest(values)}, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, (text + "\n").encode(errors="replace"))
    except OSError as error:
        raise BadInput(f"{quote(str(path))} cannot be written: {describe_failure(error)}.") from None


def _check_successor(path: Path, seeds: Sequence[int], n: int) -> None:
    """Keep a claim from being replaced by one with fewer seeds or examples."""
    try:
        known = read_json(path) if path.is_file() else {}
        old_seeds, old_n = set(known.get("seeds", ())), int(known.get("n", 0))
    except (BadInput, AttributeError, TypeError, ValueError):
        return
    if not old_seeds <= set(seeds):
        raise BadInput(f"{quote(path.name)} stays as it is: it rests on the seeds {list_names(map(str, old_seeds))}, "
                       f"this on {list_names(map(str, seeds))}. Move it away to write another.")
    if n < old_n:
        raise BadInput(f"{quote(path.name)} stays as it is: it rests on {old_n:,} examples, this on {n:,}. Move it "
                       "away to write another.")


def read_claims(where: Path | Iterable[Path] = RESULTS, *, skip_damaged: bool = False) -> list[Claim]:
    """Read claims.

    Args:
        where: A folder, whose files are read in order of their names, or the files.
        skip_damaged: Leave damaged files out.

    Raises:
        BadInput: A file is damaged, and damaged ones are not left out.
    """
    paths = sorted(where.glob("*.json")) if isinstance(where, Path) else where
    return [claim for path in paths if (claim := _read_claim(path, skip_damaged)) is not None]


def read_named_claims(folder: Path = RESULTS) -> dict[str, Claim]:
    """Return the claims of a folder by the names of their files.

    Raises:
        BadInput: A file is damaged.
    """
    return {path.name: claim for path in sorted(folder.glob("*.json"))
            if (claim := _read_claim(path, False)) is not None}


def _read_claim(path: Path, skip_damaged: bool) -> Claim | None:
    try:
        claim = read_json(path)
        if not isinstance(claim["details"], dict):
            raise TypeError("a claim has details")
    except (BadInput, KeyError, TypeError):
        if skip_damaged:
            return None
        raise BadInput(f"results/{path.name} is damaged; restore it.") from None
    return claim
