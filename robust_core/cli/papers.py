"""The papers' tables: `reproduce` and `table`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from robust_core.claims.files import write_claim
from robust_core.cli.options import Device, Exactness, Json, Workers, catch_interrupt, keep_stdout, read_precision
from robust_core.cli.output import Row
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.train import tell
from robust_core.errors import LONGEST_MESSAGE, BadInput, shorten
from robust_core.experiments import EXPERIMENTS, evidence, readme
from robust_core.experiments.base import Options
from robust_core.experiments.freeze import find_freeze
from robust_core.files import check_path, check_target
from robust_core.jobs import progress
from robust_core.records import to_finite
from robust_core.store import ResultStore


@app.command()
def reproduce(name: Annotated[str, typer.Argument(help="Name of the experiment, such as flat/table4.")],
              seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each model: seeds 0, 1, …")] = 1,
              model: Annotated[list[str] | None, typer.Option("--model", help="Only this model; repeatable.")] = None,
              attack: Annotated[list[str] | None, typer.Option("--attack", help="Only this one; repeatable.")] = None,
              n: Annotated[int | None, typer.Option("--n", min=1, help="At most so many examples a cell.")] = None,
              data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
              precision: Exactness = "exact",
              train: Annotated[bool, typer.Option("--train", help="Train the models that are not here.")] = False,
              plan: Annotated[bool, typer.Option(
                  "--plan", help="Print what it needs, and end: trainings for train --plan, or cells.")] = False,
              out: Annotated[str | None, typer.Option(
                  "--out", help="Folder for the claims, each written once it is measured: results, say.")] = None,
              freeze: Annotated[str, typer.Option(
                  "--freeze", help="Entry of docs/freeze.md that the claims follow: its date.")] = "",
              workers: Workers = None, device: Device = "auto", as_json: Json = False) -> None:
    """Repeat an experiment of a paper and print its table; what has been computed before is not computed again."""
    with keep_stdout(), catch_interrupt() as stop:
        experiment = EXPERIMENTS[name]()
        options = Options(
            seeds, tuple(model or ()), tuple(attack or ()), n, data_dir, read_precision(precision), device, train,
            workers or 1
        )
        target = None if out is None else check_target(check_path(out, "folder of claims"))
        entry = find_freeze(freeze, target)
        wanted = experiment.write_plan(options, as_json) if plan else ""
        made: list[Row] = []
        missing: list[str] = []
        with progress.show_progress(Console(stderr=True)) as show:
            for event in () if plan else experiment.run(options, ResultStore(), stop):
                if event.kind == "claim":
                    made.append({**event.data, "freeze": entry})
                    if target is not None:
                        try:
                            write_claim(target / experiment.file(made[-1]), **made[-1])
                        except BadInput as error:
                            missing.append(str(error))
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                elif event.kind == "missing":
                    missing.append(str(event.data["message"]))
                elif event.kind == "training":
                    tell(event.victim, event.data)
                show(event)
    if plan:
        typer.echo(wanted)
        raise typer.Exit(0)
    if as_json:
        typer.echo(json.dumps({"results": to_finite([claim["details"] for claim in made])}, allow_nan=False))
    elif made:
        typer.echo(experiment.show(made))
    for message in missing:
        typer.echo(message, err=True)
    raise typer.Exit(INTERRUPTED if stop.is_set() else 2 if missing else 0)


@app.command()
def table(write: Annotated[bool, typer.Option("--write", help="Bring the pages and the index up to date.")] = False,
          check: Annotated[bool, typer.Option("--check", help="Fail where something does not agree.")] = False) -> None:
    """Make the tables and figures of README.md and docs/ from results/, or check them and every claim."""
    if write == check:
        raise BadInput("Choose one of --write and --check.")
    if check:
        problems = evidence.list_problems()
        for problem in problems:
            typer.echo(shorten(problem, LONGEST_MESSAGE), err=True)
        if problems:
            raise BadInput(f"{len(problems):,} of the claims, tables and figures do not agree.")
        typer.echo("Every claim agrees with its rows, with what it rests on and with the pages.")
        return
    evidence.write_index()
    names = [page.name for page in readme.write_pages()]
    typer.echo(f"Brought up to date: {', '.join(names)}." if names else "The pages agree with results/.")
