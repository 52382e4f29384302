"""Checks of an entry that somebody made: a claim's file, held to what it says of itself and to what is here.

A file is only read: nothing that stands in it is run, and its size, depth and numbers are bounded before anything is
worked out from them.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.claims.command import DATA
from robust_core.claims.files import Claim, compute_digest
from robust_core.errors import BadInput, RobustError, UnknownName, list_names, quote
from robust_core.experiments import EXPERIMENTS, evidence
from robust_core.files import check_path, read_json
from robust_core.leaderboard.entries import ATTACKED, CONSISTENT, PROVED
from robust_core.leaderboard.rows import check_row, list_rows
from robust_core.types import PRECISIONS

_DEEPEST, _MOST_VALUES, _LARGEST, _LONGEST = 12, 200_000, 1e15, 5_000
METRICS = (ATTACKED, "accuracy", PROVED, *CONSISTENT)
# Each field with the types that it may have.
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "claim": (str,), "metric": (str,), "value": (int, float), "value_se": (int, float, type(None)), "n": (int,),
    "seeds": (list,), "precision": (str,), "run": (str,), "command": (str,), "freeze": (str,), "thresholds": (dict,),
    "details": (dict,), "rests_on": (dict,), "versions": (dict,), "digest": (str,)}
_NAMES = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "an object",
          type(None): "null"}
# What a command may be, so that whoever measures the entry again runs no other program and writes nowhere else.
_COMMANDS = ("reproduce", "evaluate", "certify")
_OPTIONS = ("--model", "--attack", "--dataset", "--split", "--seed", "--seeds", "--n", "--precision", "--preset",
            "--set", "--explain", "--data-dir")
_FLAGS = ("--train", "--fluency")


def check_file(path: str | Path) -> list[str]:
    """Return what is wrong with a file of an entry, a line each; nothing where it is good.

    Args:
        path: JSON file of a claim, as `evaluate` and `reproduce` write it with `--out`.

    Raises:
        BadInput: It cannot be read, or is no JSON.
    """
    return check_entry(read_json(check_path(path, "file of the entry")))


def check_entry(values: object) -> list[str]:
    """Return what is wrong with the content of an entry's file, a line each; nothing where it is good."""
    # Each step relies on the ones before it.
    for step in (_check_plain, _check_fields, _check_names, _check_rows):
        if faults := list(dict.fromkeys(step(cast(Claim, values)))):
            return faults
    claim = cast(Claim, values)
    faults = [*_check_command(claim), *_check_ground(claim)]
    if claim.get("digest") != compute_digest(claim):
        faults.append("Its digest is not that of its content: it was changed by hand after it was written.")
    whole = cast(Claim, {**claim, "digest": compute_digest(claim)})
    try:
        faults += [line[:1].upper() + line[1:] for line in evidence.check_claim(whole)]
    except (RobustError, OverflowError) as error:
        faults.append(str(error))
    return list(dict.fromkeys(faults))


def _check_plain(values: object) -> Iterator[str]:
    """Yield what no claim holds: too deep, too much, numbers and texts that nothing can be worked out from."""
    # Without recursion, which such a file could exhaust.
    if not isinstance(values, dict):
        yield f"It must hold one JSON object, not {quote(values)}."
        return
    left: list[tuple[object, int, str]] = [(values, 0, "")]
    seen = 0
    while left:
        value, depth, name = left.pop()
        seen += 1
        if depth > _DEEPEST or seen > _MOST_VALUES:
            yield f"It is nested deeper than {_DEEPEST} levels, or holds more than {_MOST_VALUES:,} values."
            return
        if isinstance(value, dict):
            left += [(item, depth + 1, str(key)) for key, item in value.items()]
            left += [(key, depth + 1, "names of fields") for key in value]
        elif isinstance(value, list):
            left += [(item, depth + 1, name) for item in value]
        elif isinstance(value, str) and (len(value) > _LONGEST or any("\ud800" <= c <= "\udfff" for c in value)):
            yield f"{quote(name)} holds a text that is too long or has broken characters."
        elif isinstance(value, int | float) and not (math.isfinite(value) and abs(value) <= _LARGEST):
            yield f"{quote(name)} holds a number that is not finite or too large."


def _check_fields(claim: Mapping[str, Any]) -> Iterator[str]:
    if missing := [name for name in _FIELDS if name not in claim]:
        yield f"It lacks {list_names(missing)}."
    if unknown := [name for name in claim if name not in _FIELDS]:
        yield f"It has fields that no claim has: {list_names(map(quote, unknown))}."
    for name in _FIELDS.keys() & claim.keys():
        kinds = _FIELDS[name]
        if not isinstance(claim[name], kinds) or isinstance(claim[name], bool):
            yield f"{name} must be {' or '.join(_NAMES[kind] for kind in kinds)}, not {quote(claim[name], 40)}."
        elif name in ("claim", "command", "digest") and not claim[name].strip():
            yield f"{name} is empty."
    if isinstance(seeds := claim.get("seeds"), list) and not (
            seeds and all(type(seed) is int and seed >= 0 for seed in seeds) and len(set(seeds)) == len(seeds)):
        yield "seeds must be a list of different whole numbers from 0."
    if type(n := claim.get("n")) is int and n < 1:
        yield f"n must be 1 at least, not {n:,}."
    if isinstance(error := claim.get("value_se"), int | float) and error < 0:
        yield f"value_se is a standard error, so it cannot be {error:g}."
    if isinstance(known := claim.get("precision"), str) and known not in ("", *PRECISIONS):
        yield f"precision must be one of {list_names(PRECISIONS)}, not {quote(known)}."
    if isinstance(rests := claim.get("rests_on"), dict) and not all(isinstance(value, str) for value in rests.values()):
        yield "rests_on must name a hash, a text, for each thing."


