"""Universal triggers: one phrase that misleads a model on most texts of a data set."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer

from robust_core import datasets
from robust_core.classifiers import find_label
from robust_core.cli.options import Device, Json, Seed, catch_interrupt, keep_stdout, load_models
from robust_core.cli.output import Row, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import INTERRUPTED, app
from robust_core.errors import BadInput
from robust_core.evaluation.evaluate import check_labels
from robust_core.protocols import Classifier, WhiteBox, need_white_box
from robust_core.triggers.measuring import RANDOM_PHRASES, HeldOut, measure_random
from robust_core.triggers.objective import FRONT, Goal
from robust_core.triggers.search import MOST_WORDS, Found, Round, TriggerSearch, find_trigger
from robust_core.triggers.vocabulary import list_words
from robust_core.types import Example

TRAIN, DEV, TEST = "train", "dev", "test"


@app.command()
def trigger(model: Annotated[str, typer.Argument(help="Model id, such as sst2/cnn/base; it must show gradients.")],
            dataset: Annotated[str, typer.Option("--dataset", help="Name of the data set.")],
            length: Annotated[int, typer.Option("--length", min=1, max=MOST_WORDS, help="Words of the trigger.")] = 3,
            target: Annotated[str, typer.Option(
                "--target", help="Class to reach; without it, any but the right one will do.")] = "",
            place: Annotated[str, typer.Option("--place", help="Where it stands: front or end.")] = FRONT,
            split: Annotated[str, typer.Option("--split", help="Texts to search on: train or dev.")] = TRAIN,
            report: Annotated[str, typer.Option(
                "--report", help="Texts to report on: dev or test. Of one split for both, one half each.")] = DEV,
            n: Annotated[int, typer.Option("--n", min=1, help="Most texts to search on.")] = 500,
            report_n: Annotated[int | None, typer.Option(
                "--report-n", min=1, help="Most texts to report on; all by default.")] = None,
            beam: Annotated[int, typer.Option("--beam", min=1, max=100, help="Phrases kept after each word.")] = 3,
            candidates: Annotated[int, typer.Option(
                "--candidates", min=0, help="Words tried at each place, by gradient; 0: all.")] = 20,
            batch: Annotated[int, typer.Option(
                "--batch", min=0, help="Texts that a round looks at, drawn anew; 0: all.")] = 100,
            rounds: Annotated[int, typer.Option("--rounds", min=1, max=1000, help="Most rounds over all places.")] = 10,
            forbid: Annotated[list[str] | None, typer.Option(
                "--forbid", help="Word that the trigger must not hold; repeatable.")] = None,
            polarity: Annotated[bool, typer.Option(
                "--polarity/--no-polarity", help="Whether it may hold words that are positive or negative by "
                                                 "themselves, by a sentiment lexicon.")] = False,
            transfer: Annotated[list[str] | None, typer.Option(
                "--transfer", help="Model to try the trigger on as well; repeatable.")] = None,
            data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
            seed: Seed = 0, device: Device = "auto", as_json: Json = False) -> None:
    """Search for one phrase that misleads a model on most texts; Ctrl-C keeps the best so far.

    It is searched with gradients on some texts and reported on others, beside random phrases of the same length.
    """
    with keep_stdout(), catch_interrupt() as stop:
        settings = TriggerSearch(length, beam, candidates, batch, rounds, place, seed)
        about = datasets.describe(dataset)
        attacked, *others = _load_all([model, *(transfer or ())], device)
        white = need_white_box(attacked, "the search for a trigger")
        for each in (attacked, *others):
            check_labels(each, about)
        wanted = find_label(white, target) if target else None
        searched, held_out = choose_texts(dataset, split, report, n, report_n, seed, data_dir)
        words = list_words(white, [example.text for example in searched], forbid or (), polarity=polarity)
        typer.echo(f"{len(searched):,} texts to search on, {len(held_out):,} to report on, {len(words):,} words.",
                   err=True)
        found = find_trigger(white, searched, words, settings, wanted, stop, _tell_round)
        rows = [_make_row(white, found, settings, target, held_out, wanted, words)]
        goal = Goal(wanted, place)
        rows += [{"model": each.id, "trigger_from": white.id, "trigger": rows[0]["trigger"]}
                 | HeldOut(each, held_out, goal).measure(found.phrase) for each in others]
    stopped = ["The search was ended early: the phrase is the best that it had."] if found.stopped else []
    show_rows(rows, as_json, _COLUMNS, [
        f"Success: of the texts that a model classifies correctly{' and that are not ' + target if target else ''}, "
        f"those that it misleads. Random: the mean over {RANDOM_PHRASES} phrases of {length} random words of the "
        "same list, and the best of these, chosen on the texts it is reported on.", *stopped])
    raise typer.Exit(INTERRUPTED if found.stopped else 0)


def choose_texts(dataset: str, split: str, report: str, n: int | None, report_n: int | None, seed: int,
                 data_dir: str | None = None) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the texts that a trigger is searched on, and those that it is reported on; no text is among both.

    Args:
        dataset: Name of the data set.
        split: Split to search on: train or dev.
        report: Split to report on; the same one gives a half to each, drawn at random.
        n: Most texts to search on.
        report_n: Most texts to report on.
        seed: Draws both.
        data_dir: Folder of data sets.

    Raises:
        BadInput: It would be searched on test texts, or no text is left for one of both.
    """
    if split == TEST:
        raise BadInput("A trigger is searched on train or dev: texts of test are there to report on.")
    examples = datasets.load(dataset, split, data_dir)
    if report == split:
        order = np.random.default_rng(seed).permutation(len(examples))
        first, second = ([examples[i] for i in sorted(part)] for part in np.array_split(order, 2))
    else:
        # A text that stands in both splits was searched on.
        known = {example.text for example in examples}
        first = examples
        second = [e for e in datasets.load(dataset, report, data_dir) if e.text not in known]
    if not first or not second:
        raise BadInput(f"The {split} and {report} texts of {dataset} are too few to search on some and report on "
                       "others.")
    return datasets.choose(first, n, seed), datasets.choose(second, report_n, seed)


