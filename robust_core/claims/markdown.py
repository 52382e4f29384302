"""Figures and tables as Markdown."""

import math
from collections.abc import Iterable, Mapping


def format_percent(value: float | None, error: float | None) -> str:
    """Write a share with its standard error in percent, such as `83.5 ± 0.9`; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.1f}" + (f" ± {100 * error:.1f}" if error is not None and not math.isnan(error) else "")


def format_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def format_decimal(value: float | None, error: float | None = None) -> str:
    """Write a figure between -1 and 1 with its standard error, such as `0.58 ± 0.006`; a dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    known = error is not None and not math.isnan(error)
    return f"{value:.2f}" + (f" ± {error:.3f}" if known else "")


def format_points(value: float, error: float | None) -> str:
    """Write a difference of shares in points with its standard error, such as `+3.9 ± 1.7`."""
    return f"{100 * value:+.1f}" + ("" if error is None or math.isnan(error) else f" ± {100 * error:.1f}")


def format_settings(values: Mapping[str, object]) -> str:
    """Write the parameters of a method but for its name and limits, such as `window 15, skip_short True`."""
    return ", ".join(f"{k} {v}" for k, v in values.items() if k not in ("name", "max_queries", "time_limit"))
