"""Command line: `python -m robust_core COMMAND`. It reads options, calls the engine and shows what comes back."""

import contextlib
import importlib.util
import json
import math
import os
import platform
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from robust_core import datasets, own_data
from robust_core.errors import BadInput, Incompatible, RobustError, UnknownName
from robust_core.registry import Registry, check_parameters, from_record, parameters, to_record
from robust_core.store import ResultStore, export_claim, finite, runs_folder
from robust_core.text import check_typed
from robust_core.types import PRECISIONS, AttackResult, Example, Precision

if TYPE_CHECKING:
    from robust_core.types import Attribution

PYTHON = (3, 11)
NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "captum", "typer", "rich",
          "streamlit", "plotly", "pandas")
OPTIONAL = ("textattack", "lime", "sentence_transformers", "peft", "datasets", "lemminflect")
_MOST_STDIN = 1_000_000
_INTERRUPTED = 130

Row = dict[str, Any]


class _Group(TyperGroup):
    """The commands, with every error that a user may see as one line on stderr and exit code 2."""

    def main(self, *args: Any, standalone_mode: bool = True, **options: Any) -> None:  # noqa: ANN401
        """Run a command and leave the program with its exit code."""
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a character gets a question mark, not a traceback.
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # type: ignore[union-attr]
        try:
            code = super().main(*args, standalone_mode=False, **options)
        except (RobustError, typer.TyperException) as error:
            message = str(error) if isinstance(error, RobustError) else error.format_message()
            typer.echo(" ".join(message.split()), err=True)
            code = 2
        except (KeyboardInterrupt, typer.Abort):
            code = _INTERRUPTED
        sys.exit(code or 0)


app = typer.Typer(cls=_Group, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
                  help="Attack, explain and evaluate text classifiers.")

