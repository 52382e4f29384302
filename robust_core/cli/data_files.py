"""Files of labelled texts on the command line: which columns, what the labels are called, and what was read is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from robust_core import uploads
from robust_core.errors import BadInput, list_names, quote, shorten
from robust_core.table_files import read_table_file
from robust_core.tables import Table

TextColumn = Annotated[str, typer.Option("--text", help="Column of the file's texts; found by itself.")]

LabelColumn = Annotated[str, typer.Option("--label", help="Column of the file's labels; found by itself.")]

LabelMap = Annotated[list[str] | None, typer.Option(
    "--map", help="What a label of the file is called: 0=negative; repeatable.")]

Header = Annotated[bool | None, typer.Option(
    "--header/--no-header", help="Whether the file's first line names the columns; found by itself.")]


class DataFile(NamedTuple):
    """A file of labelled texts, and how it was asked to be read.

    Attributes:
        path: The file.
        table: Its columns.
        text: Column of the texts.
        label: Column of the labels.
        names: Names of the labels, by label.
        words: The options that ask for the same.
    """

    path: Path
    table: Table
    text: str
    label: str
    names: dict[str, str]
    words: list[str]


def read_data_file(path: Path, text: str, label: str, mapping: Sequence[str] | None, header: bool | None) -> DataFile:
    """Read a file of labelled texts; what is not said is told from the file.

    Raises:
        BadInput: It cannot be read, has no such column, or does not tell whether its first line names the columns.
    """
    table = read_table_file(path, header)
    if table.header is None:
        line = list_names(table.first(1)[0].values())
        raise BadInput(f"The first line of {shorten(path.name)} may name the columns or be a row ({line}): say "
                       "--header or --no-header.")
    guessed = table.guess()
    chosen = text or (guessed[0] if guessed[0] != label else guessed[1])
    classes = label or (guessed[1] if guessed[1] != chosen else guessed[0])
    names = {}
    for given in mapping or ():
        value, equals, name = given.partition("=")
        if not equals:
            raise BadInput(f"--map takes label=name, not {quote(given)}.")
        names[value.strip()] = name.strip()
    words = ["--text", chosen, "--label", classes, *(word for given in mapping or () for word in ("--map", given))]
    if header is not None:
        words.append("--header" if header else "--no-header")
    return DataFile(path, table, chosen, classes, names, words)


def tell_data_file(file: DataFile, labelled: uploads.Labelled, more: str = "") -> None:
    """Say on stderr what was read from a file, and what was not."""
    parts = [] if file.table.header else ["no line names the columns"]
    parts += [f"texts from {shorten(file.text)}, labels from {shorten(file.label)}"]
    others = [name for name in file.table.columns if name not in (file.text, file.label)]
    parts += [f"not read: {list_names(others)}"] if others else []
    merged = file.table.describe_merged(file.label)
    parts += [merged] if merged else []
    if labelled.left_out:
        parts.append(f"{labelled.left_out:,} rows without a text or a label are left out")
    typer.echo(f"{shorten(file.path.name)}: {'; '.join(parts)}{more}", err=True)
