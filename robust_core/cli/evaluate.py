"""Whole data sets and papers: evaluate, reproduce and table."""

import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from robust_core import datasets, slices, uploads
from robust_core.attacks.presets import PAPER, name_preset, write_options
from robust_core.claims.command import make_command
from robust_core.claims.files import write_claim
from robust_core.cli.data_files import (
    Changeable,
    Header,
    LabelColumn,
    LabelMap,
    PairColumns,
    PairOptions,
    TaskName,
    TextColumn,
    read_data_file,
    tell_data_file,
)
from robust_core.cli.options import (
    Device,
    Exactness,
    Json,
    Lock,
    LockNames,
    LockNumbers,
    MaxQueries,
    Models,
    Preset,
    Seed,
    Settings,
    Swaps,
    TimeLimit,
    Workers,
    catch_interrupt,
    give_goal,
    keep_stdout,
    load_models,
    load_reader,
    make_attacks,
    make_methods,
    read_precision,
)
from robust_core.cli.output import Row, format_parameters, show_evaluation
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.victims import MaxCalls, MaxCost, check_workers, limit_victims
from robust_core.errors import BadInput, quote
from robust_core.evaluation.evaluate import check_question
from robust_core.evaluation.evaluate import evaluate as measure
from robust_core.evaluation.guarded_names import check_unseen
from robust_core.experiments.freeze import find_freeze
from robust_core.explainers import EXPLAINERS
from robust_core.files import LONGEST_NAME, check_path, check_target, check_target_file
from robust_core.jobs import progress
from robust_core.protocols import Classifier
from robust_core.reading import check_reads_pairs
from robust_core.store import ResultStore
from robust_core.sweep.fill import fill_store
from robust_core.sweep.tasks import plan_evaluation
from robust_core.table_files import KINDS


@app.command()
def evaluate(model: Models,
             dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set.")] = "",
             data: Annotated[str, typer.Option(
                 "--data", help="CSV, TSV, JSONL or JSON file of labelled texts, instead of --dataset.")] = "",
             text: TextColumn = "", pair: PairColumns = "", change: Changeable = None, task: TaskName = "",
             label: LabelColumn = "", mapping: LabelMap = None, header: Header = None,
             part: Annotated[str, typer.Option(
                 "--slice", help="Picked texts, as the app's address has them, instead of --dataset.")] = "",
             split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
             attack: Annotated[list[str] | None, typer.Option("--attack", help="Attack; may be repeated.")] = None,
             explain: Annotated[str, typer.Option("--explain", help="Explainers, with commas between.")] = "",
             transfer: Annotated[bool, typer.Option("--transfer", help="Judge texts by the other models.")] = False,
             fluency: Annotated[bool, typer.Option(
                 "--fluency", help="Measure how much less fluent successes are; takes time.")] = False,
             n: Annotated[int | None, typer.Option("--n", min=1, help="Examples drawn; all by default.")] = None,
             seed: Seed = 0,
             data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
             preset: Preset = PAPER, max_queries: MaxQueries = None, time_limit: TimeLimit = None,
             settings: Settings = None, swaps: Swaps = "", max_calls: MaxCalls = None, max_cost: MaxCost = None,
             lock: Lock = None, lock_names: LockNames = False, lock_numbers: LockNumbers = False,
             precision: Exactness = "exact",
             out: Annotated[str | None, typer.Option("--out", help="Write claims: FILE.json or a folder.")] = None,
             freeze: Annotated[str, typer.Option(
                 "--freeze", help="Entry of docs/freeze.md that the claims follow: its date.")] = "",
             workers: Workers = None, device: Device = "auto", as_json: Json = False) -> None:
    """Measure accuracy, attacks and the stability of explanations on a data set; a killed run goes on where it was."""
    _check_source(dataset, data, part, bool(text or pair or change or task or label or mapping or header is not None))
    explainers = [name.strip() for name in explain.split(",") if name.strip()]
    single = out is not None and out.endswith(".json")
    if single and (len(model) > 1 or len(attack or ()) > 1 or explainers or transfer):
        raise BadInput("--out FILE.json takes one row; name a folder for more.")
    target = None if out is None else check_path(out, "place of the claims")
    if target is not None:
        (check_target_file if single else check_target)(target)
    entry = find_freeze(freeze, target if split == "test" and dataset else None)
    rows: list[Row] = []
    with keep_stdout(), catch_interrupt() as stop, limit_victims(max_calls, max_cost, stop) as ceilings:
        exactness = read_precision(precision)
        limits = {"max_queries": max_queries, "time_limit": time_limit}
        attacks = give_goal(make_attacks(attack or [], settings, preset, swaps, **limits), lock, lock_names,
                            lock_numbers)
        shown = []
        if explainers:
            shown = make_methods(EXPLAINERS, explainers, None)
        source = ["--dataset", dataset, "--split", split]
        file = labelled = None
        texts: str | datasets.LabelledTexts = dataset
        if data:
            file = read_data_file(check_path(data, "file of texts"), text, label, mapping, header,
                                  PairOptions(pair, change or (), task))
            labelled = uploads.label_rows(file.table, file.pair or file.text, file.label, file.names)
            source = ["--data", data, *file.words]
        elif part:
            texts, source = slices.load_slice(slices.read_slice(part), ResultStore(), data_dir), ["--slice", part]
        else:
            datasets.find(dataset, split, data_dir)
        source += ["--swaps", swaps] * bool(swaps)
        victims = load_models(model, device, ceilings, data_dir)
        check_workers(victims, workers or 1)
        check_unseen(victims, [f"{dataset}/{split}"] if isinstance(texts, str) else [e.uid for e in texts.examples])
        if file is not None and labelled is not None:
            for victim in victims if labelled.pair else ():
                check_reads_pairs(victim)
            name = uploads.make_plain_name(f"{file.path.stem}_{task}" if task else file.path.name)
            texts = uploads.match_labels(labelled, _choose_labels(victims), name)
            tell_data_file(file, labelled)
        store, common = ResultStore(), {"n": n, "seed": seed, "data_dir": data_dir, "precision": exactness,
                                        "explain": shown}
        events = measure(victims, texts, split, attacks, **common, store=store, transfer=transfer, stop=stop,
                         reader=(reader := load_reader(device) if fluency else None))
        if (workers or 1) > 1:
            check_question(victims, attacks, shown, transfer, reader)
            tasks = plan_evaluation(dict(zip(dict.fromkeys(model), victims, strict=True)), texts, split, attacks,
                                    **common)
            events = itertools.chain(fill_store(tasks, store, stop, workers=workers or 1, device=device), events)
        with progress.show_progress(Console(stderr=True)) as show:
            for event in events:
                if event.kind == "row":
                    rows.append(dict(event.data))
                show(event)
        ceilings.tell_reached()
    if target is not None and not stop.is_set():
        for row in rows:
            _write_claim(row, target if single else target / _name_claim(row), n, source, entry)
    show_evaluation(rows, as_json, sorted({format_parameters(r["parameters"]) for r in rows if r["parameters"]}))
    raise typer.Exit(INTERRUPTED if stop.is_set() else 0)


