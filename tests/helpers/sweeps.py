"""Sweeps of small models: a checkpoint that any process can load, plans, and what came of them."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from bench.kill import outcomes
from robust_core.models import architectures, cards
from robust_core.sweep.plan import Combination, read_plan
from robust_core.sweep.tasks import Task, plan_tasks

_SYNONYMS = ("near dear beneficial tough sorry forged defective cunning apt leaden muffled obtuse okay ok glad "
             "felicitous pitiful lamentable flick pic cinema tale narrative account image icon finish close")


def make_checkpoint(root: Path, words: Sequence[str], model_id: str = "sst2/cnn/base") -> None:
    """A small untrained CNN that knows some words."""
    config = {"length": 50, "width": 16, "kernels": 8, "sizes": [1, 2]}
    labels = ("negative", "positive")
    torch.manual_seed(3)
    network, _ = architectures.build("cnn", config, labels, tuple(words))
    state = network.state_dict()
    weights = {name: 3 * value for name, value in state.items() if name != "embedding.weight"}
    shared = {"embedding.safetensors": {"weight": 3 * state["embedding.weight"]},
              "vocabulary.txt": "\n".join(words).encode()}
    dataset, architecture, defence = model_id.split("/")
    card = cards.Card(model_id, dataset, architecture, {"name": defence}, 0, labels, {"network": config}, {}, 0.5, 1,
                      0.1, "cpu", 52, 0, {}, {}, "", "0", root)
    cards.save(card, weights, shared, root)


def make_texts(folder: Path, count: int) -> list[str]:
    """A data set under the name of SST-2, of words that WordNet has others for; the words it needs."""
    films, marks = ("movie", "film", "story", "picture"), ("good", "bad", "clever", "dull", "fine", "happy", "sad")
    lines = [f"a {marks[i % 7]} {films[i % 4]} with a {marks[(i * 3 + 1) % 7]} and {marks[(i // 7) % 7]} ending number "
             f"{i}\t{i % 2}" for i in range(count)]
    (folder / "sst2").mkdir(parents=True)
    (folder / "sst2" / "test.tsv").write_text("text\tlabel\n" + "\n".join(lines) + "\n")
    return sorted({*re.findall("[a-z]+", " ".join(lines)), *_SYNONYMS.split()})


def write_plan(path: Path, **changes: Any) -> Path:
    """A plan of PWWS on the small model."""
    path.write_text(json.dumps({"models": ["sst2/cnn/base"], "attacks": ["pwws"], "data": ["sst2"]} | changes))
    return path


def make_tasks(path: Path, data: Path) -> tuple[list[Combination], list[Task]]:
    """The tasks of a plan."""
    plan = read_plan(path)
    return plan, plan_tasks(plan, "cpu", data)


def count_results(folder: Path) -> int:
    """How many results a store holds."""
    return len(outcomes(folder)) if (folder / "results.sqlite").exists() else 0


def list_listeners(pids: Iterable[int]) -> list[str]:
    """Addresses on which processes listen, as Linux lists them."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes |= {*re.findall(r"socket:\[(\d+)\]", str(link.readlink()))}
            except OSError:
                continue
    lines = [line.split() for name in ("tcp", "tcp6") if Path(f"/proc/net/{name}").exists()
             for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [line[1] for line in lines if line[3] == "0A" and line[9] in inodes]
