"""What claims of measurements outside the experiments state, worked out from their details: `evaluate` and `bench`."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from robust_core import metrics
from robust_core.claims.derivation import Figure, read_figure, read_share

Details = Mapping[str, Any]


def _read_row(metric: str) -> Callable[[Details], Figure]:
    return lambda details: read_figure(details, metric)


def _derive_parity(details: Details) -> Figure:
    """Return the share of texts that are TextAttack's, over all victims."""
    return _share_over_texts(details, *(sum(row[name] for row in details["rows"]) for name in ("same", "sentences")))


def _share_over_texts(details: Details, hits: int, trials: int) -> Figure:
    """Return a share of attacks, several of which may be on one text: those count together, where they are listed."""
    share, error = metrics.estimate_proportion(hits, trials)
    if "texts" in details and 0 < hits < trials:
        pairs = [(group["hits"], group["trials"]) for group in details["texts"] for _ in range(group["texts"])]
        share, error = metrics.estimate_ratio(*zip(*pairs, strict=True))
    return Figure(share, error, trials)


def _derive_success(details: Details) -> Figure:
    """Return by how much our search succeeds more often than TextAttack's, on the same texts."""
    ours, theirs = (read_share(details, side).value for side in ("ours", "theirs"))
    return Figure(ours - theirs, details["difference_se"], details["n"])


def _derive_outside(details: Details) -> Figure:
    """Return the share of inputs that a search flips one step outside the certified radius."""
    row = details["rows"][0]
    share = read_share({"n": row["inside"], "share": row["outside"]["one_step_outside"]}, "share")
    return Figure(share.value, share.error, row["inside"])


def _derive_inside(details: Details) -> Figure:
    """Return the share of attacked texts that moved no further than the radius of the first Lambda."""
    rows = [row for row in details["rows"] if row["scale"] == details["rows"][0]["scale"]]
    return _share_over_texts(details, *(sum(row[name] for row in rows) for name in ("inside", "changed")))


def _derive_growth(details: Details) -> Figure:
    """Return the megabytes held in the second pass beyond the first, once half of the texts have ended."""
    pairs = [(a, b) for a, b in zip(details["first"], details["second"], strict=True)
             if a[0] >= details["first"][-1][0] / 2]
    return Figure(*metrics.estimate_mean(b[2] - a[2] for a, b in pairs), 2 * details["first"][-1][0])


def _derive_slowest(details: Details) -> Figure:
    """Return how many times as fast as TextAttack the slowest of several attacks is."""
    slowest = min(details["rows"], key=lambda row: row["exact_ratio"])
    return Figure(slowest["exact_ratio"], math.nan, 0)


def _look_up(*path: str) -> Callable[[Details], Figure]:
    """Return how a time is read that stands in the details: no other count gives it, and its error stands nowhere."""
    def read(details: Details) -> Figure:
        value: Any = details
        for name in path:
            value = value[name]
        return Figure(float(value), math.nan, 0)

    return read


def _derive_stop(details: Details) -> Figure:
    return Figure(max(value for name, value in details["seconds"].items() if name.startswith("Stop")), math.nan, 0)


# By the claim's metric. An n of 0 and an error that is NaN are not compared: a time has them from elsewhere.
_DERIVATIONS: Mapping[str, Callable[[Details], Figure]] = {
    **{name: _read_row(name) for name in ("accuracy", "accuracy_under_attack", "accuracy_under_transfer")},
    "completeness": _read_row("completeness"),
    "same_text": _derive_parity,
    "success_difference": _derive_success,
    "flipped_outside": _derive_outside,
    "inside_radius": _derive_inside,
    "megabytes": _derive_growth,
    "times_as_fast": _derive_slowest,
    "attack, median": _look_up("seconds", "attack on 4 models, median"),
    "first map": _look_up("seconds", "first map"),
    "explanation_seconds": _look_up("seconds", "all", "wall"),
    "flat_over_base": _look_up("over_base", "flat"),
    "stop, slower of two": _derive_stop,
}


def derive_measurement(metric: str, details: Details) -> Figure | None:
    """Return what the details of a measurement give; None where they hold nothing that it could be worked out from."""
    known = metric in _DERIVATIONS and (metric != "completeness" or metric in details)
    return _DERIVATIONS[metric](details) if known else None
