"""More rows for a file of labelled texts: augment."""

import collections
import threading
from typing import Annotated

import typer
from rich.console import Console

from robust_core import augmentation, uploads
from robust_core.attacks.base import Attack
from robust_core.augmentation import NewText
from robust_core.cli.data_files import (
    DataFile,
    Header,
    LabelColumn,
    LabelMap,
    TextColumn,
    read_data_file,
    tell_data_file,
)
from robust_core.cli.options import (
    Device,
    MaxQueries,
    Seed,
    Settings,
    Swaps,
    TimeLimit,
    catch_interrupt,
    keep_stdout,
    load_models,
    make_attacks,
)
from robust_core.cli.program import INTERRUPTED, app
from robust_core.cli.victims import MaxCalls, MaxCost, limit_victims
from robust_core.errors import BadInput
from robust_core.evaluation.evaluate import evaluate
from robust_core.files import check_path, check_target_file, write_file
from robust_core.jobs import progress
from robust_core.protocols import Classifier
from robust_core.resources.swap_sets import read_swap_set
from robust_core.store import ResultStore

_SHARE = 0.1
# Why a row has no new one.
_OUTCOMES = {"skipped": "misread already", "failed": "held", "exhausted": "held within the limits",
             "stopped": "stopped", "error": "without a result"}


@app.command()
def augment(file: Annotated[str, typer.Argument(help="CSV, TSV, JSONL, JSON or Parquet file of labelled texts.")],
            out: Annotated[str, typer.Option("--out", help="File to write: .csv, .tsv or .jsonl.")],
            swaps: Swaps = "",
            attack: Annotated[str, typer.Option("--attack", help="Attack whose successes become rows.")] = "",
            model: Annotated[str, typer.Option("--model", help="Model that the attack is to fool.")] = "",
            variants: Annotated[int | None, typer.Option(
                "--variants", min=1, max=1000, help="Most new rows a row, 1 unless given; with --swaps alone.")] = None,
            share: Annotated[float | None, typer.Option(
                "--share", min=0.0, max=1.0, help=f"Share of words swapped, {_SHARE} unless given.")] = None,
            only_new: Annotated[bool, typer.Option("--only-new", help="Leave out the rows that were there.")] = False,
            text: TextColumn = "", label: LabelColumn = "", mapping: LabelMap = None, header: Header = None,
            seed: Seed = 0,
            preset: Annotated[str, typer.Option("--preset", help="careful or paper; careful where there is it.")] = "",
            max_queries: MaxQueries = None, time_limit: TimeLimit = None, settings: Settings = None,
            max_calls: MaxCalls = None, max_cost: MaxCost = None, device: Device = "auto") -> None:
    """Make more rows of a file of labelled texts, by swapped words or an attack; labels stay, each row says its origin.

    With --swaps alone, random words give way to words of the set. With --attack and --model, each text is attacked, and
    the texts that fool the model become rows; --swaps then says where the attack's words come from.
    """
    if bool(attack) != bool(model) or not (attack or swaps):
        raise BadInput("Give --swaps careful, or --attack with the --model that it is to fool.")
    if attack and (variants is not None or share is not None):
        raise BadInput("--variants and --share are about --swaps alone: an attack gives one text at most.")
    if not attack and (max_calls is not None or max_cost is not None):
        raise BadInput("--max-calls and --max-cost are about the model of an attack.")
    target = check_path(out, "file to write")
    kind = augmentation.check_out(target)
    check_target_file(target)
    with keep_stdout(), catch_interrupt() as stop, limit_victims(max_calls, max_cost, stop) as ceilings:
        data = read_data_file(check_path(file, "file of texts"), text, label, mapping, header)
        augmentation.check_columns(data.table)
        if not attack:
            new = list(augmentation.swap_rows(data.table, data.text, read_swap_set(swaps), variants or 1,
                                              _SHARE if share is None else share, seed))
            about = ""
        else:
            method, = make_attacks([attack], settings, preset, swaps, max_queries=max_queries, time_limit=time_limit)
            victim, = load_models([model], device, ceilings)
            new, about = _attack_rows(data, victim, method, seed, stop)
            ceilings.tell_reached()
        if stop.is_set():
            typer.echo("Nothing is written; what was found is stored: the same command goes on.", err=True)
            raise typer.Exit(INTERRUPTED)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_file(target, augmentation.write_rows(data.table, data.text, new, kind, only_new))
    rows = len(data.table.values(data.text))
    typer.echo(f"{target}: {len(new):,} new row{'s' * (len(new) != 1)} from {rows:,}{about}.")


def _attack_rows(data: DataFile, victim: Classifier, method: Attack, seed: int, stop: threading.Event
                 ) -> tuple[list[NewText], str]:
    """Attack each row that has a text and a label; return the successes, and what became of the others in words."""
    labelled = uploads.label_rows(data.table, data.text, data.label, data.names)
    texts = uploads.match_labels(labelled, victim.labels, uploads.make_plain_name(data.path.name))
    tell_data_file(data, labelled)
    store, run = ResultStore(), ""
    with progress.show_progress(Console(stderr=True)) as show:
        for event in evaluate([victim], texts, texts.split, [method], seed=seed, store=store, stop=stop):
            run = str(event.data["run"]) if event.kind == "row" else run
            show(event)
    uids = [example.uid for example in texts.examples]
    results = {result.example.uid: result for result in store.each(run)}
    rows = augmentation.number_rows(data.table, data.text, data.label)
    counts = collections.Counter(results[uid].status if uid in results else "error" for uid in uids)
    told = [f"{counts[status]:,} {words}" for status, words in _OUTCOMES.items() if counts[status]]
    return list(augmentation.collect_flips(results, uids, rows, seed)), f" ({', '.join(told)})" if told else ""
