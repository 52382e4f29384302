"""Claims drawn at random and measured again from their own commands, in an empty store."""

import dataclasses
import datetime
import math
import os
import platform
import random
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.claims.command import DATA
from robust_core.claims.files import Claim, read_claims, read_named_claims
from robust_core.environment import child_environment
from robust_core.errors import BadInput, list_names, shorten
from robust_core.experiments.again import COLUMNS, estimate_seconds, list_trained
from robust_core.experiments.presence import shipped
from robust_core.experiments.superseded import list_superseded
from robust_core.paths import RESULTS, ROOT, data_folders
from robust_core.version import ENGINE

# What two runs of one command may differ in: times, the ids that hang on versions, the machine, and what is worked out
# from the outcomes afterwards: warnings and, by the ending `_se`, errors.
_VARIES = {"seconds", "run", "device", "versions", "load", "cores", "threads", "rests_on", "warnings"}
# What is measured in seconds, or as a ratio of them: there is no right answer, only the machine's.
TIMES = {"times_as_fast", "attack, median", "first map", "explanation_seconds", "flat_over_base", "stop, slower of two",
         "seconds", "megabytes"}
EQUAL, WITHIN, DIFFERS, TIME, FAILED = "equal", "within error", "differs", "time", "failed"
_USUAL_LIMIT = 6 * 3600.0


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What measuring a claim again gave.

    Attributes:
        name: File of the claim.
        verdict: "equal" (value and rows, to the last digit), "within error" (of the stored standard error),
            "differs", "time" (a figure of this machine's speed) or "failed".
        stored: Its value as stored.
        again: The value now; NaN where it failed.
        seconds: What it took, by the clock.
        note: Why it failed; empty otherwise.
    """

    name: str
    verdict: str
    stored: float
    again: float
    seconds: float
    note: str = ""


def draw_claims(count: int, seed: str, *, most_seconds: float | None = None, train: bool = False,
                skip: Collection[str] = (), among: Collection[str] | None = None,
                folder: Path = RESULTS) -> list[str]:
    """Return the files of claims drawn at random, of those whose command measures on what they rest on.

    Args:
        count: How many; fewer where there are not so many.
        seed: Of the draw, a number or any other word.
        most_seconds: Leave out claims that are expected to take longer; None draws from all.
        train: Whether claims may be drawn that need a training first.
        skip: Files to leave out.
        among: Files to draw from; None draws from all.
        folder: Folder of the claims.
    """
    claims = read_named_claims(folder)
    chosen = [name for name, claim in claims.items() if name not in skip and (among is None or name in among)
              and not list_superseded(claim) and (train or shipped().issuperset(list_trained(claim)))
              and (most_seconds is None or estimate_seconds(name, claim) <= most_seconds)]
    # What was typed may hold bytes that are no text.
    random.Random(seed.encode(errors="replace")).shuffle(chosen)
    return chosen[:count]


def measure_again(names: Sequence[str], data_dir: str | None = None, folder: Path = RESULTS) -> Iterator[Outcome]:
    """Measure claims again, each in an empty store of its own.

    Args:
        names: Files of the claims.
        data_dir: Folder of the public data sets; None looks where they usually are.
        folder: Folder of the claims.

    Yields:
        One outcome a claim, as soon as it is there.

    Raises:
        BadInput: There is no such claim.
    """
    claims = read_named_claims(folder)
    for name in names:
        if name not in claims:
            raise BadInput(f"There is no claim {name}; known are {list_names(claims)}.")
    for name in names:
        with tempfile.TemporaryDirectory() as place:
            yield _measure_one(name, claims[name], data_dir, Path(place))


def _measure_one(name: str, claim: Claim, data_dir: str | None, place: Path) -> Outcome:
    words = shlex.split(claim["command"])
    if words[:2] != ["python", "-m"]:
        return Outcome(name, FAILED, _to_number(claim["value"]), math.nan, 0.0, "its command is no python -m")
    where = data_dir or str(next((path for path in data_folders() if path.is_dir()), ""))
    words = [sys.executable, *(where if word == DATA else word for word in words[1:]), "--out",
             str(place / "claims" / name)]
    started = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, env=child_environment(ROBUST_RUNS=str(place / "runs")), capture_output=True,
                          text=True, timeout=_USUAL_LIMIT, check=False)
    seconds = time.monotonic() - started
    found = [path for path in (place / "claims").rglob("*.json") if path.is_file()]
    same = [path for path in found if path.name == name] or found
    made = read_claims(same[:1], skip_damaged=True)
    stored = _to_number(claim["value"])
    if not made:
        said = (done.stderr.strip() or done.stdout.strip() or "it wrote no claim").splitlines()[-1]
        return Outcome(name, FAILED, stored, math.nan, seconds, shorten(said))
    return Outcome(name, compare_claims(claim, made[0]), stored, _to_number(made[0]["value"]), seconds)


def compare_claims(stored: Claim, again: Claim) -> str:
    """Return the verdict on a claim that was measured again."""
    if stored["metric"] in TIMES:
        return TIME
    mine, theirs = _to_number(stored["value"]), _to_number(again["value"])
    if mine == theirs and is_alike(stored["details"], again["details"]):
        return EQUAL
    errors = [_to_number(claim["value_se"]) for claim in (stored, again)]
    allowed = max((error for error in errors if math.isfinite(error)), default=0.0)
    return WITHIN if abs(mine - theirs) <= max(allowed, 1e-9) else DIFFERS


def is_alike(stored: Any, again: Any) -> bool:  # noqa: ANN401 (plain data)
    """Return whether a row says again what it said, but for what two runs of one command may differ in.

    Columns that have come since the row was stored do not count.
    """
    if isinstance(stored, Mapping) and isinstance(again, Mapping):
        return all(key in again and is_alike(value, again[key]) for key, value in stored.items()
                   if key not in _VARIES and not key.endswith("_se"))
    if isinstance(stored, list | tuple) and isinstance(again, list | tuple):
        return len(stored) == len(again) and all(map(is_alike, stored, again))
    return bool(stored == again)


def _to_number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def record_outcome(outcome: Outcome, path: Path) -> None:
    """Add a dated line to the record of claims that were measured again."""
    bf16 = "with" if "amx_bf16" in _read_processor() else "without"
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {bf16} bf16"
    line = (datetime.date.today().isoformat(), outcome.name, outcome.verdict, f"{outcome.stored:.6g}",
            f"{outcome.again:.6g}", f"{outcome.seconds:.0f}", str(ENGINE), machine)
    head = "" if path.is_file() else "\t".join(COLUMNS) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(head + "\t".join(line) + "\n")


def _read_processor() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
