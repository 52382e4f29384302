"""Where texts to judge come from: stored runs of `evaluate`, and files that `attack` and the Attack page export."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import name_preset
from robust_core.errors import BadInput, RobustError, shorten
from robust_core.judging.items import (
    Counts,
    Group,
    Item,
    Source,
    check_same_labels,
    make_group,
    make_id,
    make_item,
    make_source,
)
from robust_core.judging.records import read_counts
from robust_core.runs import Run
from robust_core.slices import Slice, list_results
from robust_core.store import ResultStore
from robust_core.table_files import MOST_JSON_ARRAY, read_upload
from robust_core.tables import MOST_CLASSES, fold_label
from robust_core.types import AttackResult

_ATTEMPTED = ("succeeded", "failed", "exhausted")
# How the exports name columns and outcomes; `flipped` and `held` are the words of the Attack page.
_TEXT, _ORIGINAL, _LABEL = ("perturbed", "adversarial"), ("original", "text"), ("reference_label", "label")
_FLIPPED, _HELD = ("succeeded", "flipped"), ("failed", "held", "exhausted", "out of budget", "nothing to swap")


class StoredRun(NamedTuple):
    """A run with flips.

    Attributes:
        id: Its id.
        title: Data set, split and how many flips, without a word of model and attack.
        flips: How many texts it flipped.
        results: How many results it has by now.
    """

    id: str
    title: str
    flips: int
    results: int


def list_runs(store: ResultStore) -> list[StoredRun]:
    """Return the stored runs that flipped a text, the newest first.

    Raises:
        BadInput: The store cannot be read.
    """
    runs, found = store.runs(), []
    for run_id, victims in store.count_statuses().items():
        flips = sum(counts.get("succeeded", 0) for counts in victims.values())
        if flips and _is_flipping(runs[run_id].method):
            data = runs[run_id].data
            title = f"{_name_data(data)} {data.get('split', '')}".rstrip()
            found.append(StoredRun(run_id, f"{title}: {flips:,} flips, run {run_id}", flips,
                                   sum(sum(counts.values()) for counts in victims.values())))
    return found


def _is_flipping(method: Mapping[str, Any]) -> bool:
    """Return whether an attack wants another class; input reduction wants a shorter text of the same."""
    name = str(method.get("name", ""))
    return name in ATTACKS and ATTACKS[name].goal != "reduce"


def _name_data(data: Mapping[str, Any]) -> str:
    name = str(data.get("dataset", ""))
    try:
        return datasets.describe(name).title
    except RobustError:
        return shorten(name)


def read_runs(store: ResultStore, run_ids: Sequence[str], find_labels: Callable[[str], Sequence[str]],
              part: Slice | None = None) -> Source:
    """Return the flips of stored runs, and as originals every text that their attacks tried.

    Args:
        store: The store.
        run_ids: The runs.
        find_labels: Gives the labels of a model by its id; asked where the data set is not known here.
        part: The texts to take; all by default. How often an attack succeeded is then counted over these.

    Raises:
        BadInput: A run is not there, has no flips, or the runs have different labels.
    """
    runs = store.runs()
    if not run_ids or not all(run_id in runs for run_id in run_ids):
        raise BadInput("These runs are not stored here any more; choose others.")
    items: list[Item] = []
    counts: dict[Group, Counter[str]] = {}
    labels = check_same_labels(_find_labels(runs[run_id], find_labels) for run_id in run_ids)
    for run_id in run_ids:
        for result in store.each(run_id) if part is None else list_results(part, store, run_id):
            if result.status in _ATTEMPTED:
                group = Group(result.victim, str(result.attack["name"]), name_preset(result.attack))
                counts.setdefault(group, Counter())[result.status] += 1
                items += _make_pair(result, group, labels)
    if not any(item.adversarial for item in items):
        raise BadInput("These runs flipped no text, so there is nothing to judge; choose others.")
    title = ", ".join(dict.fromkeys(_name_data(runs[run_id].data) for run_id in run_ids))
    places = [] if part is None else ["slice", *part.places]
    return make_source(make_id("runs", *sorted(run_ids), *places), title, labels, items, {
        group: Counts(sum(own.values()), own["succeeded"]) for group, own in counts.items()})


def _find_labels(run: Run, find_labels: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    try:
        return datasets.describe(str(run.data.get("dataset", ""))).labels
    except RobustError:
        return next((tuple(found) for model in run.models if (found := find_labels(model))), ())


def _make_pair(result: AttackResult, group: Group, labels: Sequence[str]) -> Iterator[Item]:
    index = result.reference_label
    label = labels[index] if index < len(labels) else f"class {index + 1}"
    yield make_item(result.example.text, result.example.text, label, False)
    if result.status == "succeeded" and result.perturbed != result.example.text:
        yield make_item(result.perturbed, result.example.text, label, True, group)


def read_attacked(file_name: str, content: bytes) -> Source:
    """Return the adversarial texts and originals of a file: CSV, TSV, JSONL or JSON, as attacks are exported.

    Columns: `perturbed` (or `adversarial`), `original` (or `text`), `reference_label` (or `label`); if they are there
    `model`, `attack`, `preset` and `status` (succeeded or flipped counts as a flip, failed, exhausted and held as
    attacked). Without `status` every changed text counts as a flip, and how often the attack succeeded is not known.
    Columns `attempted` and `succeeded`, as `to_rows` writes them, say it where not all rows are there.

    Args:
        file_name: Its name, whose ending says what it is.
        content: Its bytes.

    Raises:
        BadInput: It cannot be read, a column is missing, or it holds no flips or too many labels.
    """
    name = shorten(file_name)
    table = read_upload(file_name, _unwrap(file_name, content))
    named = {column.strip().lower(): cells for column, cells in reversed([*table.cells.items()])}
    texts, originals, labels = (_find_column(named, wanted, name) for wanted in (_TEXT, _ORIGINAL, _LABEL))
    empty = [""] * len(texts)
    models, attacks, presets = (named.get(column, empty) for column in ("model", "attack", "preset"))
    attempted, succeeded = (named.get(column, empty) for column in Counts._fields)
    statuses, given = named.get("status"), dict[Group, tuple[str, str]]()
    items: list[Item] = []
    counts: dict[Group, list[int]] = {}
    spelt: dict[str, str] = {}
    left_out = 0
    for at, (text, original, label) in enumerate(zip(texts, originals, labels, strict=True)):
        status = statuses[at].lower() if statuses is not None else "flipped" if text and text != original else "held"
        left_out += not (original and label)
        if not (original and label) or status not in _FLIPPED + _HELD:
            continue
        label = spelt.setdefault(fold_label(label), label)
        group = make_group(models[at], attacks[at], presets[at])
        given.setdefault(group, (attempted[at], succeeded[at]))
        own = counts.setdefault(group, [0, 0])
        items.append(make_item(original, original, label, False))
        own[0] += 1
        if status in _FLIPPED and text and text != original:
            own[1] += 1
            items.append(make_item(text, original, label, True, group))
    if len(spelt) > MOST_CLASSES:
        raise BadInput(f"{name} has {len(spelt):,} different labels; {MOST_CLASSES} are the most.")
    if not any(item.adversarial for item in items):
        raise BadInput(f"{name} holds no flipped text with a label, so there is nothing to judge.")
    known = {group: Counts(*own) for group, own in counts.items()} if statuses is not None else {}
    if "attempted" in named and "succeeded" in named:
        known = {group: read_counts(*own, name) for group, own in given.items()}
    return make_source(make_id("file", hashlib.sha256(content).hexdigest()), name,
                       sorted(spelt.values()), items, known, left_out)


def to_rows(source: Source) -> Iterator[dict[str, Any]]:
    """Yield the texts of a source as rows that `read_attacked` reads: a class can judge them on several machines."""
    for item in source.items:
        counts = source.counts.get(item.group, Counts())
        yield {"perturbed": item.text, "original": item.original, "reference_label": item.label,
               "status": "succeeded" if item.adversarial else "failed", **item.group._asdict(), **counts._asdict()}


def _unwrap(file_name: str, content: bytes) -> bytes:
    """Return the rows of what `attack --json` prints, {"results": [...]}; other files as they are."""
    if not file_name.lower().endswith(".json") or len(content) > MOST_JSON_ARRAY:
        return content
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    if isinstance(document, dict) and isinstance(document.get("results"), list):
        return json.dumps(document["results"]).encode()
    return content


def _find_column(named: Mapping[str, list[str]], wanted: Sequence[str], name: str) -> list[str]:
    found = next((named[column] for column in wanted if column in named), None)
    if found is None:
        raise BadInput(f"{name} has no column {' or '.join(wanted)}: it needs the adversarial text, the original and "
                       "its label in each row.")
    return found
