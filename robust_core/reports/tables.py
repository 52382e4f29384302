"""Figures as text, and tables of them as HTML."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from robust_core.explainers import EXPLAINERS
from robust_core.history.comparison import Difference
from robust_core.reports.figures import RunFigures

# Columns of a run's row: what they are called, and whether they are shares.
_SHARES = {"accuracy": "Right before the attack", "accuracy_under_attack": "Right under attack",
           "attack_success_rate": "Attack success", "swap_rate": "Words swapped in a flip",
           "antonym_successes": "Flips with an antonym", "number_successes": "Flips with another number"}
_NUMBERS = {"swaps": "Swaps in a flip", "similarity": "Similarity of flips", "queries": "Queries a text",
            "perplexity_ratio": "Flips are less fluent by a factor of", "seconds": "Seconds a text"}
_COUNTS = {"skipped": "Wrong before the attack", "succeeded": "Flipped", "failed": "Held",
           "exhausted": "Out of budget", "stopped": "Stopped"}


def list_figures(figures: RunFigures) -> list[tuple[str, str]]:
    """Return the figures of a run with their names, as text, those that matter first; undefined ones are left out.

    Args:
        figures: The run.
    """
    row = figures.row
    listed = [(title, write_figure(row[name], row[f"{name}_se"], True)) for name, title in _SHARES.items()]
    for one in figures.explanations:
        title = name_explainer(one.method)
        for about, values in ((f"{title}, {one.changed['compared']:,} changed texts", one.changed),
                              (f"{title}, all {one.all['compared']:,} texts", one.all)):
            listed += [(f"Kendall's τ ({about})", write_figure(values["kendall_tau"], values["kendall_tau_se"], False)),
                       (f"Top-5 kept ({about}; {100 * values['top_k_random']['5']:.0f} % by chance)",
                        write_figure(values["top_k"]["5"], values["top_k_se"]["5"], True))]
    listed += [(title, write_figure(row[name], row[f"{name}_se"], False)) for name, title in _NUMBERS.items()
               if name in row]
    counts = [(title, f"{row[name]:,} of {row['n']:,}" if name != "stopped" else f"{row[name]:,}")
              for name, title in _COUNTS.items() if row[name]]
    return [pair for pair in listed if pair[1]] + counts


def name_explainer(method: Mapping[str, Any]) -> str:
    """Name the explainer of a record for people."""
    name = str(method["name"])
    return EXPLAINERS[name].title if name in EXPLAINERS else name


def list_heads(figures: RunFigures) -> dict[str, str]:
    """Return the three figures that matter most, as text by their names; `–` where one is undefined."""
    return {_SHARES[name]: write_figure(figures.row[name], figures.row[f"{name}_se"], True) or "–"
            for name in ("accuracy", "accuracy_under_attack", "attack_success_rate")}


def write_figure(value: float, error: float, share: bool) -> str:
    """Write a figure with its standard error; nothing where it is undefined.

    Args:
        value: The figure.
        error: Its standard error; NaN where there is none.
        share: Whether it is a share, 0..1, which is written in percent.
    """
    if not math.isfinite(value):
        return ""
    if share:
        return f"{100 * value:.1f}{f' ± {100 * error:.1f}' if math.isfinite(error) else ''} %"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{f' ± {error:,.{digits}f}' if math.isfinite(error) else ''}"


def format_difference(each: Difference) -> tuple[str, str, str]:
    """Return (first, second, difference) of a comparison as text; a difference of shares is in percentage points."""
    first, second = (write_figure(value, math.nan, each.share) for value in (each.first, each.second))
    factor, digits = (100, 1) if each.share else (1, 2 if abs(each.first) < 10 else 1)
    error = f" ± {factor * each.error:,.{digits}f}" if math.isfinite(each.error) else ""
    return first, second, f"{factor * each.value:+,.{digits}f}{error}{' points' if each.share else ''}"


def make_table(rows: Sequence[Iterable[str]], head: Sequence[str]) -> str:
    """Return a table as HTML, every cell escaped; the first cell of a row is its name."""
    titles = "".join(f'<th scope="col">{html.escape(title)}</th>' for title in head)
    body = ""
    for row in rows:
        name, *cells = row
        body += (f'<tr><th scope="row">{html.escape(name)}</th>'
                 + "".join(f'<td class="number">{html.escape(cell)}</td>' if len(cell) < 30 else
                           f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return f'<div class="wide"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
