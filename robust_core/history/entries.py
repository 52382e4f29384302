"""One entry for each thing that was run and kept: evaluations, typed attacks, trainings, judgements; newest first."""

import contextlib
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from robust_core import datasets, trainings
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import name_preset
from robust_core.errors import RobustError, shorten
from robust_core.evaluation.explanation_consistency import list_stored
from robust_core.judging.kept import ENDING, MOST_FILES, read_files
from robust_core.judging.records import keep_latest, list_judges
from robust_core.judging.scores import decide, score_verdicts
from robust_core.metrics import estimate_proportion
from robust_core.models import cards
from robust_core.paths import own_checkpoints, own_judgements
from robust_core.runs import Run
from robust_core.store import ResultStore

EVALUATION, TYPED, TRAINING, UNFINISHED, JUDGED = "evaluation", "typed attack", "training", "unfinished", "judgements"
# What a document of a person's own store is that names a view in the store of all links.
LINK = "link"


class Entry(NamedTuple):
    """Something that was run and kept.

    Attributes:
        kind: EVALUATION, TYPED, TRAINING, UNFINISHED or JUDGED.
        id: Run, token, model or file of judgements (`source/file`): with the kind it names the entry.
        when: When it began, in UTC; of a training and of judgements when they were last written.
        models: Ids of the models.
        dataset: Name of the data set; empty for a typed text.
        split: Split of it, empty where there is none.
        attacks: Names of the attacks.
        presets: Preset of each attack, empty where its values are of none.
        n: Texts behind the figure.
        figure: What the figure is, in a few words.
        value: The figure, 0..1; NaN where there is none.
        error: Its standard error; NaN where there is none.
        text: The typed text, the judge's name, or nothing.
        explained: Names of the explainers whose explanations were compared.
    """

    kind: str
    id: str
    when: datetime
    models: tuple[str, ...]
    dataset: str = ""
    split: str = ""
    attacks: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    n: int = 0
    figure: str = ""
    value: float = math.nan
    error: float = math.nan
    text: str = ""
    explained: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What names the entry among all others."""
        return f"{self.kind} {self.id}"


def list_entries(store: ResultStore, links: ResultStore | None = None) -> list[Entry]:
    """Return what this person ran and kept, the newest first.

    Args:
        store: The person's store.
        links: The store of the views behind links, which all people share; the person's own by default.

    Raises:
        BadInput: The store cannot be read.
    """
    found = [*_list_evaluations(store), *_list_views(store, links or store), *_list_trainings(), *_list_judgements()]
    return sorted(found, key=lambda entry: entry.when, reverse=True)


def find_entries(entries: Sequence[Entry], asked: str, store: ResultStore) -> list[Entry]:
    """Return the entries that a person looks for: every word stands in what is listed of them, or all in a text.

    Args:
        entries: All entries.
        asked: What was typed; case does not count, and nothing finds all.
        store: The person's store, whose texts are searched as well.

    Raises:
        BadInput: The store cannot be read.
    """
    words = asked.lower().split()
    if not words:
        return list(entries)
    runs = store.runs_with(" ".join(asked.split()))
    return [entry for entry in entries if (entry.kind == EVALUATION and entry.id in runs)
            or all(word in _describe(entry) for word in words)]


def _describe(entry: Entry) -> str:
    """Return all that is listed of an entry, in lower case."""
    attacks = [f"{name} {ATTACKS[name].title if name in ATTACKS else ''}" for name in entry.attacks]
    parts = [entry.kind, entry.id, f"{entry.when:%Y-%m-%d %H:%M}", *entry.models, entry.dataset,
             name_dataset(entry.dataset), entry.split, *attacks, *entry.presets, entry.text, *entry.explained]
    return " ".join(parts).lower()


def name_dataset(name: str) -> str:
    """Return a data set's name as people write it; of one that is not here any more what it was stored under."""
    try:
        return datasets.describe(name).title
    except RobustError:
        return shorten(name)


def _list_evaluations(store: ResultStore) -> Iterator[Entry]:
    runs, started = store.runs(), store.started()
    explained: dict[str, list[str]] = {}
    for of in list_stored(store):
        explained.setdefault(of.run_id, []).append(str(of.method["name"]))
    for run_id, victims in store.count_statuses().items():
        run = runs[run_id]
        counts: dict[str, int] = {}
        for own in victims.values():
            for status, count in own.items():
                counts[status] = counts.get(status, 0) + count
        n = sum(counts.values()) - counts.get("stopped", 0)
        value, error = estimate_proportion(count_right(run.method, counts), n)
        yield Entry(EVALUATION, run_id, _read_time(started[run_id]), tuple(run.models),
                    str(run.data.get("dataset", "")), str(run.data.get("split", "")), (str(run.method["name"]),),
                    (find_preset(run.method),), n, "right under attack", value, error,
                    explained=tuple(explained.get(run_id, ())))