def _check_source(dataset: str, data: str, part: str, described: bool) -> None:
    """Raise BadInput unless there is one source of texts, and columns are described of a file alone."""
    if sum(map(bool, (dataset, data, part))) != 1:
        raise BadInput("Give one of these: --dataset or --data or --slice.")
    if dataset.rpartition(".")[2].lower() in KINDS:
        raise BadInput(f"{quote(dataset)} is a file: name it with --data.")
    if described and not data:
        raise BadInput("--text, --pair, --change, --task, --label, --map and --header are about a file: name it with "
                       "--data.")


def _choose_labels(victims: Sequence[Classifier]) -> tuple[str, ...]:
    """Return the labels that texts of a file are matched with: of the first model whose labels have names."""
    named = [v.labels for v in victims if not all(label.lower().startswith("label_") for label in v.labels)]
    return [*named, victims[0].labels][0]


def _name_claim(row: Row) -> str:
    parts = [row["model"], row["dataset"], row["split"], row["attack"] or "clean"]
    preset = name_preset(row["parameters"]) if row["attack"] else PAPER
    parts += [preset] * (preset not in ("", PAPER))
    if "swaps" in row["parameters"]:
        parts += [row["parameters"]["swaps"], row["parameters"]["swaps_sha256"][:8]]
    parts += [f"lock-{'-'.join(row['parameters']['lock'])}"] if "lock" in row["parameters"] else []
    parts += [row[name] for name in ("adversarial_from", "explain", "pairs") if name in row]
    name = "-".join("".join(c if c.isascii() and c.isalnum() or c in "@_" else "-" for c in part) for part in parts)
    # Ids may be folders with long names; what is cut off still tells two files apart.
    cut = hashlib.sha256(name.encode()).hexdigest()[:8] if len(name) > LONGEST_NAME else ""
    return f"{name[:LONGEST_NAME]}{cut}.json"


def _write_claim(row: Row, path: Path, n: int | None, data: Sequence[str], freeze: str) -> None:
    source = row.get("adversarial_from")
    metric = ("accuracy_under_transfer" if source else "kendall_tau" if "explain" in row else
              "accuracy_under_attack" if row["attack"] else "accuracy")
    words = ["--model", row["model"]]
    words += ["--model", source, "--transfer"] if source else []
    words += [*data, "--seed", str(row["seed"])]
    words += ["--n", str(n)] if n is not None else []
    words += ["--attack", row["attack"]] if row["attack"] else []
    words += ["--explain", row["explain"]] if "explain" in row else []
    words += ["--fluency"] if "perplexity_ratio" in row else []
    words += write_options(row["parameters"]) if row["attack"] else []
    what = f"{metric} of {row['model']} on {row['dataset']}/{row['split']}"
    what += f" with {row['attack']}" if row["attack"] else ""
    what += f" against {source}" if source else ""
    what += f", {row['explain']} on {row['pairs']} pairs" if "explain" in row else ""
    public = row["dataset"] in datasets.DATASETS and row["dataset"] != "reviews"
    write_claim(path, claim=what, command=make_command("evaluate", *words, precision=row["precision"], data=public),
                run=row["run"], n=row["n"], seeds=[row["seed"]], metric=metric, value=row[metric],
                value_se=row[f"{metric}_se"], thresholds=row["parameters"], precision=row["precision"],
                rests_on=row["rests_on"], freeze=freeze,
                details={name: value for name, value in row.items() if name != "rests_on"})
