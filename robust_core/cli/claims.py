"""Measured figures: `claims draw` measures some again, `claims drop` takes some out."""

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from robust_core.cli.program import app
from robust_core.errors import BadInput, quote
from robust_core.experiments import evidence
from robust_core.experiments.again import read_record
from robust_core.experiments.draw import DIFFERS, FAILED, draw_claims, measure_again, record_outcome
from robust_core.files import check_path
from robust_core.leaderboard.entries import read_board
from robust_core.records import to_finite

_MOST_DIGITS = 4


@app.command()
def claims(action: Annotated[str, typer.Argument(help="draw or drop.")],
           what: Annotated[list[str], typer.Argument(
               help="draw: how many, or names of files in results/; drop: names of files.")],
           seed: Annotated[str, typer.Option("--seed", help="Seed of the draw: a number or a word.")] = "0",
           most_seconds: Annotated[float | None, typer.Option(
               "--most-seconds", min=0, help="Draw only claims that take no longer than about this.")] = None,
           train: Annotated[bool, typer.Option("--train", help="Draw also claims that need a training first.")] = False,
           fresh: Annotated[bool, typer.Option("--fresh", help="Draw only what --record lacks.")] = False,
           leaderboard: Annotated[bool, typer.Option(
               "--leaderboard", help="Draw only claims that are the first source of a leaderboard's entry.")] = False,
           record: Annotated[str | None, typer.Option("--record", help="Add a line a claim to this TSV file.")] = None,
           data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
           as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a claim.")] = False) -> None:
    """Measure claims of results/ again, in an empty store (draw), or take some out (drop).

    Exit code 1 says that a figure differs from the stored one by more than its error, or could not be measured.
    """
    if action == "drop":
        evidence.drop_claims(what)
        return
    if action != "draw":
        raise BadInput(f"claims can draw or drop, not {quote(action)}.")
    path = None if record is None else check_path(record, "record")
    among = [entry.sources[0].file for entry in read_board().entries] if leaderboard else None
    names = _choose(what, seed, most_seconds, train, path if fresh else None, among)
    bad = 0
    for outcome in measure_again(names, data_dir):
        bad += outcome.verdict in (DIFFERS, FAILED)
        typer.echo(json.dumps(to_finite(dataclasses.asdict(outcome)), allow_nan=False) if as_json else (
            f"{outcome.name}: {outcome.verdict} ({outcome.stored:.6g} stored, {outcome.again:.6g} now, "
            f"{outcome.seconds:.0f} s)" + (f" {outcome.note}" if outcome.note else "")))
        if path is not None:
            record_outcome(outcome, path)
    raise typer.Exit(1 if bad else 0)


def _choose(what: list[str], seed: str, most_seconds: float | None, train: bool, known: Path | None,
            among: list[str] | None) -> list[str]:
    if not what[0].isdecimal():
        return what
    if len(what) > 1 or len(what[0]) > _MOST_DIGITS or not int(what[0]):
        raise BadInput("Give one number of claims to draw, from 1 to 9,999, or names of files.")
    skip = () if known is None else list(read_record(known))
    return draw_claims(int(what[0]), seed, most_seconds=most_seconds, train=train, skip=skip, among=among)