def count_right(method: Mapping[str, Any], counts: Mapping[str, int]) -> int:
    """Return how many texts a model still gets right after an attack, from how many results have each status.

    Args:
        method: Record of the attack.
        counts: Results by status.
    """
    # Input reduction succeeds where the class stays.
    name = str(method["name"])
    kept = counts.get("succeeded", 0) if name in ATTACKS and ATTACKS[name].goal == "reduce" else 0
    return kept + counts.get("failed", 0) + counts.get("exhausted", 0)


def find_preset(method: Mapping[str, Any]) -> str:
    """Return the preset of an attack's record; empty where it has none, or the attack is not known here any more."""
    return name_preset(method) if str(method["name"]) in ATTACKS else ""


def _list_views(store: ResultStore, links: ResultStore) -> Iterator[Entry]:
    for token, created in store.views().items():
        # Another version of the program may have stored it.
        with contextlib.suppress(RobustError, KeyError, TypeError, ValueError, AttributeError):
            yield _read_view(store, links, token)._replace(when=_read_time(created))


@functools.lru_cache(maxsize=2000)
def _read_view(store: ResultStore, links: ResultStore, token: str) -> Entry:
    """Return what a stored view is about; it never changes, and is large."""
    document = store.get(token)
    if LINK in document:
        token = document[LINK]
        document = links.get(token)
    outcome = document["outcome"]
    asked = outcome["asked"]
    statuses = [result["status"] for result in outcome["results"]]
    flipped, tried = statuses.count("succeeded"), sum(status not in ("skipped", "stopped") for status in statuses)
    attacks = tuple(str(record["name"]) for record in asked["attacks"])
    return Entry(TYPED, str(token), datetime.min, tuple(map(str, asked["models"])), attacks=attacks,
                 presets=tuple(map(find_preset, asked["attacks"])), n=1,
                 figure=f"{flipped} of {tried} attacks succeeded" if tried else "nothing was attacked",
                 text=str(asked["text"]))


def find_run(store: ResultStore, run_id: str) -> Run:
    """Return a stored run.

    Raises:
        UnknownRun: There is none of this id.
    """
    found = store.runs()
    if run_id not in found:
        raise UnknownRun(run_id)
    return found[run_id]


class UnknownRun(RobustError):
    """No run of this id is stored here."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"No run {shorten(run_id, 40)!r} is stored here. The page History lists them, and `evaluate` "
                         "prints their ids.")


def _list_trainings() -> Iterator[Entry]:
    for card in list_own_cards():
        dev = card.data.get("dev", {}).get("n", 0)
        _, error = estimate_proportion(round(card.dev_accuracy * dev), dev)
        with contextlib.suppress(OSError):
            when = (card.folder / "card.json").stat().st_mtime
            yield Entry(TRAINING, card.id, _from_seconds(when), (card.id,), card.dataset, "train",
                        n=int(card.data.get("train", {}).get("n", 0)), figure="right on dev", value=card.dev_accuracy,
                        error=error, text=card.defence_name)
    for one in trainings.list_unfinished():
        spec = one.order
        when = one.saved if one.saved is not None else _read_change(spec)
        yield Entry(UNFINISHED, spec.id, _from_seconds(when), (spec.id,), spec.dataset, "train", figure="not finished")


def _read_change(spec: trainings.TrainingSpec) -> float:
    return spec.state.stat().st_mtime if spec.state.exists() else 0.0


def list_own_cards() -> list[cards.Card]:
    """Return the cards of the models that this person trained or made here."""
    own = own_checkpoints().absolute()
    return [card for card in cards.cards() if own in card.folder.absolute().parents]


def _list_judgements() -> Iterator[Entry]:
    for path in sorted(own_judgements().glob(f"*/*{ENDING}"))[:MOST_FILES]:
        with contextlib.suppress(OSError):
            stat = path.stat()
            found = _read_judgements(path, stat.st_size, stat.st_mtime)
            if found is not None:
                yield found


@functools.lru_cache(maxsize=MOST_FILES)
def _read_judgements(path: Path, size: int, changed: float) -> Entry | None:
    """Return what a judge's file is about; it is read again once its size or the time of its last change differs."""
    # The Judge page says which file is damaged, and how.
    judged = keep_latest(read_files([path])[0]) if path.is_file() else []
    if not judged:
        return None
    scores = [score for score in score_verdicts(decide(judged)) if score.adversarial]
    kept = scores[-1].kept if scores else None
    groups = dict.fromkeys(each.item.group for each in judged if each.item.adversarial)
    attacks = sorted({(group.attack, group.preset) for group in groups if group.attack})
    return Entry(JUDGED, f"{path.parent.name}/{path.stem}", _from_seconds(changed),
                 tuple(dict.fromkeys(group.model for group in groups if group.model)),
                 attacks=tuple(attack for attack, _ in attacks), presets=tuple(preset for _, preset in attacks),
                 n=len(judged), figure="label kept" if kept else "originals only",
                 value=kept.value if kept else math.nan, error=kept.error if kept else math.nan,
                 text=", ".join(list_judges(judged).values()))


def _read_time(written: str) -> datetime:
    """Read a time as SQLite writes it, in UTC."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)


def _from_seconds(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
