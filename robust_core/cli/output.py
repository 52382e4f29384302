"""Rows on the screen: one JSON document, a table, or a line a figure where the window is narrow."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text as Plain

from robust_core.claims.footnotes import Footnotes
from robust_core.records import to_finite

Row = dict[str, Any]


def show_rows(rows: Sequence[Row], as_json: bool, columns: Mapping[str, Callable[[Row], str]],
              notes: Sequence[str] = ()) -> None:
    """Print rows as one JSON document, or as a table with notes below it."""
    if as_json:
        typer.echo(json.dumps({"results": to_finite(rows)}, allow_nan=False))
        return
    console = Console()
    if not console.is_terminal:
        console.width = 160
    # Plain text, so that brackets somebody typed are no mark-up.
    cells = {title: [Plain(cell(row)) for row in rows] for title, cell in columns.items()}
    cells = {title: column for title, column in cells.items() if any(len(text) for text in column)}
    widths = [max(len(title), *(len(text) for text in column)) + 3 for title, column in cells.items()]
    if sum(widths) < console.width:
        table = Table(*cells)
        for row in zip(*cells.values(), strict=True):
            table.add_row(*row)
        console.print(table if rows else "Nothing to show.")
    else:
        room = console.width - max(map(len, cells))
        for first, last in _fits_side_by_side(cells.values(), room):
            table = Table.grid(padding=(0, 2))
            for title, column in cells.items():
                table.add_row(title, *column[first:last])
            console.print(table, "")
    for note in notes:
        console.print(Plain(note))


def describe_faults(faults: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line for each known fault of some models, with the models that have it.

    Args:
        faults: Known faults of each model, by id.
    """
    having: dict[str, list[str]] = {}
    for model, lines in faults.items():
        for line in lines:
            having.setdefault(line, []).append(model)
    return [f"Known fault of {', '.join(models)}: {line}" for line, models in having.items()]


def _fits_side_by_side(columns: Iterable[Sequence[Sized]], room: int) -> Iterator[tuple[int, int]]:
    """Split rows that are printed upright into half-open ranges that fit side by side, one row a range at least."""
    widths = [max(map(len, row)) + 2 for row in zip(*columns, strict=True)]
    first = 0
    while first < len(widths):
        last = first + 1
        while last < len(widths) and sum(widths[first: last + 1]) <= room:
            last += 1
        yield first, last
        first = last


def name_column(name: str) -> Callable[[Row], str]:
    """Make a cell of what stands under a name, empty without it."""
    return lambda row: "" if row.get(name) is None else str(row[name])


def _is_figure(value: float | None, spec: str) -> str:
    return "" if value is None else "undefined" if math.isnan(value) else format(value, spec)


def format_number(name: str) -> Callable[[Row], str]:
    """Make a cell of a number, with its standard error where there is one."""
    def cell(row: Row) -> str:
        error = row.get(f"{name}_se")
        plus = "" if error is None or math.isnan(error) else f" ± {error:.2g}"
        return _is_figure(row.get(name), ".3g") + plus

    return cell


def _format_top(k: str) -> Callable[[Row], str]:
    return lambda row: " ± ".join(_is_figure(row[name][k], ".2g") for name in ("top_k", "top_k_se"))


def format_percent(name: str) -> Callable[[Row], str]:
    """Make a cell of a share in percent, with its standard error where there is one."""
    def cell(row: Row) -> str:
        error = row.get(f"{name}_se")
        plus = "" if error is None or math.isnan(error) else f" ± {100 * error:.1f}"
        return _is_figure(None if row.get(name) is None else 100 * row[name], ".1f") + plus

    return cell


def label_probabilities(name: str) -> Callable[[Row], str]:
    """Make a cell of each label with its probability in percent."""
    return lambda row: ", ".join(f"{label} {100 * p:.1f} %" for label, p in row[name].items())


