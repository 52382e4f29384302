"""Classifiers made of stored ones: combine."""

from typing import Annotated

import typer

from robust_core.cli.options import Json, keep_stdout
from robust_core.cli.output import Columns, format_number, format_percent, name_column, show_rows
from robust_core.cli.program import app
from robust_core.errors import BadInput
from robust_core.files import check_path, check_target
from robust_core.models.cards import CORE, TYPOS
from robust_core.paths import own_checkpoints


@app.command()
def combine(model: Annotated[str, typer.Option("--model", help="Id of the classifier that corrects the core, or that "
                                                               "mends typos.")],
            core: Annotated[str, typer.Option("--core", help="Id of an additive model, which is certified.")] = "",
            bound: Annotated[float | None, typer.Option(
                "--bound", min=0.0, help="By how much it may change the difference of two scores.")] = None,
            typos: Annotated[bool, typer.Option(
                "--typos", help="Read an unknown word as the nearest known one within one edit.")] = False,
            name: Annotated[str, typer.Option("--name", help="Last part of the new model's id.")] = "",
            data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of data sets.")] = None,
            out: Annotated[str | None, typer.Option("--out", help="Folder of checkpoints; runs/checkpoints.")] = None,
            as_json: Json = False) -> None:
    """Store a classifier made of stored ones: a core that one corrects within a bound, or one that mends typos."""
    from robust_core.train import combining

    with keep_stdout():
        if bool(core) != (bound is not None) or not (core or typos):
            raise BadInput("Name a core and a bound (--core, --bound), or a word model that mends typos (--typos).")
        root = check_target(check_path(out or own_checkpoints(), "folder of checkpoints"))
        if core and bound is not None:
            own = f"{CORE}-{TYPOS}" if typos else CORE
            card = combining.combine(core, model, bound, name or own, root, data_dir, typos)
        else:
            card = combining.mend_typos(model, name or f"{model.rpartition('/')[2]}-{TYPOS}", root, data_dir)
    show_rows([{"model": card.id, **card.defence, "dev_accuracy": card.dev_accuracy}], as_json, _COLUMNS)


_COLUMNS: Columns = {
    "Model": name_column("model"), "Of": name_column("of"), "Core": name_column("core"),
    "Correction": name_column("correction"), "Bound": format_number("bound"), "Dev %": format_percent("dev_accuracy"),
}
