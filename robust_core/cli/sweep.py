"""Sweeps: `sweep PLAN` computes what a plan lacks, `sweep merge` takes over what parts of it have computed."""

import threading
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from robust_core.claims.files import read_claims
from robust_core.cli.options import Device, Json, Workers, catch_interrupt, keep_stdout
from robust_core.cli.output import Columns, Row, format_parameters, name_column, show_evaluation, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.errors import BadInput, quote
from robust_core.events import Event
from robust_core.experiments.own.hours import estimate_hours, read_paces
from robust_core.files import check_path, check_target
from robust_core.jobs import progress
from robust_core.registry import to_record
from robust_core.store import ResultStore
from robust_core.sweep.cluster import Cluster
from robust_core.sweep.executor import Executor
from robust_core.sweep.fill import fill_store
from robust_core.sweep.merge import merge_stores
from robust_core.sweep.plan import Combination, read_plan
from robust_core.sweep.rows import measure_rows
from robust_core.sweep.shards import Part, count_unexplained
from robust_core.sweep.tasks import Task, count_stored, plan_tasks

_MERGE = "merge"
_MOST_PARTS, _MOST_THREADS = 100_000, 256


@app.command()
def sweep(plan_file: Annotated[str, typer.Argument(metavar="PLAN", help="JSON file of the plan; or merge.")],
          folders: Annotated[list[str] | None, typer.Argument(
              metavar="[DIR]...", help="merge: folders that parts of a sweep have written.")] = None,
          plan: Annotated[bool, typer.Option("--plan", help="Print what is missing, with hours, and end.")] = False,
          workers: Workers = None,
          threads: Annotated[int, typer.Option(
              "--threads", min=1, max=_MOST_THREADS, help="Threads of each worker.")] = 1,
          cluster: Annotated[str, typer.Option(
              "--cluster", help="Work on a Ray cluster: auto, or the address of its head.")] = "",
          shard: Annotated[str, typer.Option("--shard", help="Do only part i of n: i/n; needs --out.")] = "",
          out: Annotated[str | None, typer.Option("--out", help="Folder for the results of a part.")] = None,
          data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
          device: Device = "auto", as_json: Json = False) -> None:
    """Attack many models in many ways by several workers; what is stored is not computed again.

    A plan has models, attacks, presets, data, explainers and seeds: docs/scale.md. Run it again after a change, and it
    does what is new. `merge DIR...` takes what `--shard i/n --out DIR` has computed into the store.
    """
    if plan_file == _MERGE:
        _merge(folders or [], as_json)
        return
    if folders:
        raise BadInput("A sweep has one plan; folders belong to sweep merge.")
    part, target = _read_part(shard), None
    if bool(shard) != (out is not None):
        raise BadInput("--shard i/n and --out DIR belong together: each part has a folder of its own.")
    if out is not None:
        target = check_target(check_path(out, "folder of a part's results"))
    combinations = read_plan(check_path(plan_file, "plan"))
    rows: list[Row] = []
    with keep_stdout(), catch_interrupt() as stop:
        tasks = plan_tasks(combinations, device, data_dir)
        store = ResultStore(target)
        if not plan:
            rows = _sweep(combinations, tasks, store, stop, part, {
                "workers": workers, "threads": threads, "device": device, "cluster": cluster, "data_dir": data_dir})
        counts = _count(tasks, store)
    if plan:
        _show_plan(counts, tasks, combinations, store, as_json)
    elif part is not None or stop.is_set():
        done, total = (sum(row[name] for row in counts) for name in ("stored", "n"))
        of = f"{total:,}" if part is None else f"the plan's {total:,}"
        show_rows([row for row in counts if row["stored"] or part is None], as_json, _COUNTS, [
            f"{done:,} of {of} results are in {quote(str(store.folder))}." + (
                " The same command goes on from here." if stop.is_set() else "")])
    else:
        show_evaluation(rows, as_json, sorted({format_parameters(row["parameters"]) for row in rows}))
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


