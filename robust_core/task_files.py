"""Files that hold several tasks, each a list of rows: the form of AdvGLUE's dev.json.

AdvGLUE (Wang et al. 2021, https://arxiv.org/abs/2111.02840) publishes adversarial texts for five tasks of GLUE as one
JSON object, from the name of a task to its rows; labels are numbers, with the meaning that they have in GLUE.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from robust_core.errors import BadInput, UnknownName, list_names, shorten
from robust_core.files import explain_failures
from robust_core.table_files import MOST_JSON_ARRAY, read_upload
from robust_core.tables import Table


class Task(NamedTuple):
    """What is known of a task of GLUE.

    Attributes:
        columns: Columns of its texts, in the order in which models read them.
        labels: What its labels 0, 1, … mean.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...]


_NLI, _ENTAILED = ("entailment", "neutral", "contradiction"), ("entailment", "not_entailment")
TASKS: Mapping[str, Task] = {
    "sst2": Task(("sentence",), ("negative", "positive")),
    "qqp": Task(("question1", "question2"), ("not_duplicate", "duplicate")),
    "mnli": Task(("premise", "hypothesis"), _NLI), "mnli-mm": Task(("premise", "hypothesis"), _NLI),
    "qnli": Task(("question", "sentence"), _ENTAILED), "rte": Task(("sentence1", "sentence2"), _ENTAILED),
}


class TaskFile(NamedTuple):
    """One task of a file.

    Attributes:
        task: Columns and labels.
        table: Its rows.
        names: Names of the labels that its rows have, by label.
    """

    task: Task
    table: Table
    names: dict[str, str]


def read_task_file(path: Path, name: str = "") -> TaskFile | None:
    """Read one task of a file.

    Args:
        path: The file.
        name: Which task.

    Returns:
        None where the file is of another form.

    Raises:
        BadInput: It cannot be read, the task is to be named, or its rows lack a column.
        UnknownName: It has no such task.
    """
    lists = _read_lists(path)
    where = shorten(path.name)
    if lists is None:
        if name:
            raise BadInput(f"{where} holds no tasks by name, as AdvGLUE's dev.json does: leave --task out.")
        return None
    known = [task for task in lists if task in TASKS]
    if not known:
        raise BadInput(f"{where} holds {list_names([*lists])}; tasks that can be read are {list_names([*TASKS])}.")
    if not name and len(known) > 1:
        raise BadInput(f"{where} holds several tasks: name one of them with --task ({list_names(known)}).")
    name = name.strip().lower() or known[0]
    if name not in known:
        raise UnknownName("task", name, known)
    task = TASKS[name]
    # The rows alone are a file that can be read already.
    table = read_upload(f"{where}.json", json.dumps(lists[name]).encode(), pairs=True)
    for column in (*task.columns, "label"):
        if column not in table.columns:
            raise BadInput(f"The rows of {name} in {where} have no {column}; they have {list_names(table.columns)}.")
    there = {*table.values("label")}
    return TaskFile(task, table, {str(i): label for i, label in enumerate(task.labels) if str(i) in there})


def _read_lists(path: Path) -> dict[str, Sequence[Any]] | None:
    """Return the lists of a JSON object that holds nothing but lists, by name; None of any other file."""
    if path.suffix.lower() != ".json":
        return None
    with explain_failures(path.name):
        if not path.is_file() or path.stat().st_size > MOST_JSON_ARRAY:
            return None
        try:
            found = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError):
            return None
    if not isinstance(found, dict) or not found or not all(isinstance(rows, list) for rows in found.values()):
        return None
    return found
