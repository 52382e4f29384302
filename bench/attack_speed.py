"""Corpus attacks against TextAttack's, side by side: python -m bench.attack_speed [--attack NAME …] [--model ID …].

Both sides run an attack on the same texts in one process with the same victim, encoder, masked language model, words,
part of speech and stop words, dynamic padding, budget and threads; imports and loading are not counted and every cache
is emptied before each turn. Texts come in rounds; in each round every side takes its turn, in changing order, and
ratios are taken within the round, so that a noisy machine disturbs all alike. `--busy N` keeps N other processes busy
meanwhile and adds the exact side with one thread and with all, whatever is free; it may be repeated. TextAttack asks
the encoder what its own SentenceEncoder asks for: both texts of every pair. The bare forward passes of our runs are
repeated by themselves to see what the engine adds.
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from bench.program import keep_busy, run_program
from robust_core import datasets, encoders
from robust_core.attacks import ATTACKS, transformations
from robust_core.attacks.textattack import recipes
from robust_core.attacks.textattack.parts import prepare, wrap_victim
from robust_core.claims.files import write_claim
from robust_core.errors import BadInput
from robust_core.models import loading, masked_lm
from robust_core.models.threads import fix_threads
from robust_core.registry import to_record
from robust_core.resources import pos
from robust_core.runs import read_versions
from robust_core.text import Draft
from robust_core.types import Example

MODELS = ("sst2/cnn/base", "sst2/lstm/base", "sst2/minilm/base")
SIDES = ("textattack", "exact", "screened")
# Texts that every side attacks before the clock runs, and how many must be left of each round: ratios of single texts
# say nothing.
WARM, LEAST = 8, 3
NAMES = ("textfooler", "pwws", "bae", "clare", "gene", "iga", "pso", "a2t", "hotflip", "bad-characters",
         "faster-alzantot")
# The exact side with a number of threads that does not follow what is free; 0 stands for all.
FIXED = {"exact, 1 thread": 1, "exact, all threads": 0}
TARGETS = {"cnn": (4, 10), "lstm": (4, 10), "minilm": (1.5, 3)}


class Watch:
    """Counts texts and seconds of a model's batches, and keeps the batches so that they can be run again.

    Args:
        owner: The model.
        method: Name of the method that runs one batch of token rows, screened or not where it knows the difference.
    """

    def __init__(self, owner: Any, method: str) -> None:  # noqa: ANN401 (a classifier, an encoder, a masked model)
        self.batches: list[tuple[list[Any], tuple[bool, ...]]] = []
        self.seconds = 0.0
        self.run: Callable[..., Any] = getattr(owner, method)
        setattr(owner, method, self._watched)

    def _watched(self, rows: Sequence[Any], *screened: bool) -> Any:  # noqa: ANN401 (whatever the model gives)
        started = time.perf_counter()
        answer = self.run(rows, *screened)
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
    for cached in (transformations.list_substitutes, transformations.list_wordnet_swaps,
                   *(value for value in vars(pos).values() if hasattr(value, "cache_clear"))):
        cached.cache_clear()


class Sides:
    """The sides on one victim.

    Args:
        model: The victim.
        encoder: The sentence encoder.
        attack: The attack.
    """

    def __init__(self, model: Any, encoder: Any, attack: Any) -> None:  # noqa: ANN401
        self.model, self.encoder, self._ours = model, encoder, attack
        self.watches = {"victim": Watch(model, "run"), "encoder": Watch(encoder, "_run")}
        if hasattr(attack, "masked_model"):
            self.watches["masked"] = Watch(masked_lm.load(attack.masked_model, str(model.device)), "_run")

    def _theirs(self) -> Any:  # noqa: ANN401
        """TextAttack's attack, made anew for each turn: it remembers what its masked language model said."""
        def alike(pairs: list[tuple[str, str]]) -> np.ndarray:
            a, b = np.split(self.encoder.encode([a for a, _ in pairs] + [b for _, b in pairs]), 2)
            return (a * b).sum(axis=1)

        theirs = recipes.build_recipe(to_record(self._ours), wrap_victim(self.model.predict_proba, self.model), alike)
        if self._ours.max_queries:
            theirs.goal_function.query_budget = self._ours.max_queries
        return theirs

    def run(self, side: str, examples: Sequence[Example]) -> dict[str, Any]:
        """Attack some examples; return seconds, texts found, and what was run."""
        if side in FIXED:
            with fix_threads(FIXED[side] or torch.get_num_threads()):
                return self.run("exact", examples)
        empty_caches()
        theirs = self._theirs() if side == "textattack" else None
        for watch in self.watches.values():
            watch.taken()
        np.random.seed(0)  # noqa: NPY002 (TextAttack uses the global generators)
        random.seed(0)
        started = time.perf_counter()
        found = dict(self._attacked(side, theirs, examples))
        return {"seconds": time.perf_counter() - started, "found": found,
                "parts": {name: watch.taken() for name, watch in self.watches.items()}}

    def _attacked(self, side: str, theirs: Any, examples: Sequence[Example]  # noqa: ANN401
                  ) -> Iterator[tuple[str, str]]:
        if theirs is not None:
            for example in examples:
                result = theirs.attack(example.text, example.label)
                yield example.uid, result.perturbed_result.attacked_text.text
            return
        for event in self._ours.run([self.model], examples, encoder=self.encoder, precision=side):  # type: ignore[arg-type]
            if event.result is not None:
                yield event.uid, event.result.perturbed

    def bare(self, run: dict[str, Any]) -> float:
        """Return the seconds of a run's forward passes, repeated without anything around them."""
        started = time.perf_counter()
        for name, watch in self.watches.items():
            for rows, screened in run["parts"][name]["batches"]:
                watch.run(rows, *screened)
        return time.perf_counter() - started