def format_scores(words: Sequence[str], scores: Sequence[float]) -> str:
    """Return words, each with its score."""
    return " ".join(f"{word} {score:+.3f}" for word, score in zip(words, scores, strict=True))


def format_parameters(record: Mapping[str, Any]) -> str:
    """Return the record of a method in words."""
    return f"{record['name']}: " + ", ".join(f"{name} {value}" for name, value in record.items() if name != "name")


def show_evaluation(rows: Sequence[Row], as_json: bool, notes: Sequence[str]) -> None:
    """Print the rows of an evaluation: a table of the models, one of explanations, one of transfer.

    Warnings are footnotes of the tables; in JSON each row has its own.
    """
    if as_json or not rows:
        show_rows(rows, as_json, _FIGURES, notes)
        return
    footnotes = Footnotes()
    rows = [row | {_MARKS: footnotes.mark(row["warnings"], share=True)} for row in rows]
    notes = [*notes, *(f"{note.line} {note.advice}".rstrip() for note in footnotes.notes())]
    kinds: list[tuple[Columns, list[Row]]] = [(_FIGURES, []), (_EXPLANATIONS, []), (_TRANSFER, [])]
    for row in rows:
        kinds[2 if "adversarial_from" in row else 1 if "explain" in row else 0][1].append(row)
    kinds = [(columns, chosen) for columns, chosen in kinds if chosen]
    for i, (columns, chosen) in enumerate(kinds, 1):
        show_rows(chosen, False, columns, notes if i == len(kinds) else ())


Columns = dict[str, Callable[[Row], str]]

# The marks of a row's footnotes; a column that only the tables have.
_MARKS = "†"

_FIGURES: Columns = {
    "Model": name_column("model"),
    "Attack": name_column("attack"),
    _MARKS: name_column(_MARKS),
    "Examples": name_column("n"),
    "Skipped": name_column("skipped"),
    "Failed": name_column("failed"),
    "Exhausted": name_column("exhausted"),
    "Succeeded": name_column("succeeded"),
    "Stopped": name_column("stopped"),
    "Errors": name_column("errors"),
    "Accuracy %": format_percent("accuracy"),
    "Under attack %": format_percent("accuracy_under_attack"),
    "Attack success %": format_percent("attack_success_rate"),
    "Swaps": format_number("swaps"),
    "Words swapped %": format_percent("swap_rate"),
    "Similarity": format_number("similarity"),
    "Times less fluent": format_number("perplexity_ratio"),
    "Queries": format_number("queries"),
    "Forward passes": format_number("forward_passes"),
    "Eligible": format_number("eligible"),
    "Seconds": format_number("seconds"),
    "Antonyms among swaps %": format_percent("antonym_swaps"),
    "Successes with antonyms %": format_percent("antonym_successes"),
    "Numbers among swaps %": format_percent("number_swaps"),
    "Successes with numbers %": format_percent("number_successes"),
    "Run": name_column("run"),
}

_EXPLANATIONS: Columns = {
    "Model": name_column("model"),
    "Attack": name_column("attack"),
    "Explained": name_column("explain"),
    _MARKS: name_column(_MARKS),
    "Pairs": name_column("pairs"),
    "Compared": name_column("compared"),
    "Kendall's tau": format_number("kendall_tau"),
    "Top 5": _format_top("5"),
    "By chance": lambda row: _is_figure(row["top_k_random"]["5"], ".2g"),
    "Gap": format_number("gap"),
    "Run": name_column("run"),
}

_TRANSFER: Columns = {
    "Model": name_column("model"),
    "Attack": name_column("attack"),
    "Adversarial from": name_column("adversarial_from"),
    _MARKS: name_column(_MARKS),
    "Examples": name_column("n"),
    "Accuracy %": format_percent("accuracy"),
    "Under transfer %": format_percent("accuracy_under_transfer"),
    "Transferable": name_column("transferable"),
    "Transfer success %": format_percent("transfer_success_rate"),
    "Run": name_column("run"),
}
