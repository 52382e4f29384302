"""Shards: so much of a task as a worker gets at once, as plain data that any process can read."""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from robust_core.records import read_result, to_example_record, to_plain_values, to_result_record
from robust_core.registry import to_record
from robust_core.runs import Run
from robust_core.store import ResultStore
from robust_core.sweep.tasks import Task
from robust_core.types import AttackResult, Example

# A search keeps so many beside it busy; a shard of explanations is one batch, after which Ctrl-C is looked at.
_MOST_TEXTS, _EXPLAINED = 64, 8
# So many shards a worker at least, where there are texts enough: the last one waits for little.
_A_WORKER = 6
# Few texts in a shard leave a search without others beside it.
_LEAST_TEXTS = 8
_NUMBERS = itertools.count()


@dataclasses.dataclass(frozen=True)
class Shard:
    """Texts to attack, or results to explain, on one model.

    Args:
        number: Tells it from all others of this process.
        model: What `load` finds the model by.
        device: Where it is to run.
        run: The run; a worker compares with it what it would itself write down.
        examples: Texts to attack; none where results are explained.
        explainer: Record of the explainer; None where texts are attacked.
        results: Results to explain, without the course of each search.
        tries: How many workers in turn were lost with it, before anything of it came back.
    """

    number: int
    model: str
    device: str
    run: Run
    examples: tuple[Example, ...] = ()
    explainer: Mapping[str, Any] | None = None
    results: tuple[AttackResult, ...] = ()
    tries: int = 0

    @property
    def uids(self) -> list[str]:
        """Names of its examples."""
        return [example.uid for example in self.examples] + [result.example.uid for result in self.results]

    @property
    def place(self) -> str:
        """What its pairs are leased under: two shards with the same place and uid would do the same work."""
        method = "" if self.explainer is None else json.dumps(dict(self.explainer), sort_keys=True)
        return f"{self.run.id} {method}".rstrip()

    def keep(self, uids: Iterable[str], tries: int = 0) -> "Shard":
        """Return a shard of some of its examples, with a number of its own."""
        kept = set(uids)
        return dataclasses.replace(
            self, number=next(_NUMBERS), tries=self.tries + tries,
            examples=tuple(example for example in self.examples if example.uid in kept),
            results=tuple(result for result in self.results if result.example.uid in kept))


def write_shard(shard: Shard) -> str:
    """Return a shard as one line of JSON."""
    values = {f.name: getattr(shard, f.name) for f in dataclasses.fields(shard)}
    return json.dumps(to_plain_values(values | {
        "run": shard.run.record, "examples": [to_example_record(example) for example in shard.examples],
        "results": [to_result_record(result) for result in shard.results]}))


def read_shard(line: str) -> Shard:
    """Rebuild a shard from its line."""
    values = json.loads(line)
    return Shard(**values | {
        "run": Run(**values["run"]), "examples": tuple(Example(**example) for example in values["examples"]),
        "results": tuple(read_result(record) for record in values["results"])})


@dataclasses.dataclass(frozen=True)
class Part:
    """One of several equal parts of a sweep, each done by a process on its own.

    Args:
        number: From 1 to `of`.
        of: How many parts there are.
    """

    number: int = 1
    of: int = 1


def size_shards(total: int, workers: int) -> int:
    """Return how many texts a shard has, so that several workers have done all texts at about the same time."""
    return max(_LEAST_TEXTS, min(_MOST_TEXTS, math.ceil(total / (workers * _A_WORKER))))


def choose_examples(tasks: Sequence[Task], part: Part) -> dict[int, list[Example]]:
    """Return what belongs to a part, by the place of the task: chunks of all tasks, dealt out in turn.

    It rests on the tasks and the number of parts alone: the parts of a sweep know nothing else of each other.
    """
    total = sum(len(task.examples) for task in tasks)
    size = max(1, min(_MOST_TEXTS, total // (part.of * _A_WORKER)))
    chunks = [(at, task.examples[start: start + size]) for at, task in enumerate(tasks)
              for start in range(0, len(task.examples), size)]
    found: dict[int, list[Example]] = {at: [] for at in range(len(tasks))}
    for at, chunk in chunks[part.number - 1:: part.of]:
        found[at] += chunk
    return found


def cut_attacks(task: Task, examples: Sequence[Example], size: int, device: str, store: ResultStore) -> list[Shard]:
    """Return shards of those examples of a task that have no result yet."""
    done = store.done(task.run.id)
    missing = [example for example in examples if (example.uid, task.victim.id) not in done]
    return [Shard(next(_NUMBERS), task.victim.name, device, task.run, tuple(missing[start: start + size]))
            for start in range(0, len(missing), size)]


def cut_explanations(task: Task, examples: Sequence[Example], device: str, store: ResultStore) -> Iterator[Shard]:
    """Yield shards of those stored results of a task whose text has changed and is not explained yet."""
    if not task.explainers:
        return
    wanted = {example.uid for example in examples}
    changed = [dataclasses.replace(result, steps=(), curve=()) for result in store.each(task.run.id)
               if result.example.uid in wanted and result.status != "stopped"
               and result.perturbed != result.example.text]
    for explainer in task.explainers:
        record = to_record(explainer)
        known = store.comparisons(task.run.id, record)
        missing = [result for result in changed if result.example.uid not in known]
        for start in range(0, len(missing), _EXPLAINED):
            yield Shard(next(_NUMBERS), task.victim.name, device, task.run, explainer=record,
                        results=tuple(missing[start: start + _EXPLAINED]))


def count_unexplained(task: Task, store: ResultStore) -> int:
    """Return how many comparisons a task lacks, at most: a text that is not attacked yet may stay as it is."""
    stored = sum(len(shard.results) for shard in cut_explanations(task, task.examples, "", store))
    done = store.done(task.run.id)
    missing = sum((example.uid, task.victim.id) not in done for example in task.examples)
    return stored + missing * len(task.explainers)