def measure(model_id: str, attack: Any, examples: Sequence[Example], rounds: int,  # noqa: ANN401
            sides: Sequence[str], busy: int = 0) -> dict[str, Any]:
    """Run all rounds of some sides on one victim, beside some busy processes, and return the figures."""
    model = loading.load(model_id)
    encoder = encoders.load_default(str(model.device))
    right = model.predict_proba([e.text for e in examples]).argmax(1)
    chosen = [e for e, label in zip(examples, right, strict=True) if e.label == label]
    both = Sides(model, encoder, attack)
    warm, chosen = chosen[:WARM], chosen[WARM:]
    if len(chosen) < LEAST * rounds:
        raise BadInput(f"{model_id} classifies {len(warm) + len(chosen)} of the texts correctly; {WARM} warm up, and a "
                       f"round needs {LEAST}: raise --n, or lower --rounds.")
    for side in sides:
        both.run(side, warm)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    over: dict[str, list[float]] = {"exact": [], "screened": []}
    with keep_busy(busy):
        for r in range(rounds):
            share = chosen[r::rounds]
            turn = r % len(sides)
            for side in [*sides[turn:], *sides[:turn]]:
                run = both.run(side, share)
                runs[side].append(run)
                if side in over:
                    over[side].append(run["seconds"] / both.bare(run))
    return _figures(model_id, runs, over, len(chosen)) | {
        "attack": attack.name, "max_queries": attack.max_queries, "device": str(model.device), "busy": busy}


def _figures(model_id: str, runs: dict[str, list[dict[str, Any]]], over: dict[str, list[float]], n: int
             ) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model_id, "n": n}
    for side, found in runs.items():
        total = sum(run["seconds"] for run in found)
        row[f"{side}_ms"] = 1000 * total / n
        for part in found[0]["parts"]:
            row[f"{side}_{part}_ms"] = 1000 * sum(run["parts"][part]["seconds"] for run in found) / n
            row[f"{side}_{part}_texts"] = sum(run["parts"][part]["texts"] for run in found) / n
    for side in ("exact", "screened"):
        row[f"{side}_over_bare"] = statistics.median(over[side])
        if "textattack" in runs:
            ratios = [a["seconds"] / b["seconds"] for a, b in zip(runs["textattack"], runs[side], strict=True)]
            row[f"{side}_ratio"], row[f"{side}_ratios"] = statistics.median(ratios), ratios
            row[f"{side}_same_texts"] = _same(runs["textattack"], runs[side])
    if FIXED.keys() <= runs.keys():
        best = [min(run["seconds"] for run in fixed) for fixed in zip(*(runs[side] for side in FIXED), strict=True)]
        row["exact_over_best"] = statistics.median(
            run["seconds"] / least for run, least in zip(runs["exact"], best, strict=True))
        row["fixed_as_exact"] = min(_same(runs["exact"], runs[side]) for side in FIXED)
    row["screened_as_exact"] = _same(runs["exact"], runs["screened"])
    return row


def _same(runs: list[dict[str, Any]], others: list[dict[str, Any]]) -> float:
    same = [text == b["found"][uid] for a, b in zip(runs, others, strict=True) for uid, text in a["found"].items()]
    return sum(same) / len(same)


