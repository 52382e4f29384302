"""What the last run of a suite found, kept in a small file, and what has changed since."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.errors import BadInput, shorten
from robust_core.files import explain_failures, read_json, write_file
from robust_core.metrics import estimate_paired_difference
from robust_core.paths import runs_folder
from robust_core.records import to_finite
from robust_core.suite.reader import Suite
from robust_core.suite.running import Finding
from robust_core.suite.subject import Subject

_FORMAT = "robust-suite-1"


def find_file(suite: Suite, subject: Subject) -> Path:
    """Return where the last run of a suite on a model and a file of texts is kept, unless somebody names a file."""
    parts = [str(suite.path.resolve()), subject.model.id, subject.texts.about.name]
    return runs_folder() / "suites" / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}.json"


def write_last(path: Path, findings: Sequence[Finding], subject: Subject) -> None:
    """Keep what was found.

    Raises:
        BadInput: The file cannot be written.
    """
    document = {"format": _FORMAT, "model": subject.model.id, "data": subject.sha256,
                "checks": {f.check.name: {name: value for name, value in f.describe().items() if name != "failures"}
                           | {"values": f.values} for f in findings}}
    with explain_failures(path, "written"):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(to_finite(document), indent=0).encode())


def read_last(path: Path) -> Mapping[str, Any] | None:
    """Return what `write_last` kept; None where there is nothing.

    Raises:
        BadInput: The file is something else.
    """
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or found.get("format") != _FORMAT or not isinstance(found.get("checks"), dict):
        raise BadInput(f"{shorten(path.name)} holds no earlier run of a suite; name another file, or remove it.")
    return found


def compare(finding: Finding, last: Mapping[str, Any] | None, subject: Subject) -> dict[str, Any]:
    """Return how a finding differs from that of the last run.

    Args:
        finding: The finding.
        last: What `read_last` returned.
        subject: Model and texts.

    Returns:
        Nothing where the last run has no such check. Else last_verdict, last_measured and, where the same texts were
        looked at, change (mean difference on the texts that both runs saw), change_se, worse and better: how many
        texts have a lower or a higher value now.
    """
    before = (last or {}).get("checks", {}).get(finding.check.name)
    if last is None or not isinstance(before, Mapping):
        return {}
    row: dict[str, Any] = {"last_verdict": str(before.get("verdict", "")), "last_measured": before.get("measured")}
    theirs = before.get("values")
    # Functionality tests bring their own texts, whatever the file holds.
    if not isinstance(theirs, Mapping) or (last.get("data") != subject.sha256 and not finding.check.exact):
        return row
    known = {uid: float(value) for uid, value in theirs.items()
             if isinstance(value, int | float) and math.isfinite(value)}
    mine = finding.values
    change, error, both = estimate_paired_difference(mine, known)
    if not both:
        return row
    gaps = [mine[uid] - known[uid] for uid in mine if uid in known]
    return row | {"change": change, "change_se": error, "worse": sum(gap < 0 for gap in gaps),
                  "better": sum(gap > 0 for gap in gaps)}
