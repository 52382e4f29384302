"""The papers' tables: `reproduce` and `table`."""

import json
from typing import Annotated

import typer
from rich.console import Console

from robust_core.claims.files import write_claim
from robust_core.cli.options import Device, Exactness, Json, catch_interrupt, keep_stdout, read_precision
from robust_core.cli.output import Row
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.train import tell
from robust_core.errors import BadInput
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments import readme as tables
from robust_core.experiments.base import Options
from robust_core.files import check_path, check_target
from robust_core.jobs import progress
from robust_core.store import ResultStore, to_finite


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
                  "--plan", help="Print the trainings it needs, for train --plan, and end.")] = False,
              out: Annotated[str | None, typer.Option(
                  "--out", help="Folder for the claims, each written once it is measured: results, say.")] = None,
              device: Device = "auto", as_json: Json = False) -> None:
    """Repeat an experiment of a paper and print its table; what has been computed before is not computed again."""
    with keep_stdout(), catch_interrupt() as stop:
        experiment = EXPERIMENTS[name]()
        options = Options(
            seeds, tuple(model or ()), tuple(attack or ()), n, data_dir, read_precision(precision), device, train
        )
        target = None if out is None else check_target(check_path(out, "folder of claims"))
        wanted = experiment.plan(options) if plan else []
        made: list[Row] = []
        with progress.watch(Console(stderr=True)) as show:
            for event in () if plan else experiment.run(options, ResultStore(), stop):
                if event.kind == "claim":
                    made.append(dict(event.data))
                    if target is not None:
                        write_claim(target / experiment.file(made[-1]), **made[-1])
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                elif event.kind == "training":
                    tell(event.victim, event.data)
                show(event)
    if plan:
        typer.echo(json.dumps(wanted, indent=1))
        raise typer.Exit(0)
    if as_json:
        typer.echo(json.dumps({"results": to_finite([claim["details"] for claim in made])}, allow_nan=False))
    else:
        typer.echo(experiment.table(made))
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


@app.command()
def table(write: Annotated[bool, typer.Option("--write", help="Bring both pages up to date.")] = False,
          check: Annotated[bool, typer.Option("--check", help="Fail if one is out of date.")] = False) -> None:
    """Make the tables of README.md and docs/results.md from results/, or check them."""
    if write == check:
        raise BadInput("Choose one of --write and --check.")
    names = [page.name for page in (tables.write_pages() if write else tables.find_stale())]
    if check and names:
        raise BadInput(f"Out of date: {', '.join(names)}. Run python -m robust_core table --write.")
    typer.echo(f"Brought up to date: {', '.join(names)}." if names else "The tables agree with results/.")
