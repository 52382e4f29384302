"""Whole data sets and papers: evaluate, reproduce and table."""

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from robust_core import datasets
from robust_core.cli.options import (
    INTERRUPTED,
    Device,
    Exactness,
    Json,
    MaxQueries,
    Models,
    Seed,
    Settings,
    TimeLimit,
    app,
    interruptible,
    load_models,
    methods_of,
    precision_of,
    reader_of,
    stdout_kept,
)
from robust_core.cli.output import Row, parameters_text, show_evaluation
from robust_core.cli.train import tell
from robust_core.errors import BadInput
from robust_core.store import ResultStore, export_claim, finite


@app.command()
def evaluate(model: Models,
             dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set.")],
             split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
             attack: Annotated[list[str] | None, typer.Option("--attack", help="Attack; may be repeated.")] = None,
             explain: Annotated[str, typer.Option("--explain", help="Explainers, with commas between.")] = "",
             transfer: Annotated[bool, typer.Option("--transfer", help="Judge texts by the other models.")] = False,
             fluency: Annotated[bool, typer.Option(
                 "--fluency", help="Measure how much less fluent successes are; takes time.")] = False,
             n: Annotated[int | None, typer.Option("--n", min=1, help="Examples drawn; all by default.")] = None,
             seed: Seed = 0,
             data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
             max_queries: MaxQueries = None, time_limit: TimeLimit = None, settings: Settings = None,
             precision: Exactness = "exact",
             out: Annotated[str | None, typer.Option("--out", help="Write claims: FILE.json or a folder.")] = None,
             device: Device = "auto", as_json: Json = False) -> None:
    """Measure accuracy, attacks and the stability of explanations on a data set; a killed run goes on where it was."""
    from rich.console import Console

    from robust_core.attacks import ATTACKS
    from robust_core.evaluation.evaluate import evaluate as measure
    from robust_core.jobs import progress

    explainers = [name.strip() for name in explain.split(",") if name.strip()]
    single = out is not None and out.endswith(".json")
    if single and (len(model) > 1 or len(attack or ()) > 1 or explainers or transfer):
        raise BadInput("--out FILE.json takes one row; name a folder for more.")
    rows: list[Row] = []
    with stdout_kept(), interruptible() as stop:
        exactness = precision_of(precision)
        limits = {"max_queries": max_queries, "time_limit": time_limit}
        attacks = methods_of(ATTACKS, attack or [], settings, **limits)
        shown = []
        if explainers:
            from robust_core.explainers import EXPLAINERS

            shown = methods_of(EXPLAINERS, explainers, None)
        datasets.find(dataset, split, data_dir)
        events = measure(load_models(model, device), dataset, split, attacks, n=n, seed=seed, data_dir=data_dir,
                         store=ResultStore(), explain=shown, transfer=transfer, stop=stop, precision=exactness,
                         reader=reader_of(device) if fluency else None)
        with progress.watch(Console(stderr=True)) as show:
            for event in events:
                if event.kind == "row":
                    rows.append(dict(event.data))
                show(event)
    if out is not None and not stop.is_set():
        for row in rows:
            _claim(row, Path(out) if single else Path(out) / _claim_name(row), n)
    notes = [*sorted({parameters_text(r["parameters"]) for r in rows if r["parameters"]}),
             *dict.fromkeys(f"{r.get('adversarial_from', r['model'])}: {w}" for r in rows for w in r["warnings"])]
    show_evaluation(rows, as_json, notes)
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


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
    from rich.console import Console

    from robust_core.experiments import EXPERIMENTS, Options
    from robust_core.jobs import progress

    with stdout_kept(), interruptible() as stop:
        experiment = EXPERIMENTS[name]()
        options = Options(seeds, tuple(model or ()), tuple(attack or ()), n, data_dir, precision_of(precision), device,
                          train)
        wanted = experiment.plan(options) if plan else []
        made: list[Row] = []
        with progress.watch(Console(stderr=True)) as show:
            for event in () if plan else experiment.run(options, ResultStore(), stop):
                if event.kind == "claim":
                    made.append(dict(event.data))
                    if out is not None:
                        export_claim(Path(out) / experiment.file(made[-1]), **made[-1])
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                elif event.kind == "training":
                    tell(event.victim, event.data)
                show(event)
    if plan:
        typer.echo(json.dumps(wanted, indent=1))
        raise typer.Exit(0)
    if as_json:
        typer.echo(json.dumps({"results": finite([claim["details"] for claim in made])}, allow_nan=False))
    else:
        typer.echo(experiment.table(made))
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


@app.command()
def table(write: Annotated[bool, typer.Option("--write", help="Bring both pages up to date.")] = False,
          check: Annotated[bool, typer.Option("--check", help="Fail if one is out of date.")] = False) -> None:
    """Make the tables of README.md and docs/results.md from results/, or check them."""
    from robust_core.experiments import readme as tables

    if write == check:
        raise BadInput("Choose one of --write and --check.")
    names = [page.name for page in (tables.write() if write else tables.stale())]
    if check and names:
        raise BadInput(f"Out of date: {', '.join(names)}. Run python -m robust_core table --write.")
    typer.echo(f"Brought up to date: {', '.join(names)}." if names else "The tables agree with results/.")


def _claim_name(row: Row) -> str:
    parts = [row["model"], row["dataset"], row["split"], row["attack"] or "clean"]
    parts += [row[name] for name in ("adversarial_from", "explain", "pairs") if name in row]
    return "-".join("".join(c if c.isalnum() or c in "@_" else "-" for c in part) for part in parts) + ".json"


def _claim(row: Row, path: Path, n: int | None) -> None:
    source = row.get("adversarial_from")
    metric = ("accuracy_under_transfer" if source else "kendall_tau" if "explain" in row else
              "accuracy_under_attack" if row["attack"] else "accuracy")
    words = ["python", "-m", "robust_core", "evaluate", "--model", row["model"]]
    words += ["--model", source, "--transfer"] if source else []
    words += ["--dataset", row["dataset"], "--split", row["split"], "--seed", str(row["seed"])]
    words += ["--n", str(n)] if n is not None else []
    words += ["--attack", row["attack"]] if row["attack"] else []
    words += ["--explain", row["explain"]] if "explain" in row else []
    words += ["--fluency"] if "perplexity_ratio" in row else []
    for name, value in row["parameters"].items():
        words += ["--set", f"{name}={value}"] if name != "name" else []
    what = f"{metric} of {row['model']} on {row['dataset']}/{row['split']}"
    what += f" with {row['attack']}" if row["attack"] else ""
    what += f" against {source}" if source else ""
    what += f", {row['explain']} on {row['pairs']} pairs" if "explain" in row else ""
    export_claim(path, claim=what, command=shlex.join(words), run=row["run"], n=row["n"], seeds=[row["seed"]],
                 metric=metric, value=row[metric], value_se=row[f"{metric}_se"], thresholds=row["parameters"],
                 details=row)
