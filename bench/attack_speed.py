"""Corpus attacks against TextAttack's, side by side: python -m bench.attack_speed [--model ID …] [--n N] [--out FILE].

Both sides run TextFooler on the same texts in one process with the same victim, encoder, neighbours, part of speech
and stop words, dynamic padding and threads; imports and loading are not counted and every cache is emptied before each
turn. Texts come in rounds; in each round every side takes its turn, in changing order, and ratios are taken within the
round, so that a noisy machine disturbs all alike. TextAttack asks the encoder what its own SentenceEncoder asks for:
both texts of every pair. The bare forward passes of our runs are repeated by themselves to see what the engine adds.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from robust_core import datasets, encoders
from robust_core.attacks import ATTACKS, textattack_worker, textfooler
from robust_core.models import checkpoint
from robust_core.registry import to_record
from robust_core.resources import pos
from robust_core.store import export_claim, versions
from robust_core.types import Example

MODELS = ("sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base")
SIDES = ("textattack", "exact", "screened")
TARGETS = {"cnn": (4, 10), "lstm": (4, 10), "minilm": (1.5, 3)}


class Watch:
    """Counts texts and seconds of a model's batches, and keeps the batches so that they can be run again.

    Args:
        owner: The model.
        method: Name of the method that runs one batch of token rows.
    """

    def __init__(self, owner: Any, method: str) -> None:  # noqa: ANN401 (a classifier or an encoder)
        self.batches: list[tuple[list[Any], bool]] = []
        self.seconds = 0.0
        self.run: Callable[..., Any] = getattr(owner, method)
        setattr(owner, method, self._watched)

    def _watched(self, rows: Sequence[Any], screened: bool = False) -> Any:  # noqa: ANN401 (whatever the model gives)
        started = time.perf_counter()
        answer = self.run(rows, screened)
        self.seconds += time.perf_counter() - started
        self.batches.append((list(rows), screened))
        return answer

    def taken(self) -> dict[str, Any]:
        """Return what was counted, and begin anew."""
        found = {"seconds": self.seconds, "texts": sum(len(rows) for rows, _ in self.batches), "batches": self.batches}
        self.seconds, self.batches = 0.0, []
        return found


def empty_caches() -> None:
    """Forget everything that was looked up for earlier texts, on both sides."""
    for cached in (textfooler.substitutes, *(value for value in vars(pos).values() if hasattr(value, "cache_clear"))):
        cached.cache_clear()


class Sides:
    """The sides on one victim.

    Args:
        model: The victim.
        encoder: The sentence encoder.
        theirs: Whether TextAttack runs too.
    """

    def __init__(self, model: Any, encoder: Any, theirs: bool) -> None:  # noqa: ANN401
        self.model, self.encoder = model, encoder
        self.victim, self.sentences = Watch(model, "run"), Watch(encoder, "_run")

        def alike(pairs: list[tuple[str, str]]) -> np.ndarray:
            a, b = np.split(encoder.encode([a for a, _ in pairs] + [b for _, b in pairs]), 2)
            return (a * b).sum(axis=1)

        self._theirs = theirs and textattack_worker.recipe(
            "textfooler", textattack_worker.wrapper(model.predict_proba), alike)
        self._ours = ATTACKS["textfooler"]()

    def run(self, side: str, examples: Sequence[Example]) -> dict[str, Any]:
        """Attack some examples; return seconds, texts found, and what was run."""
        empty_caches()
        self.victim.taken(), self.sentences.taken()
        started = time.perf_counter()
        found = dict(self._attacked(side, examples))
        return {"seconds": time.perf_counter() - started, "found": found, "victim": self.victim.taken(),
                "encoder": self.sentences.taken()}

    def _attacked(self, side: str, examples: Sequence[Example]) -> Iterator[tuple[str, str]]:
        if side == "textattack":
            for example in examples:
                result = self._theirs.attack(example.text, example.label)
                yield example.uid, result.perturbed_result.attacked_text.text
            return
        for event in self._ours.run([self.model], examples, encoder=self.encoder, precision=side):  # type: ignore[arg-type]
            if event.result is not None:
                yield event.uid, event.result.perturbed

    def bare(self, run: dict[str, Any]) -> float:
        """Return the seconds of a run's forward passes, repeated without anything around them."""
        started = time.perf_counter()
        for watch, part in ((self.victim, "victim"), (self.sentences, "encoder")):
            for rows, screened in run[part]["batches"]:
                watch.run(rows, screened)
        return time.perf_counter() - started


