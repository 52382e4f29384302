"""Classifiers: train."""

import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from robust_core import datasets, trainings, uploads
from robust_core.cli.data_files import Header, LabelColumn, LabelMap, TextColumn, read_data_file, tell_data_file
from robust_core.cli.options import Device, Json, Seed, catch_interrupt, keep_stdout, read_typed_settings
from robust_core.cli.output import format_percent, name_column, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.defences import DEFENCES
from robust_core.environment import process_rank
from robust_core.errors import BadInput
from robust_core.files import check_path, check_target
from robust_core.paths import own_checkpoints
from robust_core.records import to_finite
from robust_core.registry import parameters
from robust_core.resources.swap_sets import NAMES
from robust_core.table_files import KINDS
from robust_core.train.recipe import Recipe


@app.command()
def train(dataset: Annotated[str, typer.Option(
              "--dataset", help="Name of the data set, or a CSV, TSV, JSONL or JSON file of your own.")] = "",
          text: TextColumn = "", label: LabelColumn = "", mapping: LabelMap = None, header: Header = None,
          data_name: Annotated[str, typer.Option("--data-name", help="Name of the file's texts; the file's own.")] = "",
          architecture: Annotated[str, typer.Option(
              "--architecture", help="cnn, lstm, cnn-retrofitted, lstm-retrofitted, minilm, additive, or a Hugging "
                                     "Face id or folder.")] = "",
          defence: Annotated[str, typer.Option("--defence", help="Name of the defence.")] = "base",
          attack: Annotated[str, typer.Option("--attack", help="Attack that the defence trains against.")] = "",
          preset: Annotated[str, typer.Option("--preset", help="Named parameters: paper, as-released, …")] = "",
          name: Annotated[str, typer.Option("--name", help="Last part of the model's id.")] = "",
          seed: Seed = 0,
          rows: Annotated[int | None, typer.Option(
              "--rows", min=1, help="Training texts to draw, the same for every seed; all by default.")] = None,
          unlabelled: Annotated[str, typer.Option(
              "--unlabelled", help="File of texts without labels, one a line, to learn from as well.")] = "",
          teacher: Annotated[str, typer.Option("--teacher", help="Model that labels them.")] = "",
          swaps: Annotated[str, typer.Option(
              "--swaps", help="Certified training: careful, close, wide, or a JSON file, word to list of words, whose "
                              "worst case it learns from (set a).")] = "",
          settings: Annotated[list[str] | None, typer.Option(
              "--set", help="Parameter of the defence or part of the recipe: name=value; repeatable.")] = None,
          plan: Annotated[str | None, typer.Option(
              "--plan", help="JSON list of trainings; those that are there already are skipped.")] = None,
          resume: Annotated[bool, typer.Option("--resume", help="Go on where a killed training was.")] = False,
          data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
          out: Annotated[str | None, typer.Option("--out", help="Folder of checkpoints; runs/checkpoints.")] = None,
          claims: Annotated[str | None, typer.Option("--claims", help="Write a claim a training to a folder.")] = None,
          events: Annotated[bool, typer.Option("--events", help="Print each event as a line of JSON.")] = False,
          device: Device = "auto", as_json: Json = False) -> None:
    """Train classifiers, select the best epoch on dev, and store them; after Ctrl-C --resume goes on."""
    say = _make_teller(sys.stdout) if events else tell
    with keep_stdout(), catch_interrupt() as stop:
        if plan is not None and (dataset or architecture or rows or unlabelled or teacher or swaps):
            raise BadInput("A plan says itself what to train; leave --dataset, --architecture, --rows, --unlabelled, "
                           "--teacher and --swaps out.")
        if swaps:
            trainings.check_takes_swaps(DEFENCES[defence])
        process_rank()  # what accelerate says of the processes is read before anything is made
        root = check_target(check_path(out or own_checkpoints(), "folder of checkpoints"))
        claims_folder = None if claims is None else check_target(check_path(claims, "folder of claims"))
        values = {"dataset": _find_dataset(dataset, data_name, text, label, mapping, header),
                  "architecture": architecture, "defence": defence, "attack": attack, "preset": preset, "name": name,
                  "seed": seed}
        settings = [*(settings or ()), *(f"{name}={value}" for name, value in (
            ("rows", rows), ("unlabelled", unlabelled), ("teacher", teacher),
            ("swaps" if swaps in NAMES else "swap_file", swaps)) if value)]
        orders = (trainings.read_plan(check_path(plan, "plan"), data_dir) if plan is not None else
                  [trainings.parse_spec(values | {"set": _read_settings(defence, settings)}, data_dir)])
        for wanted in orders:
            datasets.find(wanted.dataset, "train", data_dir)
        made = []
        for wanted in orders:
            row = trainings.is_done(wanted, root) if plan is not None else None
            if row is not None:
                typer.echo(f"{wanted.id}: is there already", err=True)
                made.append(row)
                continue
            with contextlib.closing(trainings.run_training(wanted, root, device=device, data_dir=data_dir,
                                                           resume=resume or bool(plan))) as running:
                for event in running:
                    say(wanted.id, event)
                    if event["kind"] == "stored":
                        made.append(event["row"])
                        if claims_folder is not None:
                            trainings.write_dev_claim(event["card"], claims_folder)
                    elif stop.is_set():
                        typer.echo(f"{wanted.id}: stopped; --resume goes on from here", err=True)
                        raise typer.Exit(INTERRUPTED)
    if trainings.is_first_process() and not events:
        show_rows(
            made,
            as_json,
            {
                "Model": name_column("model"),
                "Accuracy on dev": format_percent("dev_accuracy"),
                "Epoch": name_column("epochs"),
                "Seconds": name_column("seconds"),
                "Stored in": name_column("path"),
            },
        )