Text = Annotated[str, typer.Argument(help="The text, in quotes; - reads it from standard input.")]
Models = Annotated[list[str], typer.Option("--model", help="Model id, such as sst2/cnn/base; may be repeated.")]
Device = Annotated[str, typer.Option("--device", envvar="ROBUST_DEVICE", help="auto, cpu, cuda, cuda:1 or mps.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
MaxQueries = Annotated[int | None, typer.Option("--max-queries", min=0, help="Most queries an example; 0: no limit.")]
TimeLimit = Annotated[float | None, typer.Option("--time-limit", min=0.0, help="Seconds an example; 0 = no limit.")]
Exactness = Annotated[str, typer.Option(
    "--precision", help="exact (fp32), or screened (bf16 first, fp32 wherever that could change a choice).")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Parameter of the attack: name=value; repeatable.")]


@app.command()
def models(as_json: Json = False) -> None:
    """List the models that are here."""
    from robust_core.models.checkpoint import cards

    rows = [{"model": c.id, "dataset": c.dataset, "architecture": c.architecture, "defence": c.defence_name,
             "seed": c.seed, "labels": list(c.labels), "dev_accuracy": c.dev_accuracy, "parameters": c.parameters,
             "bytes": c.bytes} for c in cards()]
    _show(rows, as_json, {"Model": _key("model"), "Accuracy on dev": _percent("dev_accuracy"),
                          "Parameters": lambda r: f"{r['parameters']:,}",
                          "Size": lambda r: f"{r['bytes'] / 2**20:.1f} MiB",
                          "Labels": lambda r: ", ".join(r["labels"])})


@app.command()
def doctor(device: Device = "auto", as_json: Json = False) -> None:
    """Check that everything needed is here; exit code 1 when something is not."""
    with _stdout_kept():
        rows, healthy = [], True
        for name, needed, check in _checks(device):
            try:
                ok, detail = True, check()
            except RobustError as error:
                ok, detail = not needed, str(error) if needed else f"not needed: {error}"
            rows.append({"check": name, "ok": ok, "detail": detail})
            healthy &= ok
    _show(rows, as_json, {"Check": _key("check"), "": lambda r: "ok" if r["ok"] else "NOT OK",
                          "Detail": _key("detail")})
    raise typer.Exit(0 if healthy else 1)


@app.command()
def predict(text: Text, model: Models, device: Device = "auto", as_json: Json = False) -> None:
    """Classify a text."""
    with _stdout_kept():
        cleaned = _typed(text)
        rows = []
        for classifier in _load(model, device):
            proba = classifier.predict_proba([cleaned])[0]
            rows.append({"model": classifier.id, "label": classifier.labels[int(proba.argmax())],
                         "proba": _by_label(classifier, proba)})
    _show(rows, as_json, {"Model": _key("model"), "Label": _key("label"), "Probabilities": _labelled("proba")})


@app.command()
def attack(text: Text, model: Models,
           attack: Annotated[str, typer.Option("--attack", help="Name of the attack.")] = "textfooler",
           label: Annotated[str | None, typer.Option("--label", help="True label; without it, the prediction.")] = None,
           seed: Seed = 0, max_queries: MaxQueries = None, time_limit: TimeLimit = None, settings: Settings = None,
           precision: Exactness = "exact", device: Device = "auto", as_json: Json = False) -> None:
    """Change words of a text until each model's prediction flips; Ctrl-C shows the best so far."""
    from robust_core import fluency
    from robust_core.attacks import ATTACKS

    found: dict[str, AttackResult] = {}
    errors = []
    with _stdout_kept(), _interruptible() as stop:
        exactness = _precision(precision)
        cleaned = _typed(text)
        method, = _methods(ATTACKS, [attack], settings, max_queries=max_queries, time_limit=time_limit)
        victims = _load(model, device)
        example = Example(cleaned, None if label is None else _common_label(victims, label), "typed")
        for event in method.run(victims, [example], seed=seed, stop=stop, precision=exactness):
            if event.result is not None:
                found[event.victim] = event.result
            elif event.kind == "error":
                errors.append(event.data["message"])
        if errors and not found:
            raise BadInput(" ".join(dict.fromkeys(errors)))
        fluent, missing = ({}, "") if stop.is_set() else _fluency(found, device)
    rows = [_attack_row(v, method, found[v.id]) | fluent.get(v.id, dict.fromkeys(_PERPLEXITIES))
            for v in victims if v.id in found]
    notes = [f"{v.id}: {note}" for v in victims if v.id in found for note in found[v.id].notes]
    notes += [f"Fluency is left out. {missing}"] if missing else []
    _show(rows, as_json, {
        "Model": _key("model"), "Status": _key("status"), "Before": _labelled("before"), "After": _labelled("after"),
        "Perturbed text": _key("perturbed"), "Queries": _key("queries"), "Seconds": _number("seconds"),
        "Fluency": lambda r: "" if None in (r["perplexity_before"], r["perplexity_after"]) or not r["swaps"] else
                   fluency.ratio(r["perplexity_before"], r["perplexity_after"]),
    }, [_parameters(to_record(method)), *notes])
    for error in dict.fromkeys(errors):
        typer.echo(error, err=True)
    if stop.is_set():
        raise typer.Exit(_INTERRUPTED)
    raise typer.Exit(1 if errors else 0)


@app.command()
def explain(text: Text, model: Models,
            against: Annotated[str | None, typer.Option("--against", help="Second text to compare with.")] = None,
            method: Annotated[str, typer.Option("--method", help="Name of the explainer.")] = "ig",
            target: Annotated[str | None, typer.Option("--target", help="Class; the prediction by default.")] = None,
            device: Device = "auto", as_json: Json = False) -> None:
    """Show how much each word speaks for a class, and how stable that is between two texts."""
    from robust_core.explainers import EXPLAINERS

    with _stdout_kept():
        texts = [_typed(text)] if against is None else [_typed(text), _typed(against)]
        explainer, = _methods(EXPLAINERS, [method], None)
        rows = []
        for classifier in _load(model, device):
            predicted = int(classifier.predict_proba(texts[:1])[0].argmax())
            wanted = predicted if target is None else _label(classifier, target)
            rows.append(_explain_row(classifier, explainer.explain(classifier, texts, [wanted] * len(texts))))
    _show(rows, as_json, {
        "Model": _key("model"), "Target": _key("target"), "Words": lambda r: _scored(r["words"], r["scores"]),
        "Against": lambda r: _scored(**r["against"]) if r["against"] else "", "Kendall's tau": _number("kendall_tau"),
        "Gap": _number("gap"),
    })


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

    from robust_core import progress
    from robust_core.attacks import ATTACKS
    from robust_core.evaluate import evaluate as measure

    explainers = [name.strip() for name in explain.split(",") if name.strip()]
    single = out is not None and out.endswith(".json")
    if single and (len(model) > 1 or len(attack or ()) > 1 or explainers or transfer):
        raise BadInput("--out FILE.json takes one row; name a folder for more.")
    rows: list[Row] = []
    with _stdout_kept(), _interruptible() as stop:
        exactness = _precision(precision)
        limits = {"max_queries": max_queries, "time_limit": time_limit}
        attacks = _methods(ATTACKS, attack or [], settings, **limits)
        shown = []
        if explainers:
            from robust_core.explainers import EXPLAINERS

            shown = _methods(EXPLAINERS, explainers, None)
        datasets.find(dataset, split, data_dir)
        events = measure(_load(model, device), dataset, split, attacks, n=n, seed=seed, data_dir=data_dir,
                         store=ResultStore(), explain=shown, transfer=transfer, stop=stop, precision=exactness,
                         reader=_reader(device) if fluency else None)
        with progress.watch(Console(stderr=True)) as show:
            for event in events:
                if event.kind == "row":
                    rows.append(dict(event.data))
                show(event)
    if out is not None and not stop.is_set():
        for row in rows:
            _claim(row, Path(out) if single else Path(out) / _claim_name(row), n)
    notes = [*sorted({_parameters(r["parameters"]) for r in rows if r["parameters"]}),
             *dict.fromkeys(f"{r.get('adversarial_from', r['model'])}: {w}" for r in rows for w in r["warnings"])]
    _show_evaluation(rows, as_json, notes)
    raise typer.Exit(_INTERRUPTED if stop.is_set() else 0)


@app.command()
def train(dataset: Annotated[str, typer.Option(
              "--dataset", help="Name of the data set, or a CSV, TSV or JSONL file of your own.")] = "",
          architecture: Annotated[str, typer.Option(
              "--architecture", help="cnn, lstm, minilm, or a Hugging Face id or folder.")] = "",
          defence: Annotated[str, typer.Option("--defence", help="Name of the defence.")] = "base",
          attack: Annotated[str, typer.Option("--attack", help="Attack that the defence trains against.")] = "",
          preset: Annotated[str, typer.Option("--preset", help="Named parameters: paper, as-released, …")] = "",
          name: Annotated[str, typer.Option("--name", help="Last part of the model's id.")] = "",
          seed: Seed = 0,
          rows: Annotated[int | None, typer.Option(
              "--rows", min=1, help="Training texts to draw, the same for every seed; all by default.")] = None,
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
    from robust_core import trainings

    tell = _teller(sys.stdout) if events else _tell
    with _stdout_kept(), _interruptible() as stop:
        if plan is not None and (dataset or architecture or rows):
            raise BadInput("A plan says itself what to train; leave --dataset, --architecture and --rows out.")
        values = {"dataset": _dataset(dataset), "architecture": architecture, "defence": defence, "attack": attack,
                  "preset": preset, "name": name, "seed": seed}
        settings = [*(settings or ()), *([f"rows={rows}"] if rows is not None else [])]
        orders = (trainings.plan(Path(plan), data_dir) if plan is not None else
                  [trainings.order(values | {"set": _training_settings(defence, settings)}, data_dir)])
        root = Path(out) if out else runs_folder() / "checkpoints"
        for wanted in orders:
            datasets.find(wanted.dataset, "train", data_dir)
        made = []
        for wanted in orders:
            row = trainings.done(wanted, root) if plan is not None else None
            if row is not None:
                typer.echo(f"{wanted.id}: is there already", err=True)
                made.append(row)
                continue
            with contextlib.closing(trainings.run(wanted, root, device=device, data_dir=data_dir,
                                                  resume=resume or bool(plan))) as running:
                for event in running:
                    tell(wanted.id, event)
                    if event["kind"] == "stored":
                        made.append(event["row"])
                        if claims is not None:
                            trainings.claim(event["card"], Path(claims))
                    elif stop.is_set():
                        typer.echo(f"{wanted.id}: stopped; --resume goes on from here", err=True)
                        raise typer.Exit(_INTERRUPTED)
    if trainings.first_process() and not events:
        _show(made, as_json, {"Model": _key("model"), "Accuracy on dev": _percent("dev_accuracy"),
                              "Epoch": _key("epochs"), "Seconds": _key("seconds"), "Stored in": _key("path")})


def _dataset(given: str) -> str:
    """Return the name of a data set; a file becomes one, by the columns that look like texts and labels."""
    path = Path(given)
    if path.suffix[1:].lower() not in own_data.KINDS or not path.is_file():
        return given
    table = own_data.read(path.name, path.read_bytes())
    text, label = table.guess()
    name = own_data.add(own_data.plain_name(path.name), table, text, label, {v: v for v in table.classes(label)}).name
    typer.echo(f"{path.name}: texts from {text}, labels from {label}; stored as the data set {name}", err=True)
    return name


def _training_settings(defence: str, settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings by the types of the defence's parameters and the recipe's."""
    from robust_core.defences import DEFENCES
    from robust_core.train.recipe import Recipe

    return _typed_settings({p.name: p.type for cls in (Recipe, DEFENCES[defence]) for p in parameters(cls)}, settings)


def _typed_settings(known: Mapping[str, type], settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings by the types of what is known; the engine refuses the rest."""
    return {name: _parsed(known.get(name, str), name, value) for name, value in _pairs(settings).items()}


def _teller(out: TextIO) -> Callable[[str, Mapping[str, Any]], None]:
    """Return a function that writes an event as a line of JSON, for a program that watches."""
    def tell(model: str, event: Mapping[str, Any]) -> None:
        plain = {name: value for name, value in event.items() if name != "card"}
        print(json.dumps(finite(plain | {"model": model})), file=out, flush=True)  # noqa: T201 (the command's answer)

    return tell


def _tell(model: str, event: Mapping[str, Any]) -> None:
    """Say on stderr how a training goes on."""
    if os.environ.get("RANK", "0") != "0":
        return
    if event["kind"] == "epoch":
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
    from robust_core.sentences import orders as trainings

    with _stdout_kept(), _interruptible() as stop:
        order = trainings.order(method, preset, _typed_settings(trainings.parameters_of(method), settings), name, seed,
                                sentences, start)
        rows: list[Row] = []
        for event in trainings.run(order, Path(out) if out else runs_folder() / "checkpoints", device, data_dir):
            _tell_encoder(order.id, event)
            if event["kind"] == "stored":
                rows.append(event["row"])
            elif stop.is_set():
                raise typer.Exit(_INTERRUPTED)
    _show(rows, as_json, {"Encoder": _key("encoder"), "Spearman on STS-B dev": _number("dev_spearman"),
                          "Before": _number("before"), "Sentences": _key("sentences"), "Step": _key("step"),
                          "Seconds": _number("seconds"), "Stored in": _key("path")})


def _tell_encoder(name: str, event: Mapping[str, Any]) -> None:
    """Say on stderr how the training of an encoder goes on."""
    if event["kind"] == "ready":
        typer.echo(f"{name}: {event['sentences']:,} sentences, {event['steps']} steps", err=True)
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
    from rich.console import Console

    from robust_core import encoders, progress
    from robust_core.sentences import evaluation

    rows: list[Row] = []
    with _stdout_kept(), _interruptible() as stop:
        wanted = [encoders.load(name, device) for name in dict.fromkeys(encoder or encoders.names())]
        events = evaluation.evaluated(wanted, evaluation.tasks(task or ()), attacks=tuple(attack or ()), n=n,
                                      data_dir=data_dir, store=ResultStore(), stop=stop,
                                      precision=_precision(precision))
        with progress.watch(Console(stderr=True)) as show:
            for event in events:
                if event.kind == "row":
                    rows.append(dict(event.data))
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                show(event)
    _show(rows, as_json, {"Encoder": _key("encoder"), "Task": _key("task"), "Figure": _key("metric"),
                          "Value": _number("value"), "±": _number("value_se"), "n": _key("n")})
    raise typer.Exit(_INTERRUPTED if stop.is_set() else 0)


@app.command()
def similarity(text: Text, against: Annotated[str, typer.Argument(help="The other text.")],
               encoder: Annotated[list[str] | None, typer.Option(
                   "--encoder", help="Name, folder or Hugging Face id; repeatable; all that are here.")] = None,
               device: Device = "auto", as_json: Json = False) -> None:
    """Show how alike sentence encoders find two texts."""
    from robust_core import encoders

    with _stdout_kept():
        texts = [_typed(text), _typed(against)]
        rows = []
        for name in dict.fromkeys(encoder or encoders.names()):
            first, second = encoders.load(name, device).encode(texts)
            rows.append({"encoder": name, "cosine": float(first @ second)})
    _show(rows, as_json, {"Encoder": _key("encoder"), "Cosine": _number("cosine")})


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
              out: Annotated[str | None, typer.Option("--out", help="Folder for the claims: results, say.")] = None,
              device: Device = "auto", as_json: Json = False) -> None:
    """Repeat an experiment of a paper and print its table; what has been computed before is not computed again."""
    from rich.console import Console

    from robust_core import progress
    from robust_core.experiments import EXPERIMENTS, Options

    with _stdout_kept(), _interruptible() as stop:
        experiment = EXPERIMENTS[name]()
        options = Options(seeds, tuple(model or ()), tuple(attack or ()), n, data_dir, _precision(precision), device,
                          train)
        wanted = experiment.plan(options) if plan else []
        made: list[Row] = []
        with progress.watch(Console(stderr=True)) as show:
            for event in () if plan else experiment.run(options, ResultStore(), stop):
                if event.kind == "claim":
                    made.append(dict(event.data))
                elif event.kind == "note":
                    typer.echo(event.data["message"], err=True)
                elif event.kind == "training":
                    _tell(event.victim, event.data)
                show(event)
    if plan:
        typer.echo(json.dumps(wanted, indent=1))
        raise typer.Exit(0)
    if out is not None and not stop.is_set():
        for claim in made:
            export_claim(Path(out) / experiment.file(claim), **claim)
    if as_json:
        typer.echo(json.dumps({"results": finite([claim["details"] for claim in made])}, allow_nan=False))
    else:
        typer.echo(experiment.table(made))
    raise typer.Exit(_INTERRUPTED if stop.is_set() else 0)


@app.command()
def certify(text: Annotated[str | None, typer.Argument(help="A text, in quotes; - reads standard input.")] = None,
            dataset: Annotated[str | None, typer.Option("--dataset", help="Certify a data set instead.")] = None,
            model: Annotated[str | None, typer.Option(
                "--model", help="Base classifiers: sst2, ag_news, digits; those of --dataset, or sst2.")] = None,
            method: Annotated[str, typer.Option("--method", help="dssn, ssn or uniform.")] = "dssn",
            scale: Annotated[list[float] | None, typer.Option("--scale", help="Lambda; may be repeated.")] = None,
            split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
            n: Annotated[int | None, typer.Option("--n", min=1, help="Inputs drawn; all by default.")] = None,
            seed: Seed = 0,
            data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
            settings: Annotated[list[str] | None, typer.Option("--set", help="Parameter: name=value.")] = None,
            as_json: Json = False) -> None:
    """Prove how far the input of a smoothed classifier may move, in L1, before its answer can change."""
    from robust_core import certified, smoothing
    from robust_core.certify import SMOOTHERS
    from robust_core.models import smoothed

    if (text is None) == (dataset is None):
        raise BadInput("Give either a text or --dataset.")
    with _stdout_kept():
        given = _settings(SMOOTHERS[method], settings)
        if "scale" in given:
            raise BadInput("Give Lambda by --scale.")
        cleaned = None if text is None else _typed(text)
        chosen = [certified.smoother(method, value, 255, **given).scale for value in scale or ()]
        found = smoothed.load(model or dataset or "sst2")
        if cleaned is not None:
            rows = certified.certify_texts(found, [cleaned], method, chosen, seed=seed, **given)
        else:
            data = smoothing.read(str(dataset), split, found.space, data_dir, n=n, seed=seed)
            rows = [certified.certified_accuracy(found, data, certified.smoother(method, value, found.levels, **given),
                                                 seed=seed)[0] for value in chosen or found.scales(method)]
    _show(rows, as_json, _CERTIFICATE if cleaned is not None else _CERTIFIED)


@app.command()
def train_smoothed(dataset: Annotated[str, typer.Option("--dataset", help="Name of a text or an image set.")],
                   method: Annotated[list[str] | None, typer.Option(
                       "--method", help="dssn, ssn or uniform; may be repeated; all by default.")] = None,
                   scale: Annotated[list[float] | None, typer.Option("--scale", help="Lambda; repeatable.")] = None,
                   seed: Seed = 0,
                   settings: Annotated[list[str] | None, typer.Option("--set", help="Setting: name=value.")] = None,
                   data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
                   out: Annotated[str | None, typer.Option("--out", help="Folder of checkpoints.")] = None,
                   as_json: Json = False) -> None:
    """Train the base classifiers that `certify` smooths, one for each method and Lambda."""
    import dataclasses

    from robust_core import smoothing
    from robust_core.certify import SMOOTHERS
    from robust_core.models import smoothed

    with _stdout_kept():
        how = dataclasses.replace(smoothing.recommended(dataset), **_settings(smoothing.Settings, settings))
        rows: list[Row] = []
        for event in smoothing.train(dataset, method or list(SMOOTHERS), scale or smoothing.SCALES, settings=how,
                                     seed=seed, data_dir=data_dir):
            if event["kind"] == "network":
                rows.append({key: event[key] for key in ("method", "scale", "dev_accuracy", "seconds")})
            else:
                card = smoothed.save(event["model"], Path(out) if out else runs_folder() / "checkpoints")
                rows = [{"model": card.id, "seed": card.seed, **row, "path": str(card.folder)} for row in rows]
    _show(rows, as_json, {"Model": _key("model"), "Method": _key("method"), "Lambda": _key("scale"),
                          "Accuracy on dev": _percent("dev_accuracy"), "Seconds": _number("seconds"),
                          "Stored in": _key("path")})


@app.command()
def table(write: Annotated[bool, typer.Option("--write", help="Bring the README up to date.")] = False,
          check: Annotated[bool, typer.Option("--check", help="Fail if the README is out of date.")] = False) -> None:
    """Make the README's tables from results/, or check them."""
    from robust_core import reproduce as tables

    if write == check:
        raise BadInput("Choose one of --write and --check.")
    if check:
        tables.check()
        typer.echo("The README's tables agree with results/.")
    else:
        typer.echo("README.md was brought up to date." if tables.write() else "README.md was up to date.")


# What the commands share.

def _typed(text: str) -> str:
    """Return a typed text cleaned, or standard input for `-`."""
    if text != "-":
        return check_typed(text)
    content = sys.stdin.buffer.read(_MOST_STDIN + 1)
    if len(content) > _MOST_STDIN:
        raise BadInput(f"Standard input is too long: {_MOST_STDIN:,} bytes are the limit.")
    try:
        return check_typed(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise BadInput("Standard input is not UTF-8 text.") from None


def _precision(name: str) -> Precision:
    for known in PRECISIONS:
        if known == name:
            return known
    raise UnknownName("precision", name, list(PRECISIONS))


def _load(model_ids: Sequence[str], device: str) -> list[Any]:
    from robust_core.models import checkpoint

    loaded = {name: checkpoint.load(name, device) for name in dict.fromkeys(model_ids)}
    names: dict[str, str] = {}
    for name, classifier in loaded.items():
        if names.setdefault(classifier.id, name) != name:
            raise BadInput(f"{names[classifier.id]} and {name} are the same model.")
    return list(loaded.values())


def _reader(device: str) -> Any:  # noqa: ANN401 (its module is imported when it is needed)
    """Return the packaged masked language model, which tells how fluent texts are."""
    from robust_core.models import masked

    return masked.load("minilm", device)


_PERPLEXITIES = ("perplexity_before", "perplexity_after")


def _fluency(found: Mapping[str, AttackResult], device: str) -> tuple[dict[str, Row], str]:
    """Return the pseudo-perplexities of each model's texts, or why there are none: an attack is complete without."""
    from robust_core.fluency import perplexities

    try:
        pairs = perplexities(_reader(device), list(found.values()))
    except RobustError as error:
        return {}, str(error)
    return {name: dict(zip(_PERPLEXITIES, pair, strict=True)) for name, pair in zip(found, pairs, strict=True)}, ""


def _label(classifier: Any, name: str) -> int:  # noqa: ANN401 (any classifier)
    known = [label.lower() for label in classifier.labels]
    if name.strip().lower() not in known:
        raise UnknownName("label", name, list(classifier.labels))
    return known.index(name.strip().lower())


def _common_label(classifiers: Sequence[Any], name: str) -> int:
    found = {_label(classifier, name) for classifier in classifiers}
    if len(found) > 1:
        raise Incompatible("These models have different labels; attack them one by one.")
    return found.pop()


def _pairs(settings: Sequence[str] | None) -> dict[str, str]:
    """Split `name=value` settings."""
    values = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals:
            raise BadInput(f"--set takes name=value, not {setting!r}.")
        values[name.strip()] = value.strip()
    return values


def _settings(cls: type, settings: Sequence[str] | None) -> dict[str, Any]:
    """Read `name=value` settings as the parameters of a class."""
    known = {p.name: p for p in parameters(cls)}
    values = {}
    for name, value in _pairs(settings).items():
        if name not in known:
            raise BadInput(f"There is no parameter {name!r}. Known: {', '.join(sorted(known))}.")
        values[name] = _parsed(known[name].type, name, value)
    return values


def _methods(registry: Registry, names: Sequence[str], settings: Sequence[str] | None,
             **common: float | None) -> list[Any]:
    """Make methods from their names, `name=value` settings and options that were given."""
    classes = [registry[name] for name in dict.fromkeys(names)]
    values: dict[str, Any] = {**_pairs(settings)}
    values |= {name: value for name, value in common.items() if value is not None}
    known = {p.name for cls in classes for p in parameters(cls)}
    if values and not classes:
        raise BadInput("There is no attack to set: choose one with --attack.")
    for name in values:
        if name not in known:
            raise BadInput(f"There is no parameter {name!r}. Known: {', '.join(sorted(known))}.")
    made = []
    for cls in classes:
        record = {p.name: _parsed(p.type, p.name, values[p.name]) for p in parameters(cls) if p.name in values}
        method = from_record(registry, {"name": cls.name} | record)
        check_parameters(method)
        made.append(method)
    return made


def _parsed(kind: type, name: str, value: Any) -> Any:  # noqa: ANN401 (text, or a number already)
    if not isinstance(value, str):
        return value
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
        return kind(value)
    except (ValueError, KeyError):
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise BadInput(f"{name} must be {words.get(kind, kind.__name__)}, not {value!r}.") from None


@contextlib.contextmanager
def _stdout_kept() -> Iterator[None]:
    """Send what libraries print to stderr: stdout carries the answer alone."""
    with contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C sets; the second one ends the program at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(number: int, frame: Any) -> None:  # noqa: ANN401 (a signal handler's arguments)
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


# Rows, as the contracts of the command line name them.

def _by_label(classifier: Any, proba: Sequence[float]) -> dict[str, float]:  # noqa: ANN401
    return {label: float(p) for label, p in zip(classifier.labels, proba, strict=True)}


def _attack_row(classifier: Any, method: Any, result: AttackResult) -> Row:  # noqa: ANN401
    return {
        "model": classifier.id, "attack": method.name, "status": result.status, "original": result.example.text,
        "perturbed": result.perturbed, "reference_label": classifier.labels[result.reference_label],
        "perturbed_label": classifier.labels[result.perturbed_label], "before": _by_label(classifier, result.before),
        "after": _by_label(classifier, result.after), "queries": result.queries,
        "forward_passes": result.forward_passes, "similarity": result.similarity, "seconds": result.seconds,
        "swaps": [list(swap) for swap in result.swaps],
    }


def _explain_row(classifier: Any, found: "Sequence[Attribution]") -> Row:  # noqa: ANN401
    from robust_core.metrics import consistency
    from robust_core.text import Draft, align

    def words(a: "Attribution") -> Row:
        return {"words": [a.text[start:end] for start, end in a.spans], "scores": list(a.scores)}

    first = found[0]
    row = {"model": classifier.id, "method": first.method["name"], "target": classifier.labels[first.target],
           **words(first), "gap": first.gap, "against": None, "kendall_tau": None, "top_k": None,
           "top_k_random": None}
    if len(found) > 1:
        pairs = align(Draft.of(first.text).words, Draft.of(found[1].text).words)
        values = consistency(first, found[1], pairs)
        row |= {"against": words(found[1]), "kendall_tau": values["kendall_tau"], "top_k": values["top_k"],
                "top_k_random": values["top_k_random"]}
    return row


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


# What people see without --json.

def _show(rows: Sequence[Row], as_json: bool, columns: Mapping[str, Callable[[Row], str]],
          notes: Sequence[str] = ()) -> None:
    """Print rows as one JSON document, or as a table with notes below it."""
    if as_json:
        typer.echo(json.dumps({"results": finite(rows)}, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text as Plain

    console = Console()
    if not console.is_terminal:
        console.width = 160
    # Plain text, so that brackets somebody typed are no mark-up.
    cells = {title: [Plain(cell(row)) for row in rows] for title, cell in columns.items()}
    cells = {title: column for title, column in cells.items() if any(len(text) for text in column)}
    widths = [max(len(title), *(len(text) for text in column)) + 3 for title, column in cells.items()]
    if sum(widths) < console.width:
        table = Table(*cells)
        for row in zip(*cells.values(), strict=True):
            table.add_row(*row)
        console.print(table if rows else "Nothing to show.")
    else:
        room = console.width - max(map(len, cells))
        for first, last in _side_by_side(cells.values(), room):
            table = Table.grid(padding=(0, 2))
            for title, column in cells.items():
                table.add_row(title, *column[first:last])
            console.print(table, "")
    for note in notes:
        console.print(Plain(note))


def _side_by_side(columns: Iterable[Sequence[Sized]], room: int) -> Iterator[tuple[int, int]]:
    """Split rows that are printed upright into half-open ranges that fit side by side, one row a range at least."""
    widths = [max(map(len, row)) + 2 for row in zip(*columns, strict=True)]
    first = 0
    while first < len(widths):
        last = first + 1
        while last < len(widths) and sum(widths[first: last + 1]) <= room:
            last += 1
        yield first, last
        first = last


def _key(name: str) -> Callable[[Row], str]:
    return lambda row: "" if row.get(name) is None else str(row[name])


def _figure(value: float | None, spec: str) -> str:
    return "" if value is None else "undefined" if math.isnan(value) else format(value, spec)


def _number(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        error = row.get(f"{name}_se")
        plus = "" if error is None or math.isnan(error) else f" ± {error:.2g}"
        return _figure(row.get(name), ".3g") + plus

    return cell


def _top(k: str) -> Callable[[Row], str]:
    return lambda row: " ± ".join(_figure(row[name][k], ".2g") for name in ("top_k", "top_k_se"))


def _percent(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        error = row.get(f"{name}_se")
        plus = "" if error is None or math.isnan(error) else f" ± {100 * error:.1f}"
        return _figure(None if row.get(name) is None else 100 * row[name], ".1f") + plus

    return cell


def _labelled(name: str) -> Callable[[Row], str]:
    return lambda row: ", ".join(f"{label} {100 * p:.1f} %" for label, p in row[name].items())


def _scored(words: Sequence[str], scores: Sequence[float]) -> str:
    return " ".join(f"{word} {score:+.3f}" for word, score in zip(words, scores, strict=True))


def _parameters(record: Mapping[str, Any]) -> str:
    return f"{record['name']}: " + ", ".join(f"{name} {value}" for name, value in record.items() if name != "name")


def _show_evaluation(rows: Sequence[Row], as_json: bool, notes: Sequence[str]) -> None:
    """Print the rows of an evaluation: a table of the models, one of explanations, one of transfer."""
    if as_json or not rows:
        _show(rows, as_json, _FIGURES, notes)
        return
    kinds: list[tuple[_Columns, list[Row]]] = [(_FIGURES, []), (_EXPLANATIONS, []), (_TRANSFER, [])]
    for row in rows:
        kinds[2 if "adversarial_from" in row else 1 if "explain" in row else 0][1].append(row)
    kinds = [(columns, chosen) for columns, chosen in kinds if chosen]
    for i, (columns, chosen) in enumerate(kinds, 1):
        _show(chosen, False, columns, notes if i == len(kinds) else ())


_Columns = dict[str, Callable[[Row], str]]

_FIGURES: _Columns = {
    "Model": _key("model"), "Attack": _key("attack"), "Examples": _key("n"), "Skipped": _key("skipped"),
    "Failed": _key("failed"), "Exhausted": _key("exhausted"), "Succeeded": _key("succeeded"),
    "Stopped": _key("stopped"), "Errors": _key("errors"), "Accuracy %": _percent("accuracy"),
    "Under attack %": _percent("accuracy_under_attack"), "Attack success %": _percent("attack_success_rate"),
    "Swaps": _number("swaps"), "Words swapped %": _percent("swap_rate"), "Similarity": _number("similarity"),
    "Times less fluent": _number("perplexity_ratio"),
    "Queries": _number("queries"), "Forward passes": _number("forward_passes"), "Eligible": _number("eligible"),
    "Seconds": _number("seconds"), "Antonyms among swaps %": _percent("antonym_swaps"),
    "Successes with antonyms %": _percent("antonym_successes"), "Numbers among swaps %": _percent("number_swaps"),
    "Successes with numbers %": _percent("number_successes"), "Run": _key("run"),
}
_EXPLANATIONS: _Columns = {
    "Model": _key("model"), "Attack": _key("attack"), "Explained": _key("explain"), "Pairs": _key("pairs"),
    "Compared": _key("compared"), "Kendall's tau": _number("kendall_tau"), "Top 5": _top("5"),
    "By chance": lambda row: _figure(row["top_k_random"]["5"], ".2g"), "Gap": _number("gap"), "Run": _key("run"),
}
_CERTIFICATE: _Columns = {
    "Method": _key("method"), "Lambda": _number("scale"), "Evaluations": _key("evaluations"),
    "Prediction": lambda row: row["prediction"] or "abstains", "L1 radius (0..1)": _number("radius"),
    "In steps": _key("radius_steps"), "In the embedding": _number("radius_embedding"),
    "Votes": lambda row: ", ".join(f"{label} {votes}" for label, votes in row["votes"].items()),
    "Seconds": _number("seconds"),
}
_CERTIFIED: _Columns = {
    "Data": _key("dataset"), "Method": _key("method"), "Lambda": _number("scale"), "Inputs": _key("n"),
    "Evaluations": _key("evaluations"), "Accuracy %": _percent("clean_accuracy"),
    "Certified %": lambda row: ", ".join(f"{100 * p:.1f} at {r}" for r, p in row["certified_accuracy"].items() if p),
    "Median radius": _number("median_radius"), "Seconds an input": _number("seconds"),
}
_TRANSFER: _Columns = {
    "Model": _key("model"), "Attack": _key("attack"), "Adversarial from": _key("adversarial_from"),
    "Examples": _key("n"), "Accuracy %": _percent("accuracy"), "Under transfer %": _percent("accuracy_under_transfer"),
    "Transferable": _key("transferable"), "Transfer success %": _percent("transfer_success_rate"), "Run": _key("run"),
}


# What `doctor` looks at: name, whether it is needed, and a function that says what it found or raises.

def _checks(device: str) -> Iterator[tuple[str, bool, Callable[[], str]]]:
    from robust_core.models import checkpoint, smoothed

    yield "python", True, _python
    yield "packages", True, lambda: _packages(NEEDED)
    yield "optional packages", False, lambda: _packages(OPTIONAL)
    yield "encoder", True, _encoder
    yield "tables", True, _tables
    cards = checkpoint.cards()
    yield "checkpoints", True, lambda: _checkpoints(len(cards))
    for card in cards:
        yield f"checkpoint {card.id}", True, lambda card=card: _checkpoint(card)
    for card in smoothed.cards():
        yield f"smoothed {card.id}", True, lambda card=card: smoothed.check_files(card) or "files as recorded"
    yield "runs folder", True, _runs
    yield "data", False, lambda: f"SST-2 found in {datasets.find('sst2', 'test').parent}"
    yield "device", True, lambda: str(checkpoint.pick_device(device))


def _python() -> str:
    if sys.version_info < PYTHON:
        raise BadInput(f"Python {platform.python_version()} is too old; {PYTHON[0]}.{PYTHON[1]} is needed.")
    return platform.python_version()


def _packages(names: Sequence[str]) -> str:
    missing = [name for name in names if not _installed(name)]
    if missing:
        raise BadInput(f"{', '.join(missing)} missing: pip install -r requirements.txt")
    return f"{len(names)} found"


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _encoder() -> str:
    from robust_core.resources import minilm_folder

    return f"{minilm_folder().name}: files as recorded"


def _tables() -> str:
    from robust_core import resources

    if not (resources.neighbours("good") and resources.tag(["good"]) and resources.stop_words()):
        raise BadInput("A table is empty; restore robust_core/resources/tables.")
    return "neighbours, parts of speech, stop words"


def _checkpoints(count: int) -> str:
    from robust_core.models import checkpoint

    for root in checkpoint.roots():
        for path in sorted(root.glob("*/*/*/card.json")):
            checkpoint.read_card(path.parent)
    if not count:
        raise BadInput("There are no checkpoints; restore the folder checkpoints.")
    return f"{count} found"


def _checkpoint(card: Any) -> str:  # noqa: ANN401 (a Card; its module is imported when it is needed)
    from robust_core.models import checkpoint

    checkpoint.check_files(card)
    return f"{len(card.files)} files as recorded"


def _runs() -> str:
    store = ResultStore()
    found = len(store.runs())
    store.close()
    return f"{store.folder} can be written, {found} runs"


if __name__ == "__main__":
    app()
