"""What an encoder is worth: similarity, transfer, and attacks on classifiers that read its vectors."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core import datasets, metrics
from robust_core.attacks import ATTACKS
from robust_core.attacks.base import Attack
from robust_core.attacks.embeddings import EMBEDDING_ATTACKS, EmbeddingAttack
from robust_core.classifiers import find_device
from robust_core.encoder_evaluation import probes, similarity
from robust_core.encoder_evaluation.victims import make_victim
from robust_core.errors import BadInput, Incompatible, RobustError, UnknownName
from robust_core.evaluation import provenance
from robust_core.events import Event
from robust_core.protocols import Classifier, Encoder
from robust_core.registry import to_record
from robust_core.runs import Run, fingerprint_model, read_versions
from robust_core.store import ResultStore
from robust_core.types import AttackResult, Example, Precision

KINDS = ("sts", "transfer", "attacks")
# Attacked sentences of each set, drawn with seed 0, the same for every encoder.
ATTACKED, SENTENCES = ("sst2", "mr"), 200
ON_WORDS = ("textfooler", "pwws", "deepwordbug")
# Radii, in mean token-embedding norms, chosen once on plain MiniLM and frozen for every encoder. On 40 dev sentences of
# SST-2 FGSM of 0.003 flips 66 % and of 0.01 all; k-PGD of 0.1 flips 31 % and of 0.3 94 %: these lie between.
ON_EMBEDDINGS: dict[str, dict[str, Any]] = {"fgsm": {"radius": 0.002}, "pgd": {"radius": 0.15}}
ATTACK_NAMES = (*ON_WORDS, *ON_EMBEDDINGS)


def list_tasks(asked: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Return (kind, task) of what is asked for: whole kinds, or single tasks; all without asking.

    Raises:
        UnknownName: There is no such kind or task.
    """
    every = [*(("sts", name) for name in similarity.TASKS), *(("transfer", name) for name in probes.TASKS),
             *(("attacks", name) for name in ATTACKED)]
    if not asked:
        return every
    known = [*KINDS, *similarity.TASKS, *probes.TASKS]
    for name in asked:
        if name not in known:
            raise UnknownName("task", name, known)
    # A set that stands in two kinds is meant as a transfer task; its attacks are asked for by their kind.
    return [(kind, name) for kind, name in every if kind in asked or (name in asked and kind != "attacks")]


def evaluate_encoder(encoders: Sequence[Encoder], wanted: Sequence[tuple[str, str]], *, attacks: Sequence[str] = (),
                     n: int | None = None, data_dir: str | Path | None = None, store: ResultStore | None = None,
                     stop: threading.Event | None = None, precision: Precision = "exact") -> Iterator[Event]:
    """Measure encoders on tasks.

    Args:
        encoders: The encoders, with different ids.
        wanted: (kind, task), as `tasks` returns them.
        attacks: Names of the attacks; all five without them.
        n: Attacked sentences a set.
        data_dir: Folder of data sets.
        store: Where the results of attacks on words go and come from; None keeps nothing.
        stop: Set by another thread to end early.
        precision: Of the attacks.

    Yields:
        "progress" events with part, done and total; "note" events with a message where something is left out; "row"
        events with encoder, task, metric, value, value_se, n and rests_on (fingerprint of everything that the figures
        rest on, by name: `evaluation.provenance`), rows of attacks also with attack, parameters and the figures of
        `metrics.summary` or `metrics.summarise_embedding_attacks`; before each row "judged" with task, attack (empty
        without) and each, what the figure was made of: right or not by uid, success by uid of the attacked texts, or
        cosines and people's scores pair by pair.

    Raises:
        BadInput: Two encoders share a name, or there is no such attack here.
        MissingResource: The data of a task are not here.
    """
    stop = stop or threading.Event()
    if len({encoder.id for encoder in encoders}) < len(encoders):
        raise BadInput("An encoder is named twice.")
    for name in attacks:
        if name not in ATTACK_NAMES:
            raise UnknownName("attack on encoders", name, list(ATTACK_NAMES))
    for done, (kind, task) in enumerate(wanted):
        for place, encoder in enumerate(encoders if kind != "attacks" else ()):
            if stop.is_set():
                return
            yield Event("progress", "", encoder.id, {"part": "tasks", "done": done * len(encoders) + place,
                                                     "total": len(wanted) * len(encoders)})
            measured = similarity.evaluate_similarity if kind == "sts" else probes.evaluate_transfer
            for row in measured(encoder, [task], data_dir):
                yield from _yield_row(encoder.id, row)
        if kind == "attacks":
            yield from _attack_encoder(encoders, task, attacks or ATTACK_NAMES, n or SENTENCES, data_dir, store, stop,
                                       precision)


def _yield_row(encoder: str, row: dict[str, Any]) -> Iterator[Event]:
    """Yield what a figure was made of, example by example, then its row."""
    each = row.pop("each")
    yield Event("judged", "", encoder, {"task": row["task"], "attack": row.get("attack", ""), "each": each})
    yield Event("row", "", encoder, row)


