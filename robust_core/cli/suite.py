"""A verdict for CI: `test` holds a model to the limits of a suite, and fails only where a confidence bound says so."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from robust_core import uploads
from robust_core.cli.data_files import Header, LabelColumn, LabelMap, TextColumn, read_data_file, tell_data_file
from robust_core.cli.options import Device, Json, catch_interrupt, keep_stdout, load_models
from robust_core.cli.output import Columns, Row, name_column, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.errors import BadInput
from robust_core.files import check_path, check_target_file, write_file
from robust_core.jobs import progress
from robust_core.runs import shows_weights
from robust_core.store import ResultStore
from robust_core.suite.bounds import CLOSE, FAILS, PASSES
from robust_core.suite.junit import write_junit
from robust_core.suite.last_run import compare, find_file, read_last, write_last
from robust_core.suite.reader import Suite, read_suite
from robust_core.suite.running import NOT_TESTED, Finding, run_suite
from robust_core.suite.subject import Subject
from robust_core.suite.wording import describe_change, describe_finding, write_value


@app.command()
def test(model: Annotated[str, typer.Argument(
            metavar="[MODEL]", help="Model id or folder; the suite's own by default.")] = "",
         suite: Annotated[str, typer.Option("--suite", help="TOML file of limits: docs/ci.md.")] = "suite.toml",
         data: Annotated[str, typer.Option(
             "--data", help="CSV, TSV, JSONL or JSON file of labelled texts; the suite's own by default.")] = "",
         text: TextColumn = "", label: LabelColumn = "", mapping: LabelMap = None, header: Header = None,
         minutes: Annotated[float | None, typer.Option(
             "--minutes", min=0.01, max=10_000, help="Time for all limits; the suite's own, or 5, by default.")] = None,
         strict: Annotated[bool, typer.Option(
             "--strict", help="Exit code 1 as well for what is too close to call or could not be tested.")] = False,
         junit: Annotated[str, typer.Option("--junit", help="Write JUnit XML to this file.")] = "",
         last: Annotated[str, typer.Option(
             "--last", help="File with the last run to compare with, written anew; kept with the results by default."
         )] = "",
         device: Device = "auto", as_json: Json = False) -> None:
    """Hold a model to the limits of a suite; exit code 1 only where a confidence bound says that it breaks one.

    Each limit is looked at until it is decided, or texts or time are over. What is stored is not computed again.
    """
    began = time.monotonic()
    target = check_target_file(check_path(junit, "file for JUnit XML")) if junit else None
    kept = check_target_file(check_path(last, "file of the last run")) if last else None
    before = read_last(kept) if kept is not None else None
    read = read_suite(check_path(suite, "suite"))
    findings: list[Finding] = []
    with keep_stdout(), catch_interrupt() as stop, open_subject(
            read, model, data, (text, label, mapping, header), device) as subject:
        if kept is None:
            kept = find_file(read, subject)
            before = read_last(kept)
        seconds = 60 * (read.settings.minutes if minutes is None else minutes)
        with progress.show_progress(Console(stderr=True)) as show:
            # Opening the model is a part of what somebody waits for.
            for event in run_suite(read, subject, seconds - (time.monotonic() - began), stop):
                if event.kind == "finding":
                    findings.append(event.data["finding"])
                show(event)
        rows = [describe_row(finding, compare(finding, before, subject)) for finding in findings]
        if not stop.is_set():
            write_last(kept, findings, subject)
        name = subject.model.id
    if target is not None:
        write_file(target, write_junit(read.path.stem, name, rows, strict))
    show_rows([{"model": name, **row} for row in rows], as_json, _COLUMNS, _list_notes(rows, strict))
    raise typer.Exit(INTERRUPTED if stop.is_set() else int(is_failure(rows, strict)))


@contextmanager
def open_subject(suite: Suite, model: str, data: str, columns: tuple[str, str, Sequence[str] | None, bool | None],
                 device: str) -> Iterator[Subject]:
    """Open the model and the file of texts of a suite.

    Args:
        suite: The suite.
        model: Id or folder; empty for the suite's own.
        data: File of labelled texts; empty for the suite's own.
        columns: Column of the texts, column of the labels, names of labels and whether there is a header, as of
            `read_data_file`.
        device: Where the model runs.

    Raises:
        RobustError: One of them is not named, not there, or does not fit the other.
    """
    settings, (text, label, mapping, header) = suite.settings, columns
    if not (model or settings.model):
        raise BadInput("Which model? Name it, or give the suite a table [suite] with model.")
    if not (data or settings.data):
        raise BadInput("Which texts? Name a file with --data, or give the suite a table [suite] with data.")
    path = check_path(data, "file of texts") if data else suite.path.parent / check_path(settings.data, "file of texts")
    file = read_data_file(path, text or settings.text, label or settings.label,
                          mapping or [f"{value}={name}" for value, name in settings.map.items()], header)
    labelled = uploads.label_rows(file.table, file.text, file.label, file.names)
    found, = load_models([model or settings.model], device)
    texts = uploads.match_labels(labelled, found.labels, uploads.make_plain_name(file.path.name))
    tell_data_file(file, labelled)
    with tempfile.TemporaryDirectory() as folder:
        # What shows no weights may be another model tomorrow, under the same id: nothing of it is kept.
        store = ResultStore() if shows_weights(found) else ResultStore(Path(folder))
        try:
            yield Subject(found, texts, store, settings.seed)
        finally:
            store.close()


def describe_row(finding: Finding, changes: Row) -> Row:
    """Return a finding as plain data, with what has changed and `line`, all of it in a sentence or two."""
    row = finding.describe()
    return row | changes | {"line": describe_finding(row)}


def is_failure(rows: Sequence[Row], strict: bool) -> bool:
    """Return whether a limit is broken; strictly, whether any is not shown to be kept."""
    return any(row["verdict"] == FAILS or strict and row["verdict"] != PASSES for row in rows)


def _list_notes(rows: Sequence[Row], strict: bool) -> list[str]:
    notes = []
    for row in rows:
        if row["verdict"] == FAILS:
            notes += [row["line"], *(f"  {failure}" for failure in row["failures"])]
        elif row["verdict"] in (CLOSE, NOT_TESTED):
            notes.append(f"{'Strict' if strict else 'Warning'}: {row['line']}")
    counts = [(sum(row["verdict"] == verdict for row in rows), verdict) for verdict in (
        PASSES, FAILS, CLOSE, NOT_TESTED)]
    said = ", ".join(f"{count} {verdict}" for count, verdict in counts if count)
    return [*notes, f"{said}. {'The model breaks the suite.' if is_failure(rows, strict) else 'The suite holds.'}"]


def _format(name: str) -> Any:  # noqa: ANN401 (a cell of a table)
    return lambda row: write_value(row, row[name])


_COLUMNS: Columns = {
    "Limit": name_column("check"), "At least": _format("at_least"), "Measured": lambda row: (
        write_value(row, row["measured"]) if row["n"] else ""),
    "Between": lambda row: f"{write_value(row, row['low'])} – {write_value(row, row['high'])}" if (
        row["n"] and row["high"] > row["low"]) else "",
    "Texts": lambda row: f"{row['n']:,} of {row['of']:,}", "Seconds": lambda row: f"{row['seconds']:.1f}",
    "Verdict": name_column("verdict"), "Since the last run": describe_change,
}
