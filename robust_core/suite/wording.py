"""Findings in words."""

import math
from collections.abc import Mapping
from typing import Any

from robust_core.suite.bounds import CLOSE, FAILS
from robust_core.suite.running import NOT_TESTED


def write_value(row: Mapping[str, Any], value: float | None) -> str:
    """Return a figure of a check: a share in percent, Kendall's tau as a number."""
    if value is None or math.isnan(value):
        return "undefined"
    return f"{value:.2f}" if row["unit"] == "number" else f"{100 * value:.1f} %"


def describe_finding(row: Mapping[str, Any]) -> str:
    """Return a finding in one or two sentences.

    Args:
        row: What `running.Finding.describe` returns.
    """
    name, limit = row["check"], write_value(row, row["at_least"])
    if row["verdict"] == NOT_TESTED:
        return f"{name}: not tested. {row['reason']}"
    if not row["n"]:
        return f"{name}: {CLOSE}. No text was measured. {row['reason']}"
    share = write_value(row, row["measured"])
    between = f", so between {write_value(row, row['low'])} and {write_value(row, row['high'])} on all such texts" if (
        row["high"] > row["low"]) else ""
    verb = "fails" if row["verdict"] == FAILS else "is too close to call" if row["verdict"] == CLOSE else "passes"
    said = f"{name} {verb}: {share} on {row['n']:,} texts{between}; at least {limit} is asked for."
    return f"{said} {row['reason']}".rstrip()


def describe_change(row: Mapping[str, Any]) -> str:
    """Return what has changed since the last run, in a few words; empty without a last run."""
    if "last_verdict" not in row:
        return ""
    said = [] if row["last_verdict"] == row["verdict"] else [f"was: {row['last_verdict']}"]
    if "change" in row:
        said += [f"{row['worse']} worse, {row['better']} better" if row["worse"] or row["better"] else "the same"]
    elif row["last_measured"] is not None:
        said += [f"was {write_value(row, row['last_measured'])}"]
    return "; ".join(said)