def _sweep(plan: Sequence[Combination], tasks: Sequence[Task], store: ResultStore, stop: threading.Event,
           part: Part | None, given: dict[str, Any]) -> list[Row]:
    """Fill the store, then return the rows; none of a part, or where somebody stopped it."""
    workers, device, executor = given["workers"], given["device"], None
    if given["cluster"]:
        executor = Cluster(given["cluster"], workers, device=device, threads=given["threads"])
    rows: list[Row] = []
    with progress.show_progress(Console(stderr=True)) as show:
        for event in _list_events(plan, tasks, store, stop, part, executor, given):
            if event.kind == "row":
                rows.append(dict(event.data))
            elif event.kind == "error":
                typer.echo(f"{event.uid} on {event.victim}: {event.data['message']}", err=True)
            show(event)
    return rows


def _list_events(plan: Sequence[Combination], tasks: Sequence[Task], store: ResultStore, stop: threading.Event,
                 part: Part | None, executor: Executor | None, given: dict[str, Any]) -> Iterator[Event]:
    yield from fill_store(tasks, store, stop, workers=given["workers"] or 1, device=given["device"],
                          threads=given["threads"], part=part, executor=executor)
    if part is None and not stop.is_set():
        yield from measure_rows(plan, store, stop, given["device"], given["data_dir"])


def _read_part(shard: str) -> Part | None:
    if not shard:
        return None
    number, _, of = shard.partition("/")
    digits = len(str(_MOST_PARTS))
    if not all(text.isascii() and text.isdecimal() and len(text) <= digits for text in (number, of)) or not (
            1 <= int(number) <= int(of) <= _MOST_PARTS):
        raise BadInput(f"--shard is i/n with 1 <= i <= n <= {_MOST_PARTS:,}, such as 1/8, not {quote(shard)}.")
    return Part(int(number), int(of))


def _merge(folders: Sequence[str], as_json: bool) -> None:
    if not folders:
        raise BadInput("Name the folders to merge: sweep merge DIR…")
    merged = merge_stores([check_path(folder, "folder of results") for folder in folders], ResultStore())
    show_rows([one._asdict() for one in merged], as_json, _MERGED)


def _count(tasks: Sequence[Task], store: ResultStore) -> list[Row]:
    return [{"model": task.victim.id, "attack": task.attack.name, "parameters": to_record(task.attack),
             "dataset": task.run.data["dataset"], "split": task.run.data["split"], "seed": task.run.seed,
             "n": len(task.examples), "stored": count_stored(task, store)} for task in tasks]


def _show_plan(counts: Sequence[Row], tasks: Sequence[Task], plan: Sequence[Combination], store: ResultStore,
               as_json: bool) -> None:
    paces, rows = read_paces(read_claims(skip_damaged=True)), []
    for row, task, one in zip(counts, tasks, plan, strict=True):
        missing, unexplained = row["n"] - row["stored"], count_unexplained(task, store)
        if missing or unexplained:
            hours = estimate_hours(row["model"], row["attack"], one.preset, missing, paces, unexplained)
            rows.append(row | {"preset": one.preset, "explain": [explainer.name for explainer in one.explainers],
                               "missing": missing, "unexplained": unexplained, "hours": hours})
    hours = sum(row["hours"] for row in rows)
    show_rows(rows, as_json, _PLAN, [
        f"{sum(row['missing'] for row in rows):,} of {sum(row['n'] for row in counts):,} results are missing: about "
        f"{hours:.2g} hours of two cores, for texts as long as SST-2's sentences."])


_COUNTS: Columns = {"Model": name_column("model"), "Attack": name_column("attack"), "Data": name_column("dataset"),
                    "Split": name_column("split"), "Seed": name_column("seed"), "Stored": name_column("stored"),
                    "Of": name_column("n")}
_PLAN: Columns = {"Model": name_column("model"), "Attack": name_column("attack"), "Preset": name_column("preset"),
                  "Data": name_column("dataset"), "Split": name_column("split"), "Seed": name_column("seed"),
                  "Of": name_column("n"), "Missing": name_column("missing"), "To explain": name_column("unexplained"),
                  "Hours": lambda row: f"{row['hours']:.2g}"}
_MERGED: Columns = {"Folder": name_column("folder"), "Runs": name_column("runs"), "Results": name_column("results"),
                    "New": name_column("new"), "Comparisons": name_column("comparisons")}
