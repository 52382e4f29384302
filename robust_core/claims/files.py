"""Claims on disk: one JSON file a measured figure, with the command that gives it again."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.errors import BadInput
from robust_core.paths import RESULTS
from robust_core.store import read_versions, to_finite


def write_claim(path: str | Path, *, claim: str, command: str, run: str, n: int, seeds: Sequence[int], metric: str,
                value: float, value_se: float, thresholds: Mapping[str, Any], details: Mapping[str, Any]) -> Path:
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
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise BadInput(f"{str(path)!r} cannot be written: {error.strerror}.") from None
    return path


Claim = dict[str, Any]


def read_claims(folder: Path = RESULTS) -> list[Claim]:
    """Read all claims, in order of file name.

    Raises:
        BadInput: A file is damaged.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError):
            raise BadInput(f"results/{path.name} is damaged; restore it.") from None
    return found