def measure(model_id: str, examples: Sequence[Example], rounds: int, sides: Sequence[str]) -> dict[str, Any]:
    """Run all rounds of some sides on one victim and return the figures."""
    model = checkpoint.load(model_id)
    encoder = encoders.default(str(model.device))
    right = model.predict_proba([e.text for e in examples]).argmax(1)
    chosen = [e for e, label in zip(examples, right, strict=True) if e.label == label]
    both = Sides(model, encoder, "textattack" in sides)
    warm, chosen = chosen[:8], chosen[8:]
    for side in sides:
        both.run(side, warm)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    over: dict[str, list[float]] = {"exact": [], "screened": []}
    for r in range(rounds):
        share = chosen[r::rounds]
        turn = r % len(sides)
        for side in [*sides[turn:], *sides[:turn]]:
            run = both.run(side, share)
            runs[side].append(run)
            if side in over:
                over[side].append(run["seconds"] / both.bare(run))
    return _figures(model_id, runs, over, len(chosen)) | {"device": str(model.device)}


def _figures(model_id: str, runs: dict[str, list[dict[str, Any]]], over: dict[str, list[float]], n: int
             ) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model_id, "n": n}
    for side, found in runs.items():
        total = sum(run["seconds"] for run in found)
        row[f"{side}_ms"] = 1000 * total / n
        for part in ("victim", "encoder"):
            row[f"{side}_{part}_ms"] = 1000 * sum(run[part]["seconds"] for run in found) / n
            row[f"{side}_{part}_texts"] = sum(run[part]["texts"] for run in found) / n
    for side in ("exact", "screened"):
        row[f"{side}_over_bare"] = statistics.median(over[side])
        if "textattack" in runs:
            ratios = [a["seconds"] / b["seconds"] for a, b in zip(runs["textattack"], runs[side], strict=True)]
            row[f"{side}_ratio"], row[f"{side}_ratios"] = statistics.median(ratios), ratios
            row[f"{side}_same_texts"] = _same(runs["textattack"], runs[side])
    row["screened_as_exact"] = _same(runs["exact"], runs["screened"])
    return row


def _same(runs: list[dict[str, Any]], others: list[dict[str, Any]]) -> float:
    same = [text == b["found"][uid] for a, b in zip(runs, others, strict=True) for uid, text in a["found"].items()]
    return sum(same) / len(same)


def show(row: dict[str, Any]) -> None:
    """Print the figures of one victim."""
    print(f"\n{row['model']} on {row['device']}, {row['n']} texts that it classifies correctly")
    print(f"  {'':12}{'ms/attack':>10}{'victim':>9}{'encoder':>9}{'other':>8}   texts: victim, encoder")
    sides = [side for side in SIDES if f"{side}_ms" in row]
    for side in sides:
        total, victim, encoder = (row[f"{side}{part}_ms"] for part in ("", "_victim", "_encoder"))
        print(f"  {side:12}{total:10.1f}{victim:9.1f}{encoder:9.1f}{total - victim - encoder:8.1f}"
              f"   {row[f'{side}_victim_texts']:.1f}, {row[f'{side}_encoder_texts']:.1f}")
    print(f"  screened finds the text of exact in {row['screened_as_exact']:.1%}; over bare forward passes "
          f"(target 1.25): exact {row['exact_over_bare']:.2f}, screened {row['screened_over_bare']:.2f}")
    if "textattack" not in sides:
        return
    targets = TARGETS.get(row["model"].split("/")[1], (0, 0))
    for side, target in zip(("exact", "screened"), targets, strict=True):
        print(f"  {side}: {row[f'{side}_ratio']:.1f} times as fast (median; rounds {min(row[f'{side}_ratios']):.1f} to "
              f"{max(row[f'{side}_ratios']):.1f}; target {target}), same text in {row[f'{side}_same_texts']:.1%}")


def main() -> None:
    """Read the options, measure, print, and write a claim if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="model id; may be repeated")
    parser.add_argument("--n", type=int, default=250, help="texts of the SST-2 test set")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--alone", action="store_true", help="without TextAttack, where it is not installed")
    parser.add_argument("--out", help="write the figures to this file")
    options = parser.parse_args()
    if options.alone and options.out:
        parser.error("A claim compares with TextAttack: --out goes without --alone.")
    if not options.alone:
        textattack_worker.prepare()
    examples = datasets.load("sst2", "test")
    drawn = np.random.default_rng(0).permutation(len(examples))[: options.n]
    rows = []
    for model_id in options.model or MODELS:
        rows.append(measure(model_id, [examples[i] for i in sorted(drawn)], options.rounds,
                            SIDES[options.alone:]))
        show(rows[-1])
    if options.out:
        slowest = min(rows, key=lambda row: row["exact_ratio"])
        export_claim(
            options.out, claim="TextFooler is this many times as fast as TextAttack's, on the slowest model (exact)",
            command=f"python -m bench.attack_speed --n {options.n} --rounds {options.rounds}", run="", n=options.n,
            seeds=[0], metric="times_as_fast", value=slowest["exact_ratio"],
            value_se=float(np.std(slowest["exact_ratios"], ddof=1) / len(slowest["exact_ratios"]) ** 0.5),
            thresholds=to_record(ATTACKS["textfooler"]()),
            details={"rows": rows, "threads": torch.get_num_threads(), "versions": versions()})


if __name__ == "__main__":
    main()