def show(row: dict[str, Any]) -> None:
    """Print the figures of one victim."""
    print(f"\n{row['attack']} on {row['model']}, {row['device']}, {row['n']} texts that it classifies correctly, "
          f"beside {row['busy']} busy processes")
    parts = [part for part in ("victim", "encoder", "masked") if f"exact_{part}_ms" in row]
    print(f"  {'':18}{'ms/attack':>10}" + "".join(f"{part:>9}" for part in parts) + f"{'other':>8}   texts: "
          + ", ".join(parts))
    sides = [side for side in (*SIDES, *FIXED) if f"{side}_ms" in row]
    for side in sides:
        each = [row[f"{side}_{part}_ms"] for part in parts]
        print(f"  {side:18}{row[f'{side}_ms']:10.1f}" + "".join(f"{ms:9.1f}" for ms in each)
              + f"{row[f'{side}_ms'] - sum(each):8.1f}   "
              + ", ".join(f"{row[f'{side}_{part}_texts']:.1f}" for part in parts))
    print(f"  screened finds the text of exact in {row['screened_as_exact']:.1%}; over bare forward passes "
          f"(target 1.25): exact {row['exact_over_bare']:.2f}, screened {row['screened_over_bare']:.2f}")
    if "exact_over_best" in row:
        print(f"  exact takes {row['exact_over_best']:.2f} times what it takes with the better number of threads "
              f"(median of the rounds; target 1.15), same text in {row['fixed_as_exact']:.1%}")
    if "textattack" not in sides:
        return
    targets = TARGETS.get(row["model"].split("/")[1], (0, 0)) if row["attack"] == "textfooler" else (0, 0)
    for side, target in zip(("exact", "screened"), targets, strict=True):
        aim = f"; target {target}" if target else ""
        print(f"  {side}: {row[f'{side}_ratio']:.1f} times as fast (median; rounds {min(row[f'{side}_ratios']):.1f} to "
              f"{max(row[f'{side}_ratios']):.1f}{aim}), same text in {row[f'{side}_same_texts']:.1%}")


def main() -> None:
    """Read the options, measure, print, and write a claim if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--attack", action="append", choices=NAMES, help="may be repeated; textfooler by default")
    parser.add_argument("--budget", type=int, default=0, help="most queries a text, on both sides; 0 sets no limit")
    parser.add_argument("--most-words", type=int, default=0, help="leave longer texts out; 0 sets no limit")
    parser.add_argument("--model", action="append", help="model id; may be repeated")
    parser.add_argument("--n", type=int, default=250, help="texts of the SST-2 test set")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--alone", action="store_true", help="without TextAttack, where it is not installed")
    parser.add_argument("--busy", action="append", type=int, choices=range(65), metavar="N",
                        help="keep N other processes busy; may be repeated, such as --busy 0 --busy 1 --busy 8")
    parser.add_argument("--out", help="write the figures to this file")
    options = parser.parse_args()
    if options.alone and options.out:
        parser.error("A claim compares with TextAttack: --out goes without --alone.")
    examples = [e for e in datasets.load("sst2", "test")
                if not options.most_words or len(Draft.of(e.text).words) <= options.most_words]
    drawn = np.random.default_rng(0).permutation(len(examples))[: options.n]
    if not options.alone:
        prepare()
    rows = []
    names = options.attack or ["textfooler"]
    sides = (*SIDES[options.alone:], *(FIXED if options.busy else ()))
    for name, model_id, busy in itertools.product(names, options.model or MODELS, options.busy or [0]):
        rows.append(measure(model_id, ATTACKS[name](max_queries=options.budget), [examples[i] for i in sorted(drawn)],
                            options.rounds, sides, busy))
        show(rows[-1])
    if options.out:
        slowest = min(rows, key=lambda row: row["exact_ratio"])
        write_claim(
            options.out, claim="Attacks are this many times as fast as TextAttack's: the slowest of them (exact)",
            command=_command(options), run="", n=options.n,
            seeds=[0], metric="times_as_fast", value=slowest["exact_ratio"],
            value_se=float(np.std(slowest["exact_ratios"], ddof=1) / len(slowest["exact_ratios"]) ** 0.5),
            thresholds=to_record(ATTACKS["textfooler"]()) if names == ["textfooler"] else {},
            details={"rows": rows, "threads": torch.get_num_threads(), "versions": read_versions()})


def _command(options: argparse.Namespace) -> str:
    """Return the command line that measures the same again."""
    words = [f"--attack {name}" for name in options.attack or ()] + [f"--model {name}" for name in options.model or ()]
    words += [f"--busy {count}" for count in options.busy or ()]
    words += [f"--budget {options.budget}"] * bool(options.budget)
    words += [f"--most-words {options.most_words}"] * bool(options.most_words)
    return " ".join(["python -m bench.attack_speed", *words, f"--n {options.n} --rounds {options.rounds}"])


if __name__ == "__main__":
    run_program(main)