def _attack_encoder(encoders: Sequence[Encoder], task: str, attacks: Sequence[str], n: int, data_dir: str | Path | None,
                    store: ResultStore | None, stop: threading.Event, precision: Precision) -> Iterator[Event]:
    given = probes.choose_attacked(task, data_dir)
    about = {**provenance.describe_engine(), **given.rests_on}
    victims: list[Classifier] = []
    rests_on: dict[str, Mapping[str, str]] = {}
    for encoder in encoders:
        if stop.is_set():
            return
        yield Event("progress", "", encoder.id, {"part": f"classifiers of {task}", "done": len(victims),
                                                 "total": len(encoders)})
        victims.append(make_victim(encoder, probes.train_probe(encoder.encode, given), given.labels, task))
        # The probe is refitted from these; its last digits follow the number of threads, so its weights do not count.
        rests_on[victims[-1].id] = about | provenance.describe_encoder(encoder)
    examples = datasets.choose(given.test, n, seed=0)
    for name in attacks:
        if stop.is_set():
            return
        try:
            if name in EMBEDDING_ATTACKS:
                yield from _attack_embeddings(victims, rests_on, task, name, examples, stop, precision)
            else:
                yield from _attack_words(victims, rests_on, task, name, examples, store, stop, precision)
        except RobustError as error:
            yield Event("note", "", "", {"message": f"{name} on {task} is left out. {error}"})


def _attack_embeddings(victims: Sequence[Classifier], rests_on: Mapping[str, Mapping[str, str]], task: str, name: str,
                       examples: Sequence[Example], stop: threading.Event, precision: Precision) -> Iterator[Event]:
    attack = EMBEDDING_ATTACKS[name](**ON_EMBEDDINGS[name])
    for done, model in enumerate(victims):
        if stop.is_set():
            return
        yield Event("progress", "", model.id, {"part": f"{name} on {task}", "done": done, "total": len(victims)})
        try:
            results = list(attack.run(model, examples, precision=precision))
        except Incompatible as error:
            yield Event("note", "", model.id, {"message": f"{name} on {task} is left out for {model.id}. {error}"})
            continue
        values = metrics.summarise_embedding_attacks(results)
        each = {e.uid: r.status == "succeeded" for e, r in zip(examples, results, strict=True) if r.status != "skipped"}
        values |= {"rests_on": dict(rests_on[model.id]), "each": each}
        yield from _yield_row(*_make_row(model, task, attack, values, ""))


def _attack_words(victims: Sequence[Classifier], rests_on: Mapping[str, Mapping[str, str]], task: str, name: str,
                  examples: Sequence[Example], store: ResultStore | None, stop: threading.Event, precision: Precision
                  ) -> Iterator[Event]:
    attack = ATTACKS[name]()
    under = provenance.describe_attack(attack, similarity=False)
    whole = {model.id: {**rests_on[model.id], **under} for model in victims}
    found: dict[str, dict[str, AttackResult]] = {model.id: {} for model in victims}
    runs = {model.id: _describe_run(model, attack, task, examples, precision, whole[model.id]) for model in victims}
    opened: dict[str, str] = {}
    if store is not None:
        opened = {name: store.open_run(run) for name, run in runs.items()}
        for name, run in opened.items():
            found[name] = {r.example.uid: r for r in store.each(run) if r.status != "stopped"}
    total = len(victims) * len(examples)
    for model in victims:
        missing = [example for example in examples if example.uid not in found[model.id]]
        for event in attack.run([model], missing, stop=stop, precision=precision, similarity=False):
            if event.result is not None:
                found[model.id][event.uid] = event.result
                if store is not None:
                    store.append(opened[model.id], event.result)
                yield Event("progress", event.uid, model.id, {
                    "part": f"{attack.name} on {task}", "done": sum(map(len, found.values())), "total": total})
            elif event.kind == "error" and not found[model.id]:
                raise BadInput(event.data["message"])
        if stop.is_set():
            return
        results = [found[model.id][e.uid] for e in examples if e.uid in found[model.id]]
        each = {r.example.uid: r.status == "succeeded" for r in results if r.status not in ("skipped", "stopped")}
        values = metrics.summary(results) | {"rests_on": whole[model.id], "each": each}
        yield from _yield_row(*_make_row(model, task, attack, values, opened.get(model.id, "")))


def _describe_run(model: Classifier, attack: Attack, task: str, examples: Sequence[Example], precision: Precision,
                  rests_on: Mapping[str, str]) -> Run:
    texts = json.dumps([[e.uid, e.text, e.label] for e in examples])
    data = {"dataset": task, "split": "attacked", "sha256": hashlib.sha256(texts.encode()).hexdigest(),
            "precision": precision}
    return Run(to_record(attack), {model.id: fingerprint_model(model)}, data, 0, read_versions(),
               find_device(model), rests_on)


def _make_row(model: Classifier, task: str, attack: Attack | EmbeddingAttack, values: dict[str, Any], run: str
              ) -> tuple[str, dict[str, Any]]:
    record = to_record(attack)
    encoder = model.id.removeprefix("encoders/").removesuffix(f"/{task}")
    head = {"encoder": encoder, "task": task, "metric": f"attack_success_rate {record['name']}",
            "value": values["attack_success_rate"], "value_se": values["attack_success_rate_se"],
            "attack": record["name"], "run": run, "parameters": record}
    return encoder, head | values