def _load_all(names: Sequence[str], device: str) -> list[Classifier]:
    if len(set(names)) < len(names):
        raise BadInput("--transfer names a model twice, or the one that the trigger is searched on.")
    return load_models(names, device)


def _tell_round(told: Round) -> None:
    typer.echo(f"Round {told.round}, word {told.place}: {' '.join(told.phrase)!r} misleads {100 * told.share:.0f} % of "
               "the round's texts.", err=True)


def _make_row(model: WhiteBox, found: Found, settings: TriggerSearch, target: str, held_out: Sequence[Example],
              wanted: int | None, words: Sequence[str]) -> Row:
    judged = HeldOut(model, held_out, Goal(wanted, settings.place))
    row: dict[str, Any] = {
        "model": model.id, "trigger": " ".join(found.phrase), "target": target or None, "place": settings.place,
        "length": settings.length, "seed": settings.seed, "words": len(words), "rounds": found.rounds,
        "judged": found.judged, "stopped": found.stopped, "searched_n": found.texts,
        "searched_success_rate": found.effect.reached / found.texts}
    control = measure_random(judged, words, settings.length, settings.seed)
    return row | judged.measure(found.phrase) | control.describe()


def _show_best(row: Row) -> str:
    return "" if "random_best" not in row else f"{100 * row['random_best']:.1f} ({row['random_best_phrase']})"


_COLUMNS = {
    "Model": name_column("model"), "Trigger": name_column("trigger"), "Searched on": name_column("trigger_from"),
    "Texts": name_column("n"), "Accuracy %": format_percent("accuracy"),
    "With the trigger %": format_percent("accuracy_with_trigger"), "Tried": name_column("tried"),
    "Success %": format_percent("success_rate"), "Random %": format_percent("random_success_rate"),
    "Best random %": _show_best, "Rounds": format_number("rounds"),
}
