"""Classifiers made of two stored ones: combine."""

from typing import Annotated

import typer

from robust_core.cli.options import Json, keep_stdout
from robust_core.cli.output import Columns, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.files import check_path, check_target
from robust_core.models.cards import CORE
from robust_core.paths import own_checkpoints


@app.command()
def combine(core: Annotated[str, typer.Option("--core", help="Id of an additive model, which is certified.")],
            model: Annotated[str, typer.Option("--model", help="Id of the classifier that corrects it.")],
            bound: Annotated[float, typer.Option(
                "--bound", min=0.0, help="By how much it may change the difference of two scores.")],
            name: Annotated[str, typer.Option("--name", help="Last part of the new model's id.")] = CORE,
            data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
            out: Annotated[str | None, typer.Option("--out", help="Folder of checkpoints; runs/checkpoints.")] = None,
            as_json: Json = False) -> None:
    """Store a classifier with a certified core that another one corrects within a bound; nothing is trained."""
    from robust_core.train.combining import combine as make

    with keep_stdout():
        root = check_target(check_path(out or own_checkpoints(), "folder of checkpoints"))
        card = make(core, model, bound, name, root, data_dir)
    show_rows([{"model": card.id, **card.defence, "dev_accuracy": card.dev_accuracy}], as_json, _COLUMNS)


_COLUMNS: Columns = {
    "Model": name_column("model"), "Core": name_column("core"), "Correction": name_column("correction"),
    "Bound": format_number("bound"), "Dev %": format_percent("dev_accuracy"),
}
