"""Checks of one row of an entry: names that are known, counts that add up, figures in their ranges."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.claims.files import Claim
from robust_core.defences import DEFENCES
from robust_core.errors import RobustError, UnknownName, list_names, quote
from robust_core.explainers import EXPLAINERS
from robust_core.leaderboard.entries import ATTACKED, CONSISTENT, PROVED, name_defence
from robust_core.models.cards import ARCHITECTURES, CORE, cards
from robust_core.registry import from_record
from robust_core.resources import swap_sets
from robust_core.types import PRECISIONS

Row = Mapping[str, Any]
_COUNTS = ("skipped", "succeeded", "failed", "exhausted")
# From a figure's name to what it lies between; its error `*_se` is not negative.
_RANGES: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("accuracy", ATTACKED, "attack_success_rate", PROVED, "antonym_swaps", "antonym_successes",
                     "number_swaps", "number_successes"), (0, 1)),
    **dict.fromkeys(("kendall_tau", "similarity"), (-1, 1)),
    **dict.fromkeys(("swaps", "swap_rate", "queries", "forward_passes", "eligible", "seconds"), (0, 1e9))}


def list_rows(details: Row) -> Sequence[Any]:
    """Return the rows of a claim's details: those listed, or the details themselves."""
    if "rows" not in details:
        return [details]
    return details["rows"] if isinstance(details["rows"], list) else []


def check_row(row: Row, claim: Claim) -> Iterator[str]:
    """Yield what is wrong with a row, a line each.

    Args:
        row: Plain data.
        claim: The claim that it belongs to, whose fields have the right types.
    """
    details, metric = claim["details"], claim["metric"]
    about = {**details, **row}
    yield from _check_model(row.get("model"))
    yield from _check_data(about)
    if metric == ATTACKED or metric in CONSISTENT:
        yield from _check_attack(row, details)
    if type(row.get("n")) is not int or row["n"] < 1:
        yield f"n must be a whole number from 1, not {quote(row.get('n'), 40)}."
        return
    yield from _check_ranges(row)
    if row.get("precision", "") not in ("", *PRECISIONS):
        yield f"precision must be one of {list_names(PRECISIONS)}, not {quote(row['precision'], 40)}."
    if metric == ATTACKED:
        yield from _check_counts(row)
    elif metric == PROVED:
        yield from _check_certificate(row)
    elif metric in CONSISTENT:
        yield from _check_stability(row, details)
    elif _is_no_number(row.get(metric)):
        yield f"It lacks {metric}."


def _check_model(model: object) -> Iterator[str]:
    if not isinstance(model, str) or model.count("/") != 2:
        yield f"{quote(model)} is no id of a model, such as sst2/cnn/base."
        return
    known = [card.id for card in cards()]
    # One that is not here may be trained by the command: see `evidence.check_claim`.
    named = model.split("/")[1] in ARCHITECTURES and name_defence(model.partition("@")[0]) in (*DEFENCES, CORE)
    if model not in known and not named:
        yield str(UnknownName("model", model, known))


def _check_data(about: Row) -> Iterator[str]:
    try:
        datasets.describe(about.get("dataset", ""))
    except RobustError as error:
        yield str(error)
    if about.get("split") not in datasets.SPLITS:
        yield str(UnknownName("split", about.get("split"), list(datasets.SPLITS)))


def _check_ranges(row: Row) -> Iterator[str]:
    for name, (low, high) in _RANGES.items():
        value = row.get(name)
        if value is None:
            continue
        if _is_no_number(value) or not low <= value <= high:
            yield f"{name} must be a number from {low:g} to {high:g}, not {quote(value, 40)}."
        error = row.get(f"{name}_se")
        if error is not None and (_is_no_number(error) or error < 0):
            yield f"{name}_se is a standard error, so it cannot be {quote(error, 40)}."


def _is_no_number(value: object) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float)


def _check_attack(row: Row, details: Row) -> Iterator[str]:
    attack, record = row.get("attack"), row.get("parameters")
    if not isinstance(attack, str) or attack not in ATTACKS:
        yield str(UnknownName("attack", attack, list(ATTACKS)))
        return
    if attack != details.get("attack"):
        yield f"It is of the attack {attack}, the details of {quote(details.get('attack'))}."
    if not isinstance(record, dict) or record.get("name") != attack:
        yield f"parameters must be those of {attack}, its name among them."
        return
    if "swaps" in record:
        yield "It was attacked with a swap set of somebody's own, which is not here: give figures of a preset."
        return
    if {"lock", "target"} & set(record):
        yield "It was attacked with locked words or for one class: give figures of a preset."
        return
    try:
        from_record(ATTACKS, record)
    except RobustError as error:
        yield str(error)


def _check_counts(row: Row) -> Iterator[str]:
    if wrong := [name for name in _COUNTS if type(row.get(name)) is not int or not 0 <= row[name] <= row["n"]]:
        yield f"{list_names(wrong)} must be whole numbers from 0 to n."
        return
    total = sum(row[name] for name in _COUNTS)
    if total != row["n"]:
        yield f"{', '.join(_COUNTS)} add up to {total:,}; n is {row['n']:,}."
    if row.get("stopped", 0) != 0 or row.get("errors", 0) != 0:
        yield "Some texts were stopped or failed with an error: measure until all have a result."
    for name in ("accuracy", ATTACKED):
        if _is_no_number(row.get(name)):
            yield f"It lacks {name}."


def _check_certificate(row: Row) -> Iterator[str]:
    if row.get("swap_set") not in swap_sets.NAMES:
        yield str(UnknownName("swap set", row.get("swap_set"), list(swap_sets.NAMES)))
    if _is_no_number(row.get(PROVED)) or _is_no_number(row.get("accuracy")):
        yield f"It lacks {PROVED} or accuracy."
    elif row[PROVED] > row["accuracy"]:
        yield f"{PROVED} {row[PROVED]:.4g} is larger than accuracy {row['accuracy']:.4g}: only right answers count."


def _check_stability(row: Row, details: Row) -> Iterator[str]:
    if details.get("explain") not in list(EXPLAINERS):
        yield str(UnknownName("explainer", details.get("explain"), list(EXPLAINERS)))
    if row.get("pairs") not in ("all", "changed"):
        yield "pairs must be all or changed."
    if type(row.get("compared")) is not int or not 1 <= row["compared"] <= row["n"]:
        yield "compared must be a whole number from 1 to n."
    if _is_no_number(row.get("kendall_tau")):
        yield "It lacks kendall_tau."
    for name in ("top_k", "top_k_se"):
        shares = row.get(name)
        if not isinstance(shares, dict) or "5" not in shares or any(_is_no_number(v) or not 0 <= v <= 1
                                                                   for v in shares.values()):
            yield f"{name} must give a share from 0 to 1 for each number of words, 5 among them."
