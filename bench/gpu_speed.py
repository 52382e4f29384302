"""Speed on one device: python -m bench.gpu_speed --model minilm --device auto [--n N] [--out FILE.json].

Texts, attacks and explained pairs a second of MiniLM, or of a BERT-base with random weights, on texts of SST-2's test
set. Every figure ends with an answer on the processor, so that work a GPU still has to do is never left out. The same
texts are taken on each device; the file lists what each attack found, for a comparison.
"""

import argparse
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.program import run_program
from robust_core import datasets, encoders, resources
from robust_core.attacks import ATTACKS
from robust_core.attacks.textattack import parts, recipes
from robust_core.environment import has_package
from robust_core.explainers import EXPLAINERS
from robust_core.explainers.occlusion import OcclusionQuery, draw_lime_masks
from robust_core.models import loading
from robust_core.models.device import describe_device
from robust_core.registry import to_record
from robust_core.resources import minilm_folder
from robust_core.runs import read_versions
from robust_core.text import Draft, Edit
from robust_core.types import Example

MODELS = ("minilm", "bert-base")
# BERT-base (Devlin et al. 2019), and one that a test makes in a moment.
SIZES = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
TINY = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
SAMPLES, WARM = 500, 8
Row = dict[str, Any]


def make_bert(folder: Path, tiny: bool) -> Path:
    """Write a BERT classifier of two classes with random weights, and MiniLM's tokenizer, which is BERT's."""
    if (folder / "model.safetensors").is_file():
        return folder
    import torch
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(0)
    BertForSequenceClassification(BertConfig(vocab_size=30_522, **(TINY if tiny else SIZES))).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_file=str(minilm_folder() / "tokenizer.json"), pad_token="[PAD]",
                            unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
                            ).save_pretrained(folder)
    return folder


def time_rate(do: Callable[[int], int], chunks: int, seconds: float) -> tuple[int, float]:
    """Return how much was done and the seconds it took; `do` does a part and says how much that was.

    Args:
        do: From the number of a part to how much it holds.
        chunks: How many parts there are.
        seconds: No part is begun after so long.
    """
    done, began = 0, time.perf_counter()
    for chunk in range(chunks):
        done += do(chunk)
        if time.perf_counter() - began > seconds:
            break
    return done, time.perf_counter() - began


