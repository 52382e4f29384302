"""Claims on disk: one JSON file a measured figure, with the command that gives it again."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from robust_core.errors import BadInput, quote
from robust_core.files import check_path, describe_failure, read_json
from robust_core.paths import RESULTS, write_file
from robust_core.store import read_versions, to_finite


class Claim(TypedDict):
    """A measured figure, as its file holds it.

    Attributes:
        claim: The statement, in words.
        command: Command line that gives the figure again.
        run: Id of the run, empty where none was stored.
        n: Examples behind the figure.
        seeds: Seeds behind the figure.
        metric: Name of the figure, such as accuracy_under_attack.
        value: The figure; None where it is not defined.
        value_se: Its standard error; None where it is not defined.
        thresholds: Parameters it depends on, such as similarity thresholds.
        details: The whole row it was taken from.
        versions: Versions of the libraries that measured it; `write_claim` adds them.
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
    versions: NotRequired[Mapping[str, str]]


def write_claim(path: str | Path, *, claim: str, command: str, run: str, n: int, seeds: Sequence[int], metric: str,
                value: float | None, value_se: float | None, thresholds: Mapping[str, Any],
                details: Mapping[str, Any]) -> Path:
    """Write one claim as a small JSON file that appears whole or not at all.

    Args:
        path: File to write; its folder is made if needed.
        claim: The statement, in words.
        command: Command line that gives the figure again.
        run: Id of the run, empty where none was stored.
        n: Examples behind the figure.
        seeds: Seeds behind the figure.
        metric: Name of the figure, such as accuracy_under_attack.
        value: The figure.
        value_se: Its standard error.
        thresholds: Parameters it depends on, such as similarity thresholds.
        details: The whole row it was taken from.

    Returns:
        The path. NaN and infinite numbers are written as null.

    Raises:
        BadInput: The file cannot be written.
    """
    values = {"claim": claim, "metric": metric, "value": value, "value_se": value_se, "n": n, "seeds": list(seeds),
              "run": run, "command": command, "thresholds": thresholds, "details": details, "versions": read_versions()}
    text = json.dumps(to_finite(values), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    path = check_path(path, "place of the claim")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, text.encode(errors="replace"))
    except OSError as error:
        raise BadInput(f"{quote(str(path))} cannot be written: {describe_failure(error)}.") from None
    return path


def read_claims(where: Path | Iterable[Path] = RESULTS, *, skip_damaged: bool = False) -> list[Claim]:
    """Read claims.

    Args:
        where: A folder, whose files are read in order of their names, or the files.
        skip_damaged: Leave damaged files out.

    Raises:
        BadInput: A file is damaged, and damaged ones are not left out.
    """
    found = []
    for path in sorted(where.glob("*.json")) if isinstance(where, Path) else where:
        try:
            claim = read_json(path)
            if not isinstance(claim["details"], dict):
                raise TypeError("a claim has details")
            found.append(claim)
        except (BadInput, KeyError, TypeError):
            if not skip_damaged:
                raise BadInput(f"results/{path.name} is damaged; restore it.") from None
    return found
