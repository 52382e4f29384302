"""Guards in front of a model: guard."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from robust_core.cli.options import (
    Device,
    Exactness,
    Json,
    MaxQueries,
    Preset,
    Seed,
    Settings,
    Swaps,
    TimeLimit,
    catch_interrupt,
    keep_stdout,
    load_models,
    make_attacks,
    make_methods,
    read_precision,
)
from robust_core.cli.output import Columns, Row, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.victims import MaxCalls, MaxCost, limit_victims
from robust_core.evaluation.guards import evaluate_guards
from robust_core.guards import GUARDS
from robust_core.jobs import progress
from robust_core.store import ResultStore


@app.command()
def guard(model: Annotated[str, typer.Argument(help="Model id or folder, or a victim elsewhere.")],
          guards: Annotated[list[str], typer.Option(
              "--guard", help="Guard, in the order in which texts pass them: docs/guards.md; repeatable.")],
          dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set.")],
          split: Annotated[str, typer.Option("--split", help="Where the measured texts are from.")] = "dev",
          attack: Annotated[list[str] | None, typer.Option("--attack", help="Attack; may be repeated.")] = None,
          n: Annotated[int | None, typer.Option("--n", min=1, help="Examples drawn; all by default.")] = None,
          guard_settings: Annotated[list[str] | None, typer.Option(
              "--guard-set", help="Parameter of the guards: name=value; repeatable.")] = None,
          seed: Seed = 0,
          data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
          preset: Preset = "paper", max_queries: MaxQueries = None, time_limit: TimeLimit = None,
          settings: Settings = None, swaps: Swaps = "", max_calls: MaxCalls = None, max_cost: MaxCost = None,
          precision: Exactness = "exact", device: Device = "auto", as_json: Json = False) -> None:
    """Measure guards in front of a model: attacks that know of them and not, what is caught, false alarms.

    Thresholds are chosen on dev texts that are not measured. A killed run goes on where it was.
    """
    rows: list[Row] = []
    with keep_stdout(), catch_interrupt() as stop, limit_victims(max_calls, max_cost, stop) as ceilings:
        exactness = read_precision(precision)
        made = make_methods(GUARDS, guards, guard_settings)
        attacks = make_attacks(attack or [], settings, preset, swaps, max_queries=max_queries, time_limit=time_limit)
        victim, = load_models([model], device, ceilings)
        with progress.show_progress(Console(stderr=True)) as show:
            for event in evaluate_guards(victim, made, dataset, split, attacks, n=n, seed=seed, data_dir=data_dir,
                                         store=ResultStore(), stop=stop, precision=exactness):
                if event.kind == "row":
                    rows.append(dict(event.data))
                show(event)
        ceilings.tell_reached()
    if as_json:
        show_rows(rows, True, {})
    else:
        show_rows(rows[:1], False, _CLEAN, _describe_guards(rows[0]["guards"]))
        if rows[1:]:
            show_rows(rows[1:], False, _ATTACKED, [_MEANING])
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


def _describe_guards(guards: Sequence[dict[str, Any]]) -> list[str]:
    """Return a line for each guard: its parameters, and what was chosen on clean texts."""
    lines = []
    for each in guards:
        values = {name: value for name, value in each.items() if name not in ("name", "thresholds")}
        told = ", ".join(f"{name} {value}" for name, value in values.items())
        chosen = ", ".join(f"{name} {value:.4g}" for name, value in each["thresholds"].items())
        lines.append(f"{each['name']}: {told or 'no parameters'}" + (f"; chosen on clean dev texts: {chosen}" if chosen
                                                                     else ""))
    return lines


_MEANING = ("Replayed: the same texts, made without knowing of the guards. Through: the attack sees the guarded "
            "model's answers. A flagged text is no success. Flagged, put right and bypassed: shares of the texts that "
            "fooled the model alone.")

_CLEAN: Columns = {
    "Model": name_column("guarded"), "Texts": name_column("n"), "False alarms %": format_percent("flagged"),
    "Texts changed %": format_percent("changed"), "Accuracy %": format_percent("accuracy"),
    "Guarded %": format_percent("guarded_accuracy"), "Lost %": format_percent("accuracy_lost"),
}

_ATTACKED: Columns = {
    "Attack": name_column("attack"), "Tried": name_column("n"), "Success %": format_percent("success"),
    "Replayed %": format_percent("replayed"), "Tried through": name_column("n_through"),
    "Through %": format_percent("through"), "Adversarial": name_column("adversarial"),
    "Flagged %": format_percent("flagged"), "Put right %": format_percent("put_right"),
    "Bypassed %": format_percent("bypassed"), "Queries": format_number("queries"),
    "Queries through": format_number("queries_through"),
}