def _check_names(claim: Claim) -> Iterator[str]:
    details = claim["details"]
    if claim["metric"] not in METRICS:
        yield f"The leaderboard shows no metric {quote(claim['metric'])}; it shows {list_names(METRICS)}."
    if "experiment" in details and details["experiment"] not in list(EXPERIMENTS):
        yield str(UnknownName("experiment", details["experiment"], list(EXPERIMENTS)))
    if not isinstance(details.get("model"), str) or details["model"].count("/") != 2:
        yield f"details must name a model, such as sst2/cnn/base, not {quote(details.get('model'))}."
    rows = list_rows(details)
    if not rows or not all(isinstance(row, dict) for row in rows):
        yield "details.rows must be a list of objects, one a training."


def _check_rows(claim: Claim) -> Iterator[str]:
    rows = list_rows(claim["details"])
    faults = [f"Row {number}: {fault}" if len(rows) > 1 else fault
              for number, row in enumerate(rows, 1) for fault in check_row(row, claim)]
    yield from faults
    if faults:
        return
    if "experiment" not in claim["details"]:
        # Of `evaluate` the seed is that of the draw of texts.
        return
    models = list(dict.fromkeys(row.get("model") for row in rows))
    expected = [claim["details"]["model"] + (f"@{seed}" if seed else "") for seed in claim["seeds"]]
    if models != expected:
        seeds = list_names(map(str, claim["seeds"]))
        yield f"Its rows are of {list_names(map(str, models))}; the seeds {seeds} would be {list_names(expected)}."


def _check_command(claim: Claim) -> Iterator[str]:
    try:
        words = shlex.split(claim["command"])
    except ValueError as error:
        yield f"Its command cannot be read: {error}."
        return
    if words[:3] != ["python", "-m", "robust_core"] or words[3:4] not in [[name] for name in _COMMANDS]:
        yield f"Its command must begin python -m robust_core and one of {list_names(_COMMANDS)}."
        return
    given = _read_options(words[4:])
    if given is None or "--out" in words or "--claims" in words:
        yield f"Its command may have the options {', '.join(_OPTIONS)}, each with a value, {' and '.join(_FLAGS)}."
        return
    details = claim["details"]
    if words[3] == "reproduce" and words[4:5] != [details.get("experiment", "")]:
        yield "Its command reproduces another experiment than its details name."
    if details["model"] not in given.get("--model", [details["model"]]):
        yield f"Its command measures {list_names(given['--model'])}, its details are of {details['model']}."
    if claim["metric"] == ATTACKED and details.get("attack") not in given.get("--attack", []):
        yield f"Its command does not name the attack {quote(details.get('attack'))}."
    if any(value != DATA for value in given.get("--data-dir", [])):
        yield f"Its command must leave the folder of data sets open: --data-dir {DATA}."


def _read_options(words: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the values of the options by name; None where one is not known or lacks its value."""
    given: dict[str, list[str]] = {}
    left = [word for word in (words[1:] if words and not words[0].startswith("-") else words) if word not in _FLAGS]
    if len(left) % 2:
        return None
    for name, value in zip(left[::2], left[1::2], strict=True):
        if name not in _OPTIONS:
            return None
        given.setdefault(name, []).append(value)
    return given


def _check_ground(claim: Claim) -> Iterator[str]:
    """Hold a claim to what it must rest on, and to the hashes of what is here."""
    rests, rows = claim.get("rests_on", {}), list_rows(claim["details"])
    row = {**claim["details"], **rows[0]}
    needed = [f"data {row['dataset']}/{row['split']}", "engine", *(f"model {each['model']}" for each in rows)]
    if missing := [name for name in dict.fromkeys(needed) if name not in rests]:
        yield f"rests_on does not name {list_names(missing)}, on which the figure rests."
    for name, value in rests.items():
        # A training that is not here any more has no hash.
        digits = len(value) == 64 and not set(value) - set("0123456789abcdef")
        if not (digits or name == "engine" and value.isdecimal() or not value and name.startswith("model ")):
            yield f"The hash of {quote(name)} in rests_on must be 64 hexadecimal digits."
    try:
        yield from (line[:1].upper() + line[1:] for line in evidence.Ground().check(claim))
        size = len(datasets.load(row["dataset"], row["split"]))
    except RobustError:
        return
    if claim["n"] > size:
        yield f"n is {claim['n']:,}; {row['dataset']}/{row['split']} has {size:,} texts."


def describe_entry(claim: Claim) -> str:
    """Return one line that says what a good entry states."""
    details = claim["details"]
    attack = str(details.get("attack"))
    under = f" under {ATTACKS[attack].title}" if attack in ATTACKS else ""
    value, error = claim["value"], claim["value_se"]
    if value is None:
        raise BadInput("It states no figure.")
    factor, unit = (1, "") if claim["metric"] == "kendall_tau" else (100, " %")
    shown = f"{factor * value:.{3 if factor == 1 else 1}f}"
    plus = "" if error is None else f" ± {factor * error:.{3 if factor == 1 else 1}f}"
    return (f"Good: {claim['metric'].replace('_', ' ')} of {details['model']}{under}: {shown}{plus}{unit}, "
            f"{claim['n']:,} texts, seeds {list_names(map(str, claim['seeds']))}.")
