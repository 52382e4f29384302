"""Files of labelled texts on the command line: which columns, what the labels are called, and what was read is said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from robust_core import uploads
from robust_core.errors import BadInput, list_names, quote, shorten
from robust_core.pair_columns import Pair, choose_pair
from robust_core.table_files import find_pair, read_table_file
from robust_core.tables import Table
from robust_core.task_files import read_task_file

TextColumn = Annotated[str, typer.Option("--text", help="Column of the file's texts; found by itself.")]

LabelColumn = Annotated[str, typer.Option("--label", help="Column of the file's labels; found by itself.")]

LabelMap = Annotated[list[str] | None, typer.Option(
    "--map", help="What a label of the file is called: 0=negative; repeatable.")]

Header = Annotated[bool | None, typer.Option(
    "--header/--no-header", help="Whether the file's first line names the columns; found by itself.")]


PairColumns = Annotated[str, typer.Option(
    "--pair", help="Two columns that are classified together, such as premise,hypothesis.")]

Changeable = Annotated[list[str] | None, typer.Option(
    "--change", help="Part of a pair that attacks may change; the second one by default; repeatable.")]

TaskName = Annotated[str, typer.Option(
    "--task", help="Task of a file of the form of AdvGLUE's dev.json, such as mnli.")]


class PairOptions(NamedTuple):
    """How pairs of texts were asked for.

    Attributes:
        columns: Two columns with a comma between; empty for none.
        change: Parts that attacks may change.
        task: Task of a file that holds several.
    """

    columns: str = ""
    change: Sequence[str] = ()
    task: str = ""


class DataFile(NamedTuple):
    """A file of labelled texts, and how it was asked to be read.

    Attributes:
        path: The file.
        table: Its columns.
        text: Column of the texts; of pairs the first one.
        label: Column of the labels.
        names: Names of the labels, by label.
        words: The options that ask for the same.
        pair: Both columns of pairs; None of single texts.
    """

    path: Path
    table: Table
    text: str
    label: str
    names: dict[str, str]
    words: list[str]
    pair: Pair | None = None


def read_data_file(path: Path, text: str, label: str, mapping: Sequence[str] | None, header: bool | None,
                   pairs: PairOptions | None = None) -> DataFile:
    """Read a file of labelled texts; what is not said is told from the file.

    Args:
        path: The file.
        text: Column of the texts.
        label: Column of the labels.
        mapping: Names of labels, as "label=name".
        header: Whether the first line names the columns.
        pairs: How pairs of texts are asked for; None where only single texts can be used.

    Raises:
        BadInput: It cannot be read, has no such column, or does not tell whether its first line names the columns or
            which columns are a pair.
    """
    task = None if pairs is None else read_task_file(path, pairs.task)
    table = read_table_file(path, header, pairs=pairs is not None) if task is None else task.table
    if table.header is None:
        line = list_names(table.first(1)[0].values())
        raise BadInput(f"The first line of {shorten(path.name)} may name the columns or be a row ({line}): say "
                       "--header or --no-header.")
    columns = [] if pairs is None else [name.strip() for name in pairs.columns.split(",") if name.strip()]
    if task is not None:
        text, label = text or task.task.columns[0] * (len(task.task.columns) == 1), label or "label"
        columns = columns or [*task.task.columns] * (not text)
    pair = _choose_pair(path, table, text, columns, pairs) if pairs is not None else None
    guessed = table.guess()
    text = text if pair is None else pair.columns[0]
    chosen = text or (guessed[0] if guessed[0] != label else guessed[1])
    classes = label or (guessed[1] if guessed[1] != chosen else guessed[0])
    if pair is not None and not label:
        classes = table.guess_label([name for name in table.columns if name not in pair.columns] or [*pair.columns])
    names = {} if task is None else task.names
    for given in mapping or ():
        value, equals, name = given.partition("=")
        if not equals:
            raise BadInput(f"--map takes label=name, not {quote(given)}.")
        names[value.strip()] = name.strip()
    words = ["--text", chosen] if pair is None else [
        "--pair", ",".join(pair.columns), *(word for part in pair.attackable for word in ("--change", part))]
    words += ["--task", pairs.task] if pairs is not None and pairs.task else []
    words += ["--label", classes, *(word for given in mapping or () for word in ("--map", given))]
    if header is not None:
        words.append("--header" if header else "--no-header")
    return DataFile(path, table, chosen, classes, names, words, pair)


def _choose_pair(path: Path, table: Table, text: str, columns: Sequence[str], pairs: PairOptions
                 ) -> Pair | None:
    """Return the columns of pairs, None where single texts are asked for."""
    if text and columns:
        raise BadInput("--text names the column of single texts, --pair the two of pairs: give one of them.")
    if columns:
        return choose_pair(columns, [name.strip() for name in pairs.change])
    if pairs.change:
        raise BadInput("--change is about pairs of texts: name their two columns with --pair.")
    if not text and (found := find_pair(table.columns)):
        raise BadInput(f"{shorten(path.name)} holds pairs of texts: say --pair {found[0]},{found[1]}, or --text for a "
                       "column that is to be read alone.")
    return None


def tell_data_file(file: DataFile, labelled: uploads.Labelled, more: str = "") -> None:
    """Say on stderr what was read from a file, and what was not."""
    parts = [] if file.table.header else ["no line names the columns"]
    used = (file.text,) if file.pair is None else file.pair.columns
    parts += [f"texts from {shorten(' and '.join(used))}, labels from {shorten(file.label)}"]
    parts += [f"attacks may change {' and '.join(file.pair.attackable)}"] if file.pair else []
    others = [name for name in file.table.columns if name not in (*used, file.label)]
    parts += [f"not read: {list_names(others)}"] if others else []
    merged = file.table.describe_merged(file.label)
    parts += [merged] if merged else []
    if labelled.left_out:
        parts.append(f"{labelled.left_out:,} rows without a text or a label are left out")
    typer.echo(f"{shorten(file.path.name)}: {'; '.join(parts)}{more}", err=True)
