"""A blind reading of adversarial texts: python -m bench.reading make|score.

`make` attacks sentences of SST-2 under both presets, takes some flips of each and some originals, mixes them, and
writes `texts.tsv` (a number and a text: all that the reader sees) and `key.tsv` (where each text comes from). The
reader writes `verdicts.tsv`: what the text says (positive, negative or unclear) and how good its English is, 1 to 5.
`score` puts both together: the label is kept where the reader finds the original's own, and 4 or 5 is passable English.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.program import check_models, run_program
from bench.tsv import write_rows
from robust_core import datasets
from robust_core.attacks import ATTACKS
from robust_core.attacks.presets import NAMES, read_preset
from robust_core.evaluation.meaning_changes import describe_swap
from robust_core.judging.records import Judged
from robust_core.judging.scores import decide, score_verdicts
from robust_core.judging.shipped import ORIGINAL, read_reading
from robust_core.models import loading
from robust_core.paths import READING
from robust_core.types import AttackResult, Example

MODELS = ("sst2/cnn/base", "sst2/minilm/base")


class Text(NamedTuple):
    """One text to read, and where it comes from."""

    text: str
    preset: str
    model: str
    attack: str
    label: str
    original: str
    swaps: str
    flagged: str


def main() -> None:
    """Make the texts or score the verdicts."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__)
    parser.add_argument("what", choices=("make", "score"))
    parser.add_argument("--attack", default="textfooler")
    parser.add_argument("--model", action="append", help="victims; two base models by default")
    parser.add_argument("--split", default="test")
    parser.add_argument("--n", type=int, default=100, help="flips of each preset, shared by the models")
    parser.add_argument("--originals", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--folder", type=Path, default=READING)
    args = parser.parse_args()
    if args.what == "make":
        models = args.model or list(MODELS)
        check_models(*models)
        examples = list(datasets.load("sst2", args.split, args.data_dir))
        write_texts(args.folder, choose_texts(models, args.attack, examples, args.n, args.originals, args.seed),
                    args.seed)
        return
    for line in score_reading(args.folder):
        print(line)


def choose_texts(models: Sequence[str], attack: str, examples: Sequence[Example], n: int, originals: int, seed: int
                 ) -> list[Text]:
    """Return flips of each preset, evenly from the models, and originals, each of another sentence where possible."""
    order = random.Random(seed).sample(list(examples), len(examples))
    names = datasets.describe("sst2").labels
    found = [Text(e.text, ORIGINAL, "", "", names[e.label or 0], e.text, "", "") for e in order[:originals]]
    rest = order[originals:]
    share = n // len(models)
    for m, model in enumerate(models):
        victim = loading.load(model, "cpu")
        for p, preset in enumerate(NAMES):
            method = ATTACKS[attack](**read_preset(ATTACKS[attack], preset))
            # Each group begins elsewhere, so that few sentences are read twice.
            start = (m * len(NAMES) + p) * len(rest) // (len(models) * len(NAMES))
            flips: list[Text] = []
            for event in method.run([victim], rest[start:] + rest[:start], seed=seed, precision="screened"):
                if event.result is not None and event.result.status == "succeeded":
                    flips.append(_describe(event.result, preset, names))
                if len(flips) == share:
                    break
            found += flips
    return found


def _describe(result: AttackResult, preset: str, names: Sequence[str]) -> Text:
    swaps = [f"{swap.old} -> {swap.new}" for swap in result.swaps]
    flagged = [f"{swap.old} -> {swap.new}: {why}" for swap in result.swaps if (why := describe_swap(swap))]
    return Text(result.perturbed, preset, result.victim, str(result.attack["name"]), names[result.reference_label],
                result.example.text, "; ".join(swaps), "; ".join(flagged))


def write_texts(folder: Path, texts: Sequence[Text], seed: int) -> None:
    """Write texts in random order, and apart from them where they come from."""
    folder.mkdir(parents=True, exist_ok=True)
    mixed = random.Random(seed + 1).sample(list(texts), len(texts))
    write_rows(folder / "texts.tsv", [("number", "text"), *((k, t.text) for k, t in enumerate(mixed, 1))])
    write_rows(folder / "key.tsv", [("number", *Text._fields[1:]), *((k, *t[1:]) for k, t in enumerate(mixed, 1))])


def score_reading(folder: Path) -> Iterator[str]:
    """Yield a line for each preset and model: how often the label was kept, and the English passable.

    Raises:
        BadInput: Verdicts are missing or not as they should be.
    """
    _, judged = read_reading(folder)
    for preset, model in sorted({(_name_preset(each), each.item.group.model) for each in judged}):
        rows = [each for each in judged if (_name_preset(each), each.item.group.model) == (preset, model)]
        yield f"{preset} {model}".rstrip() + ": " + _summarise(rows)
    for preset in NAMES:
        yield f"{preset}, all: {_summarise([each for each in judged if _name_preset(each) == preset])}"


def _name_preset(judged: Judged) -> str:
    return judged.item.group.preset or ORIGINAL


def _summarise(judged: Sequence[Judged]) -> str:
    score = score_verdicts(decide(judged))[-1]
    parts = [f"{name} {100 * figure.value:.0f} ± {100 * figure.error:.0f} %" for name, figure in (
        ("label kept", score.kept), ("passable English", score.passable), ("both", score.both))]
    return f"{', '.join(parts)} (n {score.texts})"


if __name__ == "__main__":
    run_program(main)
