"""Stores of several parts of a sweep, taken over into one."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from robust_core.errors import BadInput
from robust_core.files import short_name
from robust_core.store import FILE, ResultStore


class Merged(NamedTuple):
    """What was taken over from one store.

    Attributes:
        folder: Where it lies.
        runs: Runs that it holds.
        results: Results of attacks that it holds, stopped ones aside.
        new: Those of them that were not in the other store.
        comparisons: Comparisons of explanations that it holds.
    """

    folder: str
    runs: int
    results: int
    new: int
    comparisons: int


def merge_stores(folders: Sequence[Path], store: ResultStore) -> list[Merged]:
    """Take over what other stores hold; what is there already stays, so that it may be repeated.

    Args:
        folders: Folders of stores, those that a sweep wrote by `--shard i/n --out DIR`.
        store: Where everything goes.

    Raises:
        BadInput: A folder holds no results, is that of the store itself, or its file is damaged.
    """
    for folder in folders:
        # The store would make an empty file where there is none.
        if not (folder / FILE).is_file():
            raise BadInput(f"The folder {short_name(folder)} holds no {FILE}: name those that --out was given.")
        if folder.resolve() == store.folder.resolve():
            raise BadInput(f"The folder {short_name(folder)} is the store itself; name the others.")
    return [_merge(ResultStore(folder), store) for folder in folders]


def _merge(part: ResultStore, store: ResultStore) -> Merged:
    counts = dict(results=0, new=0, comparisons=0)
    runs = part.runs()
    for name, run in runs.items():
        if run.id != name:
            raise BadInput(f"A run in {short_name(part.folder)} is damaged: its name is not that of what it says.")
        store.open_run(run)
        known = store.done(name)
        for result in part.each(name):
            if result.status == "stopped":
                continue
            counts["results"] += 1
            counts["new"] += (result.example.uid, result.victim) not in known
            store.append(name, result)
    for name, method, count in part.explained():
        counts["comparisons"] += count
        for uid, record in part.comparisons(name, method).items():
            store.compare(name, method, uid, record)
    part.close()
    return Merged(short_name(part.folder), len(runs), **counts)
