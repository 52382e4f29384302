"""What a worker does, wherever it runs: a shard goes in, plain messages come out. It never opens the store.

A message is a dictionary with kind: "hello" (versions, engine and device of the worker), "result" and "comparison"
(uid, record), "error" (uid, message: one search broke), and the last of each shard, "done" or "failed" (error, as
`errors.to_plain` has it). An executor adds "lost" (reason) for a worker that ended before that.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from robust_core.attacks import ATTACKS
from robust_core.classifiers import find_device
from robust_core.errors import Incompatible, RobustError, list_names, to_plain
from robust_core.evaluation import provenance
from robust_core.evaluation.explanation_consistency import compare_texts
from robust_core.explainers import EXPLAINERS
from robust_core.models import loading
from robust_core.models.device import pick_device
from robust_core.records import to_result_record
from robust_core.registry import from_record
from robust_core.runs import Run, fingerprint_model, read_versions
from robust_core.sweep.shards import Shard
from robust_core.version import ENGINE

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

Message = dict[str, Any]
# Models that a worker keeps; a sweep comes to one after the other.
_MODELS = 4
_KEPT: "OrderedDict[tuple[str, ...], TextClassifier]" = OrderedDict()


def describe_worker(device: str) -> Message:
    """Return the first message of a worker: what must be the same wherever results of one run are made."""
    return {"kind": "hello", "versions": read_versions(), "engine": ENGINE, "device": str(pick_device(device))}


def check_worker(hello: Mapping[str, Any], run: Run) -> None:
    """Compare a worker with what a run rests on, before it gets work.

    Raises:
        Incompatible: They differ: results of both together would be of two things.
    """
    expected = {"versions": dict(run.versions), "device": run.device, "engine": int(run.rests_on["engine"])}
    mine = {name: expected[name] for name in expected if hello.get(name) != expected[name]}
    if "versions" in mine:
        theirs = hello.get("versions") or {}
        raise Incompatible("A worker has other versions than this process: " + list_names(
            f"{name} {theirs.get(name, 'absent')} instead of {run.versions.get(name, 'absent')}"
            for name in sorted({*theirs, *run.versions}) if theirs.get(name) != run.versions.get(name)) + ".")
    if mine:
        name = next(iter(mine))
        raise Incompatible(f"A worker has the {name} {hello.get(name)}, this process {mine[name]}: give all the same.")


def work(shard: Shard, stop: threading.Event) -> Iterator[Message]:
    """Do a shard.

    Args:
        shard: Texts to attack, or results to explain.
        stop: Ends it within a second; searches that are not over yield nothing then.

    Yields:
        Messages; the last is "done" or "failed".
    """
    try:
        yield from _work(shard, stop)
    except RobustError as error:
        yield {"kind": "failed", "error": to_plain(error)}
    else:
        yield {"kind": "done"}


def _work(shard: Shard, stop: threading.Event) -> Iterator[Message]:
    model = _load(shard)
    attack = from_record(ATTACKS, shard.run.method)
    data = shard.run.data
    precision = data.get("precision", "exact")
    found = provenance.describe_run(
        attack, provenance.describe_attack(attack), (model.id, fingerprint_model(model)), find_device(model),
        (data["dataset"], data["split"], data["sha256"]), shard.run.seed, precision)
    _compare_runs(found, shard.run)
    if shard.explainer is not None:
        for result, record in compare_texts(model, from_record(EXPLAINERS, shard.explainer), shard.results):
            yield {"kind": "comparison", "uid": result.example.uid, "record": record}
        return
    for event in attack.run([model], shard.examples, seed=shard.run.seed, stop=stop, precision=precision):
        if event.result is not None and event.result.status != "stopped":
            yield {"kind": "result", "uid": event.uid, "record": to_result_record(event.result)}
        elif event.kind == "error":
            yield {"kind": "error", "uid": event.uid, "message": event.data["message"]}


def _load(shard: Shard) -> "TextClassifier":
    # With the fingerprint that is wanted: what was loaded before the files changed is not taken for it.
    key = shard.model, shard.device, *shard.run.models.values()
    model = _KEPT.pop(key, None) or loading.load(shard.model, shard.device)
    _KEPT[key] = model
    while len(_KEPT) > _MODELS:
        _KEPT.popitem(last=False)
    return model


def _compare_runs(found: Run, wanted: Run) -> None:
    """Raise Incompatible where a worker would store its results in another run, and say what differs."""
    if found.id == wanted.id:
        return
    mine, theirs = found.record, wanted.record
    different = [f"{name} {part}" for name in ("models", "rests_on", "versions")
                 for part in {**mine.get(name, {}), **theirs.get(name, {})}
                 if mine.get(name, {}).get(part) != theirs.get(name, {}).get(part)]
    different += [name for name in ("method", "data", "device") if mine[name] != theirs[name]]
    raise Incompatible(f"A worker has other files or versions than this process: {list_names(different)}.")