def measure_texts(model: Any, texts: Sequence[str], size: int, seconds: float) -> Row:  # noqa: ANN401
    """Return how many texts a second are classified in fp32, `size` at a time, tokenizer included."""
    model.predict_proba(texts[:size])
    n, took = time_rate(lambda i: len(model.predict_proba(texts[size * i: size * (i + 1)])), -(-len(texts) // size),
                        seconds)
    return {"what": "texts", "precision": "exact", "n": n, "seconds": took, "per_second": n / took}


def measure_attacks(model: Any, encoder: Any, examples: Sequence[Example], precision: Any,  # noqa: ANN401
                    width: int, seconds: float) -> Row:
    """Return how many attacks of TextFooler a second end, and what they found.

    Args:
        model: The victim.
        encoder: The sentence encoder, on the same device.
        examples: Texts; the first eight, or half of them, warm up and do not count.
        precision: exact or screened.
        width: Searches that run side by side.
        seconds: After so long all are stopped; those that had not ended do not count.
    """
    attack, stop, found = ATTACKS["textfooler"](), threading.Event(), []
    warm = min(WARM, len(examples) // 2)
    list(attack.run([model], examples[:warm], width=width, encoder=encoder, precision=precision))
    began, took = time.perf_counter(), 0.0
    for event in attack.run([model], examples[warm:], width=width, encoder=encoder, precision=precision, stop=stop):
        if event.result is not None and not stop.is_set():
            found.append(event.result)
            took = time.perf_counter() - began
        if time.perf_counter() - began > seconds:
            stop.set()
    return {"what": "attacks", "attack": attack.name, "precision": precision, "width": width, "n": len(found),
            "asked": len(examples) - warm, "seconds": took, "per_second": len(found) / took if took else 0.0,
            "succeeded": sum(r.status == "succeeded" for r in found),
            "queries": float(np.mean([r.queries for r in found])) if found else 0.0,
            "texts": {r.example.uid: hashlib.sha256(r.perturbed.encode()).hexdigest()[:12] for r in found}}


def measure_textattack(model: Any, encoder: Any, examples: Sequence[Example], seconds: float) -> Row:  # noqa: ANN401
    """Return how many attacks a second TextAttack's own TextFooler makes with the same models on the same device."""
    attack = ATTACKS["textfooler"]()
    theirs = recipes.build_recipe(to_record(attack), parts.wrap_victim(model.predict_proba),
                                  parts.make_alike(encoder.encode))
    labels = model.predict_proba([e.text for e in examples]).argmax(1)
    found = []

    def one(i: int) -> int:
        found.append(theirs.attack(examples[i].text, int(labels[i])))
        return 1

    one(0)
    n, took = time_rate(lambda i: one(i + 1), len(examples) - 1, seconds)
    return {"what": "attacks", "attack": "textattack's textfooler", "precision": "exact", "width": 1, "n": n,
            "seconds": took, "per_second": n / took}


def pair_texts(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Return each text beside itself with the first two words that have neighbours swapped for the nearest."""
    found = []
    for example in examples:
        draft, swapped = Draft.of(example.text), 0
        for i, word in enumerate(draft.words):
            near = resources.neighbours(word) if swapped < 2 else ()
            if near:
                draft, swapped = draft.apply(Edit(i, i + 1, (near[0][0],))), swapped + 1
        found.append((example.text, draft.text))
    return found


def measure_pairs(model: Any, pairs: Sequence[tuple[str, str]], seconds: float) -> Iterator[Row]:  # noqa: ANN401
    """Yield how many pairs of texts a second are explained, by integrated gradients and by LIME.

    Integrated gradients are asked for both classes at once, which needs no other package. LIME is timed without its
    fit as well, where the package lime is missing: the classifier's answers to its 500 variants of each text.
    """
    def ig(i: int) -> int:
        EXPLAINERS["ig"]().explain(model, [text for text in pairs[i] for _ in model.labels],
                                   [*range(len(model.labels))] * 2)
        return 1

    def ask(i: int) -> int:
        for text in pairs[i]:
            OcclusionQuery(model, text, low=True)(draw_lime_masks(len(Draft.of(text).words), SAMPLES, 0))
        return 1

    def lime(i: int) -> int:
        EXPLAINERS["lime"](samples=SAMPLES).explain(model, list(pairs[i]), [1, 1])
        return 1

    kinds = {"ig": ig, "lime-questions": ask} | ({"lime": lime} if has_package("lime") else {})
    for name, do in kinds.items():
        do(0)
        n, took = time_rate(lambda i, do=do: do(i + 1), len(pairs) - 1, seconds)
        yield {"what": "pairs", "explainer": name, "n": n, "seconds": took, "per_second": n / took}


def list_skipped() -> list[str]:
    """Return what cannot be measured here, and why."""
    missing = {"lime": "LIME with its fit", "textattack": "TextAttack's own attacks"}
    return [f"{what}: the package {name} is missing" for name, what in missing.items() if not has_package(name)]


def measure(args: argparse.Namespace, examples: list[Example]) -> Row:
    """Measure everything on one model and device."""
    import torch

    where = describe_device(args.device)
    name = "sst2/minilm/base" if args.model == "minilm" else str(make_bert(Path(args.folder) / args.model, args.tiny))
    model, encoder = loading.load(name, args.device), encoders.load_default(args.device)
    examples = [Example(e.text, None, e.uid) for e in examples]
    few = examples[: args.n + min(WARM, args.n)]
    texts = [e.text for e in (few if args.tiny else examples)]
    rows = [measure_texts(model, texts, 64 if where["kind"] == "cpu" else 512, args.seconds)]
    # A GPU has room for more searches side by side than a processor.
    for width in dict.fromkeys((32, args.width)):
        for precision in ("exact", "screened"):
            rows.append(measure_attacks(model, encoder, few, precision, width, args.seconds))
    rows += measure_pairs(model, pair_texts(few[: args.pairs + 1]), args.seconds)
    if args.textattack and has_package("textattack"):
        rows.append(measure_textattack(model, encoder, few[: args.textattack + 1], args.seconds))
    return {"model": args.model, "device": where, "parameters": sum(p.numel() for p in model.net.parameters()),
            "threads": torch.get_num_threads(), "cores": os.cpu_count(), "load": os.getloadavg()[0],
            "versions": read_versions(), "cuda": torch.version.cuda, "skipped": list_skipped(), "rows": rows}


def main() -> None:
    """Measure one model on one device, and print or write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="minilm")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--n", type=int, default=200, help="texts that are attacked")
    parser.add_argument("--width", type=int, default=32, help="searches side by side, beside 32")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of texts that are explained")
    parser.add_argument("--textattack", type=int, default=20, help="texts that TextAttack attacks, 0 for none")
    parser.add_argument("--seconds", type=float, default=20.0, help="most seconds of each figure")
    parser.add_argument("--tiny", action="store_true", help="a BERT of one layer, to see whether all works")
    parser.add_argument("--folder", default="runs/gpu-work", help="where the random BERT is written")
    parser.add_argument("--data-dir")
    parser.add_argument("--out", help="file for the figures; printed without it")
    args = parser.parse_args()
    examples = datasets.load("sst2", "test", args.data_dir)
    np.random.default_rng(0).shuffle(examples)  # type: ignore[arg-type] (a list of examples)
    found = json.dumps(measure(args, examples), indent=1)
    if args.out:
        Path(args.out).write_text(found + "\n", encoding="utf-8")
    else:
        sys.stdout.write(found + "\n")


if __name__ == "__main__":
    run_program(main)
