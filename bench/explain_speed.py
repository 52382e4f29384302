"""How long explanations take: python -m bench.explain_speed [--pairs N] [--out FILE.json].

Integrated gradients (50 steps) and LIME (500 samples) of an original and a perturbed review of 18 to 22 words, on four
models: the word CNN, a second word CNN (the same network with other weights stands for the FLAT one), the LSTM and
MiniLM. Medians over pairs of the seconds of the clock, and of processor time added up over all threads, after one pair
to warm up; the load of the machine is stated. The perturbed text has two words swapped for their nearest neighbours.
How far LIME in bf16 is from LIME in fp32 is measured beside its own spread over seeds.
"""

import argparse
import copy
import dataclasses
import os
import statistics
import time
from typing import Any

import numpy as np
import torch

from bench.program import run_program
from robust_core import datasets, resources
from robust_core.claims.files import write_claim
from robust_core.explainers import EXPLAINERS
from robust_core.metrics import kendall_tau
from robust_core.models import loading
from robust_core.text import Draft, Edit

TARGET = 3.0


def perturbed(text: str) -> str:
    """Return a text with the first two words that have neighbours swapped for the nearest."""
    draft, swapped = Draft.of(text), 0
    for i, word in enumerate(draft.words):
        near = resources.neighbours(word)
        if near and len(word) > 3 and swapped < 2:
            draft, swapped = draft.apply(Edit(i, i + 1, (near[0][0],))), swapped + 1
    return draft.text


def second(model: Any) -> Any:  # noqa: ANN401 (a word CNN)
    """Return another model of the same size."""
    network = copy.deepcopy(model.net)
    with torch.no_grad():
        network.head.weight.mul_(0.9)
    return dataclasses.replace(model, id=f"{model.id}@second", net=network)


def times(models: list[Any], pairs: list[tuple[str, str]]) -> dict[str, dict[str, list[float]]]:
    """Return the seconds of the clock, and of processor time over all threads, of each pair, by what was done."""
    found: dict[str, dict[str, list[float]]] = {}
    for pair in pairs:
        whole = (time.perf_counter(), time.process_time())
        for model in models:
            for name in ("ig", "lime"):
                begun = (time.perf_counter(), time.process_time())
                EXPLAINERS[name]().explain(model, list(pair), [1, 1])
                _add(found, f"{name} {model.id}", begun)
        _add(found, "all", whole)
    return found


def _add(found: dict[str, dict[str, list[float]]], what: str, begun: tuple[float, float]) -> None:
    kinds = found.setdefault(what, {"wall": [], "cpu": []})
    kinds["wall"].append(time.perf_counter() - begun[0])
    kinds["cpu"].append(time.process_time() - begun[1])


def rounding(model: Any, texts: list[str]) -> dict[str, float]:  # noqa: ANN401
    """Compare LIME in bf16 with LIME in fp32, and with LIME of another seed."""
    plain = _Plain(model)
    taus, off, seed_taus, seed_off = [], [], [], []
    for text in texts:
        low, other = (EXPLAINERS["lime"](seed=seed).explain(model, [text], [1])[0].scores for seed in (0, 1))
        [full] = EXPLAINERS["lime"]().explain(plain, [text], [1])
        taus.append(kendall_tau(low, full.scores))
        seed_taus.append(kendall_tau(low, other))
        off.append(float(np.abs(np.subtract(low, full.scores)).max()))
        seed_off.append(float(np.abs(np.subtract(low, other)).max()))
    return {"tau": statistics.mean(taus), "largest_difference": max(off), "tau_of_seeds": statistics.mean(seed_taus),
            "largest_difference_of_seeds": max(seed_off)}


class _Plain:
    """A model that never runs in bf16."""

    screens = False

    def __init__(self, model: Any) -> None:  # noqa: ANN401
        self._model = model

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._model, name)


def main() -> None:
    """Measure once and print a line for each model and explainer."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rounding", type=int, default=0, help="texts on which bf16 is compared with fp32")
    parser.add_argument("--out", help="file for the claim")
    args = parser.parse_args()
    # Waiting processes, this one not yet among them: on a machine that others use, wall time is theirs too.
    load = os.getloadavg()[0]
    reviews = [e.text for e in datasets.load("reviews", "train") if 18 <= len(Draft.of(e.text).words) <= 22]
    pairs = [(text, perturbed(text)) for text in reviews[: args.pairs + 1]]
    cnn, lstm, minilm = (loading.load(f"sst2/{name}/base") for name in ("cnn", "lstm", "minilm"))
    models = [cnn, second(cnn), lstm, minilm]
    times(models, pairs[:1])
    found = times(models, pairs[1:])
    medians = {what: {kind: statistics.median(values) for kind, values in kinds.items()}
               for what, kinds in found.items()}
    for what, values in medians.items():
        print(f"{what}: {values['wall']:.2f} s, processor time over all threads {values['cpu']:.2f} s")
    row = rounding(minilm, reviews[: args.rounding]) if args.rounding else {}
    if row:
        print("LIME on MiniLM, bf16 against fp32 and against another seed:", row)
    if args.out:
        before, after = load, os.getloadavg()[0]
        write_claim(args.out, claim="IG (50 steps) and LIME (500 samples) of a pair of texts on four models",
                    command=f"python -m bench.explain_speed --pairs {args.pairs}", run="", n=args.pairs, seeds=[0],
                    metric="explanation_seconds", value=medians["all"]["wall"], value_se=float("nan"),
                    thresholds={"target": TARGET},
                    details={"seconds": medians, "cores": os.cpu_count(), "threads": torch.get_num_threads(),
                             "load": [before, after], "bf16": bool(minilm.screens), "rounding": row})


if __name__ == "__main__":
    run_program(main)
