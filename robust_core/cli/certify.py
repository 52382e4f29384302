"""Certificates, in L1 and in words: certify and train-smoothed."""

import dataclasses
from typing import Annotated

import typer

from robust_core.certify import SMOOTHERS, certified_accuracy, inputs, training
from robust_core.cli.certify_words import CAREFUL, show_word_certificates
from robust_core.cli.options import Json, Seed, keep_stdout, read_settings, read_typed_text
from robust_core.cli.output import Columns, Row, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.errors import BadInput
from robust_core.files import check_path, check_target
from robust_core.paths import own_checkpoints


@app.command()
def certify(text: Annotated[str | None, typer.Argument(help="A text, in quotes; - reads standard input.")] = None,
            dataset: Annotated[str | None, typer.Option("--dataset", help="Certify a data set instead.")] = None,
            model: Annotated[list[str] | None, typer.Option(
                "--model", help="Base classifiers: sst2, ag_news, digits; those of --dataset, or sst2. With --words an "
                                "additive model or one with a core; may be repeated.")] = None,
            method: Annotated[str, typer.Option("--method", help="dssn, ssn or uniform.")] = "dssn",
            scale: Annotated[list[float] | None, typer.Option("--scale", help="Lambda; may be repeated.")] = None,
            split: Annotated[str, typer.Option("--split", help="train, dev or test.")] = "test",
            n: Annotated[int | None, typer.Option("--n", min=1, help="Inputs drawn; all by default.")] = None,
            seed: Seed = 0,
            data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
            settings: Annotated[list[str] | None, typer.Option("--set", help="Parameter: name=value.")] = None,
            words: Annotated[bool, typer.Option(
                "--words", help="Prove in words: that no swaps of a set flip an additive model.")] = False,
            swaps: Annotated[str, typer.Option(
                "--swaps", help="With --words: careful, close, wide, or a JSON file, word to list of words.")
                ] = CAREFUL,
            as_json: Json = False) -> None:
    """Prove that the input of a smoothed classifier may move so far, or that words may be swapped, without a change."""
    from robust_core.certify import base_classifiers

    if (text is None) == (dataset is None):
        raise BadInput("Give either a text or --dataset.")
    if words or swaps != CAREFUL:
        if scale or settings or not words:
            raise BadInput("--swaps goes with --words, --scale and --set go without it.")
        show_word_certificates(text, dataset, model or [], swaps, split, n, seed, data_dir, as_json)
        return
    if len(model or ()) > 1:
        raise BadInput("Without --words, --model takes one name.")
    with keep_stdout():
        given = read_settings(SMOOTHERS[method], settings)
        if "scale" in given:
            raise BadInput("Give Lambda by --scale.")
        cleaned = None if text is None else read_typed_text(text)
        chosen = [certified_accuracy.make_smoother(method, value, 255, **given).scale for value in scale or ()]
        found = base_classifiers.load(*(model or [dataset or "sst2"]))
        if cleaned is not None:
            rows = certified_accuracy.certify_texts(found, [cleaned], method, chosen, seed=seed, **given)
        else:
            data = inputs.read_split(str(dataset), split, found.space, data_dir, n=n, seed=seed)
            rows = [
                certified_accuracy.measure_certified_accuracy(
                    found, data, certified_accuracy.make_smoother(method, value, found.levels, **given), seed=seed
                )[0]
                for value in chosen or found.scales(method)
            ]
    show_rows(rows, as_json, _CERTIFICATE if cleaned is not None else _CERTIFIED,
              list(dict.fromkeys(warning for row in rows for warning in row["warnings"])))


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
    from robust_core.certify import base_classifiers

    with keep_stdout():
        how = dataclasses.replace(training.recommend_settings(dataset), **read_settings(training.Settings, settings))
        root = check_target(check_path(out or own_checkpoints(), "folder of checkpoints"))
        rows: list[Row] = []
        for event in training.train_base_classifiers(
            dataset, method or list(SMOOTHERS), scale or training.SCALES, settings=how, seed=seed, data_dir=data_dir
        ):
            if event["kind"] == "network":
                rows.append({key: event[key] for key in ("method", "scale", "dev_accuracy", "seconds")})
            else:
                card = base_classifiers.save(event["model"], root)
                rows = [{"model": card.id, "seed": card.seed, **row, "path": str(card.folder)} for row in rows]
    show_rows(
        rows,
        as_json,
        {
            "Model": name_column("model"),
            "Method": name_column("method"),
            "Lambda": name_column("scale"),
            "Accuracy on dev": format_percent("dev_accuracy"),
            "Seconds": format_number("seconds"),
            "Stored in": name_column("path"),
        },
    )


_CERTIFICATE: Columns = {
    "Method": name_column("method"), "Lambda": format_number("scale"), "Evaluations": name_column("evaluations"),
    "Prediction": lambda row: row["prediction"] or "abstains", "L1 radius (0..1)": format_number("radius"),
    "In steps": name_column("radius_steps"), "In the embedding": format_number("radius_embedding"),
    "Votes": lambda row: ", ".join(f"{label} {votes}" for label, votes in row["votes"].items()),
    "Seconds": format_number("seconds"),
}

_CERTIFIED: Columns = {
    "Data": name_column("dataset"),
    "Method": name_column("method"),
    "Lambda": format_number("scale"),
    "Inputs": name_column("n"),
    "Evaluations": name_column("evaluations"),
    "Accuracy %": format_percent("clean_accuracy"),
    "Certified %": lambda row: ", ".join(f"{100 * p:.1f} at {r}" for r, p in row["certified_accuracy"].items() if p),
    "Median radius": format_number("median_radius"),
    "Seconds an input": format_number("seconds"),
}