def _find_dataset(given: str, name: str, text: str, label: str, mapping: Sequence[str] | None, header: bool | None
                  ) -> str:
    """Return the name of a data set; a file becomes one, by its columns that are named or look like the right ones."""
    path = check_path(given, "data set") if given else Path()
    if path.suffix[1:].lower() not in KINDS:
        if name or text or label or mapping or header is not None:
            raise BadInput("--text, --label, --map, --header and --data-name are about a file: name it by --dataset.")
        return given
    file = read_data_file(path, text, label, mapping, header)
    labelled = uploads.label_rows(file.table, file.text, file.label, file.names)
    stored = uploads.add_dataset(name or uploads.make_plain_name(path.name), file.table, file.text, file.label,
                                 file.names).name
    tell_data_file(file, labelled, f"; stored as the data set {stored}")
    return stored


def _read_settings(defence: str, settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings by the types of the defence's parameters and the recipe's."""
    return read_typed_settings(
        {p.name: p.type for cls in (Recipe, DEFENCES[defence]) for p in parameters(cls)}, settings
    )


def _make_teller(out: TextIO) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a function that writes an event as a line of JSON, for a program that watches."""
    def tell(model: str, event: Mapping[str, Any]) -> None:
        plain = {name: value for name, value in event.items() if name != "card"}
        print(json.dumps(to_finite(plain | {"model": model})), file=out, flush=True)  # noqa: T201 (the command's answer)

    return tell


def tell(model: str, event: Mapping[str, Any]) -> None:
    """Say on stderr how a training goes on."""
    if process_rank() != 0:
        return
    if event["kind"] == "overlap":
        typer.echo(f"{model}: {event['message']}", err=True)
    elif event["kind"] == "teacher" and event["done"] == event["total"]:
        typer.echo(f"{model}: {event['total']:,} texts labelled by the teacher", err=True)
    elif event["kind"] == "epoch":
        terms = "".join(f", {name} {value:.4f}" for name, value in event["terms"].items() if name != "loss")
        typer.echo(f"{model}: epoch {event['epoch']} of {event['epochs']}: loss {event['loss']:.4f}{terms}, accuracy "
                   f"on dev {100 * event['dev_accuracy']:.1f} %, {event['rows']} rows, {event['eta']:.0f} s to go",
                   err=True)
    elif event["kind"] == "attack" and event["done"] == event["total"]:
        typer.echo(f"{model}: round {event['round']} of {event['rounds']}: {event['succeeded']} of {event['total']} "
                   f"texts flipped by {event['attack']}", err=True)
    elif event["kind"] == "contrastive":
        typer.echo(f"{model}: the contrastive loss begins at step {event['step']}, against {event['negatives']} "
                   "texts of other labels", err=True)
