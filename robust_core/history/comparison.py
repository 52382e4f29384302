"""Two evaluations side by side: what differs on the texts that both attacked, with paired errors, and which texts."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from robust_core.errors import BadInput
from robust_core.evaluation.explanation_consistency import list_stored, read_by_uid
from robust_core.explainers import EXPLAINERS
from robust_core.history.entries import find_run
from robust_core.metrics import estimate_mean, estimate_paired_difference, list_held
from robust_core.store import ResultStore
from robust_core.types import AttackResult


class Difference(NamedTuple):
    """How a figure of two runs differs on the texts that both have it for.

    Attributes:
        name: What it is.
        first: Mean of the first run on these texts.
        second: Mean of the second.
        value: Second minus first.
        error: Standard error of that, paired over the texts.
        n: How many texts.
        share: Whether it is a share, 0..1.
    """

    name: str
    first: float
    second: float
    value: float
    error: float
    n: int
    share: bool = True


class Changed(NamedTuple):
    """A text that one run left classified correctly and the other did not.

    Attributes:
        first: The first run's result.
        second: The second's.
        now_right: Whether it is right in the second run; else in the first.
    """

    first: AttackResult
    second: AttackResult
    now_right: bool


class Comparison(NamedTuple):
    """Two runs compared.

    Attributes:
        shared: Texts that both attacked to an end.
        only_first: Texts of the first run alone.
        only_second: Texts of the second alone.
        differences: The figures, where both have any.
        changed: The texts that changed sides, in the order of the first run.
    """

    shared: int
    only_first: int
    only_second: int
    differences: list[Difference]
    changed: list[Changed]


def compare_runs(store: ResultStore, first: str, second: str) -> Comparison:
    """Compare two stored runs.

    Args:
        store: The store.
        first: Id of a run.
        second: Id of another.

    Raises:
        BadInput: They are the same run, or share no text.
        UnknownRun: One is not stored here.
    """
    if first == second:
        raise BadInput("This is one run twice: pick two.")
    for run in (first, second):
        find_run(store, run)
    # Without the course of each search, which is most of a result.
    found = [{r.example.uid: dataclasses.replace(r, steps=(), curve=()) for r in store.each(run)
              if r.status != "stopped"} for run in (first, second)]
    # The same name may stand for another text in another data set.
    shared = [uid for uid, mine in found[0].items()
              if uid in found[1] and found[1][uid].example.text == mine.example.text]
    if not shared:
        raise BadInput("These runs have no text in common: pick two of the same data set and split.")
    one, two = ({uid: results[uid] for uid in shared} for results in found)
    held = [list_held([*results.values()]) for results in (one, two)]
    differences = _list_differences(one, two, held)
    methods = [{str(of.method["name"]): of.method for of in list_stored(store) if of.run_id == run}
               for run in (first, second)]
    for name in methods[0]:
        if methods[0][name] == methods[1].get(name):
            values = [read_by_uid(store, run, methods[0][name], {*shared})["all"] for run in (first, second)]
            title = EXPLAINERS[name].title if name in EXPLAINERS else name
            differences += [_compare(f"Kendall's τ ({title})", *(each["kendall_tau"] for each in values), share=False),
                            _compare(f"Top-5 kept ({title})", *(each["top_5"] for each in values))]
    changed = [Changed(one[uid], two[uid], held[1][uid]) for uid in shared if held[0][uid] != held[1][uid]]
    return Comparison(len(shared), len(found[0]) - len(shared), len(found[1]) - len(shared),
                      [each for each in differences if each.n], changed)


def _list_differences(one: Mapping[str, AttackResult], two: Mapping[str, AttackResult],
                      held: Sequence[Mapping[str, bool]]) -> list[Difference]:
    clean = [{uid: float(r.status != "skipped") for uid, r in results.items()} for results in (one, two)]
    success = [{uid: float(r.status == "succeeded") for uid, r in results.items() if r.status != "skipped"}
               for results in (one, two)]
    queries = [{uid: float(r.queries) for uid, r in results.items() if r.status != "skipped"} for results in (one, two)]
    return [_compare("Right before the attack", *clean), _compare("Right under attack", *held),
            _compare("Attack success", *success), _compare("Queries a text", *queries, share=False)]


def _compare(name: str, mine: Mapping[str, float], theirs: Mapping[str, float], *, share: bool = True) -> Difference:
    value, error, n = estimate_paired_difference(theirs, mine)
    both = [uid for uid in mine if uid in theirs]
    return Difference(name, estimate_mean(mine[uid] for uid in both)[0], estimate_mean(theirs[uid] for uid in both)[0],
                      value, error, n, share)
