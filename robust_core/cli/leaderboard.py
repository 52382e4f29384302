"""The leaderboard: `leaderboard` prints it, `leaderboard check` reads a new entry."""

import math
from typing import Annotated, Any

import typer

from robust_core.attacks import ATTACKS
from robust_core.claims.derivation import Figure
from robust_core.claims.footnotes import Footnotes
from robust_core.cli.options import Json
from robust_core.cli.output import Columns, Row, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.errors import LONGEST_MESSAGE, BadInput, quote, shorten
from robust_core.files import check_path, read_json
from robust_core.leaderboard import check as checks
from robust_core.leaderboard.entries import Entry, read_board
from robust_core.leaderboard.ranking import filter_entries, sort_entries
from robust_core.leaderboard.valid import add_valid_shares

_CHECK, _BAD = "check", 2


@app.command()
def leaderboard(action: Annotated[str, typer.Argument(help="check, to read a file; without it the table is printed.")
                                  ] = "",
                file: Annotated[str, typer.Argument(
                    help="File to check: a claim, as evaluate and reproduce write it with --out.")] = "",
                dataset: Annotated[str | None, typer.Option("--dataset", help="Only this data set.")] = None,
                attack: Annotated[str | None, typer.Option("--attack", help="Only this attack.")] = None,
                preset: Annotated[str | None, typer.Option("--preset", help="Only this one: careful or paper.")] = None,
                data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
                as_json: Json = False) -> None:
    """Show what each model keeps under each attack, from results/, or check a file with a new entry.

    `check FILE` holds a file to what it says of itself, to known names and to the hashes of what is here: a line for
    each fault and exit code 2, or one line and exit code 0. Nothing that stands in the file is run.
    """
    if action == _CHECK:
        _check(file)
        return
    if action:
        raise BadInput(f"leaderboard can check a file, not {quote(action)}.")
    board = add_valid_shares(read_board(), data_dir)
    presets = [] if preset is None else [preset]
    chosen = filter_entries(board.entries, dataset=dataset, attack=attack, presets=presets)
    marks = Footnotes()
    rows = [_make_row(entry, None if as_json else marks) for entry in sort_entries(chosen)]
    notes = [f"{note.line} {note.advice}".rstrip() for note in marks.notes()]
    notes += [f"{name} is left out: {why}" for name, why in board.left_out]
    show_rows(rows, as_json, _COLUMNS, notes if as_json or not rows else [*_NOTES, *notes])


def _check(file: str) -> None:
    if not file:
        raise BadInput("Name the file of the entry to check: leaderboard check FILE.")
    values = read_json(check_path(file, "file of the entry"))
    faults = checks.check_entry(values)
    for fault in faults:
        typer.echo(shorten(fault, LONGEST_MESSAGE), err=True)
    if faults:
        raise typer.Exit(_BAD)
    typer.echo(checks.describe_entry(values))


def _make_row(entry: Entry, marks: Footnotes | None) -> Row:
    """Return a line of the table; with `marks` its warnings become marks, else they stand in it."""
    row: Row = {"model": entry.model, "dataset": entry.dataset, "split": entry.split, "attack": entry.attack,
                "preset": entry.preset, "max_queries": entry.max_queries, "n": entry.attacked.n,
                "seeds": list(entry.seeds), "precision": entry.precision, **_write("clean", entry.clean),
                **_write("attacked", entry.attacked), "claim": entry.sources[0].file,
                "command": entry.sources[0].command}
    if entry.lowest is not None:
        row |= {**_write("lowest", entry.lowest.share), "lowest_attack": entry.lowest.attack,
                "attacks": entry.lowest.attacks}
    if entry.certificate is not None:
        row |= {**_write("certified", entry.certificate.share), "swap_set": entry.certificate.swap_set}
    row |= _write("valid", entry.valid.share if entry.valid else Figure(math.nan, math.nan, 0))
    row |= {"judged": entry.valid.share.n if entry.valid else 0, "judges": entry.valid.judges if entry.valid else 0}
    for one in entry.stability:
        row |= {**_write(f"tau_{one.explain}", one.tau), **_write(f"top_5_{one.explain}", one.top_5)}
    if marks is None:
        return row | {"warnings": list(entry.warnings)}
    return row | {"†": marks.mark(entry.warnings, share=True)}


def _write(name: str, figure: Figure) -> dict[str, Any]:
    return {name: figure.value, f"{name}_se": math.nan if figure.error is None else figure.error}


def _name_attack(row: Row) -> str:
    limit = f" (≤ {row['max_queries']:,} queries)" if row["max_queries"] else ""
    return f"{ATTACKS[row['attack']].title}{limit}"


def _write_lowest(row: Row) -> str:
    return f"{format_percent('lowest')(row)} ({row['lowest_attack']}, of {row['attacks']})" if "lowest" in row else ""


def _write_valid(row: Row) -> str:
    return f"{format_percent('valid')(row)} of {row['judged']}" if row["judged"] else "–"


_COLUMNS: Columns = {
    "Model": name_column("model"),
    "Attack": _name_attack,
    "Preset": lambda row: row["preset"] or "other values",
    "Clean %": format_percent("clean"),
    "Attacked %": format_percent("attacked"),
    "Lowest %": _write_lowest,
    "Certified %": format_percent("certified"),
    "Valid %": _write_valid,
    "τ IG": format_number("tau_ig"),
    "Top-5 IG": format_number("top_5_ig"),
    "τ LIME": format_number("tau_lime"),
    "n": name_column("n"),
    "Seeds": lambda row: ", ".join(map(str, row["seeds"])),
    "†": name_column("†"),
}
_NOTES = (
    "± is one standard error. Clean: accuracy on the same texts and trainings before the attack. Lowest: over the "
    "attacks measured under the preset, of so many; which texts each flips is not stored, so the true worst case is at "
    "most this. The attack ensemble measures it for five attacks.",
    "Certified: right, and provably not flipped by any number of swaps of the set that TextFooler and PWWS take words "
    "from. Valid: of so many flips that somebody judged, those whose label is kept in the eyes of most judges; – where "
    "nobody judged any. Commands and claims: --json.",
)
