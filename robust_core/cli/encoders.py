"""Sentence encoders: train-encoder, evaluate-encoder and similarity."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.console import Console

from robust_core import encoders
from robust_core.cli.options import (
    Device,
    Exactness,
    Json,
    Seed,
    Text,
    catch_interrupt,
    keep_stdout,
    read_precision,
    read_typed_settings,
    read_typed_text,
)
from robust_core.cli.output import Row, describe_faults, format_number, name_column, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.encoder_evaluation import tasks
from robust_core.encoder_training import specs as trainings
from robust_core.evaluation.embedding_space import compute_cosines
from robust_core.files import check_path, check_target
from robust_core.jobs import progress
from robust_core.models.known_faults import list_known_faults
from robust_core.paths import own_checkpoints
from robust_core.store import ResultStore


@app.command()
def train_encoder(method: Annotated[str, typer.Option("--method", help="simcse or robustsentembed.")],
                  preset: Annotated[str, typer.Option("--preset", help="paper or as-released.")] = "",
                  sentences: Annotated[int | None, typer.Option(
                      "--sentences", min=0, help="Sentences to learn from; 0: all; 6,000 on a CPU.")] = None,
                  start: Annotated[str, typer.Option(
                      "--start", help="Encoder to start from: folder or Hugging Face id; the packaged one.")] = "",
                  name: Annotated[str, typer.Option("--name", help="Name of the encoder; the method's.")] = "",
                  seed: Seed = 0,
                  settings: Annotated[list[str] | None, typer.Option(
                      "--set", help="Parameter of the method or the schedule: name=value; repeatable.")] = None,
                  data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
                  out: Annotated[str | None, typer.Option("--out", help="Folder of checkpoints.")] = None,
                  device: Device = "auto", as_json: Json = False) -> None:
    """Train a sentence encoder on unlabelled sentences, select on STS-B dev, and store it as low-rank weights."""
    with keep_stdout(), catch_interrupt() as stop:
        order = trainings.parse_spec(
            method,
            preset,
            read_typed_settings(trainings.list_parameters(method), settings),
            name,
            seed,
            sentences,
            start,
        )
        root = check_target(check_path(out or own_checkpoints(), "folder of checkpoints"))
        rows: list[Row] = []
        for event in trainings.run_training(order, root, device, data_dir):
            _tell_step(order.id, event)
            if event["kind"] == "stored":
                rows.append(event["row"])
            elif stop.is_set():
                raise typer.Exit(INTERRUPTED)
    show_rows(
        rows,
        as_json,
        {
            "Encoder": name_column("encoder"),
            "Spearman on STS-B dev": format_number("dev_spearman"),
            "Before": format_number("before"),
            "Sentences": name_column("sentences"),
            "Step": name_column("step"),
            "Seconds": format_number("seconds"),
            "Stored in": name_column("path"),
        },
    )


def _tell_step(name: str, event: Mapping[str, Any]) -> None:
    """Say on stderr how the training of an encoder goes on."""
    if event["kind"] == "ready":
        typer.echo(f"{name}: {event['sentences']:,} sentences, {event['steps']} steps; left out, because encoders are "
                   f"measured on them: {event['left_out']:,} sentences, and {event['pairs_left_out']:,} of "
                   f"{event['pairs'] + event['pairs_left_out']:,} pairs of STS-B dev", err=True)
    elif event["kind"] == "check":
        typer.echo(f"{name}: step {event['step']} of {event['steps']}: Spearman on STS-B dev {event['spearman']:.4f}",
                   err=True)
    elif event["kind"] == "step" and event["step"] % 10 == 1:
        terms = ", ".join(f"{term} {value:.4f}" for term, value in event["terms"].items())
        typer.echo(f"{name}: step {event['step']} of {event['steps']}: {terms}, {event['eta']:.0f} s to go", err=True)


@app.command()
def evaluate_encoder(encoder: Annotated[list[str] | None, typer.Option(
                         "--encoder", help="Name, folder or Hugging Face id; repeatable; all that are here.")] = None,
                     task: Annotated[list[str] | None, typer.Option(
                         "--task", help="sts, transfer, attacks, or one task such as sts12; repeatable; all.")] = None,
                     attack: Annotated[list[str] | None, typer.Option(
                         "--attack", help="Only this attack; repeatable.")] = None,
                     n: Annotated[int | None, typer.Option("--n", min=1, help="Attacked sentences a set; 200.")] = None,
                     data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
                     precision: Exactness = "exact", device: Device = "auto", as_json: Json = False) -> None:
    """Measure sentence encoders: similarity, classifiers on their vectors, and how easily these are fooled."""
    rows: list[Row] = []
    with keep_stdout(), catch_interrupt() as stop:
        wanted = [encoders.load(name, device) for name in dict.fromkeys(encoder or encoders.list_names())]
        events = tasks.evaluate_encoder(wanted, tasks.list_tasks(task or ()), attacks=tuple(attack or ()), n=n,
                                        data_dir=data_dir, store=ResultStore(), stop=stop,
                                        precision=read_precision(precision))
        with progress.show_progress(Console(stderr=True)) as show:
            for event in events:
                if event.kind == "row":
                    rows.append(dict(event.data))
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                show(event)
    show_rows(
        rows,
        as_json,
        {
            "Encoder": name_column("encoder"),
            "Task": name_column("task"),
            "Figure": name_column("metric"),
            "Value": format_number("value"),
            "±": format_number("value_se"),
            "n": name_column("n"),
        },
        describe_faults({name: list_known_faults(name) for name in dict.fromkeys(row["encoder"] for row in rows)}),
    )
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


@app.command()
def similarity(text: Text, against: Annotated[str, typer.Argument(help="The other text.")],
               encoder: Annotated[list[str] | None, typer.Option(
                   "--encoder", help="Name, folder or Hugging Face id; repeatable; all that are here.")] = None,
               device: Device = "auto", as_json: Json = False) -> None:
    """Show how alike sentence encoders find two texts."""
    with keep_stdout():
        texts = [read_typed_text(text), read_typed_text(against)]
        rows = []
        for name in dict.fromkeys(encoder or encoders.list_names()):
            cosine = float(compute_cosines(encoders.load(name, device).encode(texts))[0, 1])
            rows.append({"encoder": name, "cosine": cosine})
    show_rows(rows, as_json, {"Encoder": name_column("encoder"), "Cosine": format_number("cosine")})
