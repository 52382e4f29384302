"""CARL and RAR, Table 6: texts that RAR reads in attacked embeddings, and which of them fool another model."""

import threading
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from robust_core import datasets, encoders, metrics
from robust_core.claims.markdown import format_percent, format_table
from robust_core.events import Event
from robust_core.experiments import EXPERIMENTS
from robust_core.experiments.again import AGAIN, describe_again, write_commands
from robust_core.experiments.availability import train_missing
from robust_core.experiments.base import Claim, Experiment, Options, Subject, choose_known, pick_subjects
from robust_core.experiments.budgets import plan_training
from robust_core.experiments.carl_rar.tables4_5 import SOURCE, STEPS, STRIDE, make_pgd
from robust_core.experiments.presence import describe_data, describe_tables, list_seeds, read_seed, split_by_presence
from robust_core.models import loading
from robust_core.models.device import gradient_autocast
from robust_core.protocols import Classifier, Encoder
from robust_core.registry import to_record
from robust_core.store import ResultStore
from robust_core.text import Draft, align
from robust_core.types import Example, Precision

if TYPE_CHECKING:
    from robust_core.models.classifier import TextClassifier

RADII = (0.1, 0.3, 1.0, 3.0)
# Examples kept with each radius, so that the table can be read.
_SHOWN, _CHUNK = 8, 32


@EXPERIMENTS.register("carl-rar/table6", title="CARL and RAR, Table 6", source=SOURCE)
class CarlRarTable6(Experiment):
    """Texts of SST-2's dev set that RAR reads in embeddings under k-PGD, and that fool the base model.

    A text counts where the base model is right about the original and wrong about what was read. The rate, the edits
    and the similarity are added: the paper shows examples only.
    """

    def subjects(self) -> Sequence[Subject]:
        """Return the model that reads and the model that is to be fooled."""
        return [Subject(plan_training("sst2", "minilm", defence), ()) for defence in ("base", "rar")]

    def run(self, options: Options, store: ResultStore, stop: threading.Event) -> Iterator[Event]:
        """Attack, read back, judge."""
        choose_known(["pgd"], options.attacks, "attack")
        yield from train_missing(self, options, stop)
        pick_subjects(self.subjects(), options)
        base, reader = (subject.id for subject in self.subjects())
        if split_by_presence(reader, options.seeds)[1] or split_by_presence(base, 1)[1]:
            return
        everything = datasets.load("sst2", "dev", options.data_dir)
        examples = datasets.choose(everything, options.n, 0)
        victim, encoder = loading.load(base, options.device), encoders.load_default(options.device)
        for radius in RADII:
            rows = []
            for name in list_seeds(reader, options.seeds):
                row = yield from _measure(loading.load(name, options.device), victim, encoder, examples, radius,
                                          options.precision, stop)
                if stop.is_set():
                    return
                rows.append(row)
            yield Event("claim", "", reader, self.make_claim(
                options, (), metric="rate", models=list_seeds(reader, options.seeds), also=(base,),
                statement=f"share of texts read by {reader} at radius {radius} that fool the base model",
                thresholds=to_record(make_pgd(radius)),
                rests_on={**describe_data("sst2", "dev", everything), **describe_tables("sentence-encoder")},
                details={"model": reader, "dataset": "sst2", "split": "dev", "attack": f"pgd-{radius:g}",
                         "radius": radius, "rows": rows}))

    def table(self, found: Sequence[Claim]) -> str:
        """Return a line a radius, and some texts."""
        mine = sorted(self.mine(found), key=lambda c: c["details"]["radius"])
        if not mine:
            return ""
        lines, shown = [], []
        for claim in mine:
            row = claim["details"]["rows"][0]
            lines.append(
                [
                    f"{claim['details']['radius']:g}",
                    format_percent(claim["value"], claim["value_se"]),
                    format_percent(row["changed"], None),
                    format_percent(row["flipped"], None),
                    _format_two(row["edits"]),
                    _format_two(row["similarity"]),
                    str(claim["n"]),
                    ", ".join(map(str, claim["seeds"])),
                    describe_again([self.file(claim)], [claim]),
                ]
            )
            known = {original for _, original, _ in shown}
            others = sorted((text for text in row["texts"] if text["edits"] and text["original"] not in known),
                            key=lambda text: len(text["original"]))
            shown += [[f"{claim['details']['radius']:g}", text["original"], text["read"]] for text in others[:2]]
        head = ["Radius", "Fool the base model %", "Text changed %", "Flip RAR itself %", "Edits a text",
                "Similarity", "n", "Seeds", "Again"]
        return (
            format_table(head, lines)
            + "\n"
            + format_table(["Radius", "Original", "Read by RAR"], shown)
            + f"\n{self.described}\n\nRadii in mean token-embedding norms, {STEPS} steps of {STRIDE} radius / "
            f"{STEPS}; edits (words replaced, added or dropped) and similarity (MiniLM cosine) are means over the "
            f"texts that fool; n are the texts that the base model gets right. {AGAIN}\n\n{write_commands(mine)}\n"
        )


def _format_two(value: float | None) -> str:
    return "–" if value is None or value != value else f"{value:.2f}"


def _measure(reader: "TextClassifier", victim: Classifier, encoder: Encoder, examples: Sequence[Example],
             radius: float, precision: Precision, stop: threading.Event) -> Generator[Event, None, dict[str, Any]]:
    """Attack a model that reads tokens back, and let another judge what it reads; yields "progress" events."""
    read: dict[str, str] = {}
    flipped = 0
    ordered = sorted(examples, key=lambda e: len(e.text))
    for start in range(0, len(ordered), _CHUNK):
        if stop.is_set():
            return {}
        chunk = ordered[start: start + _CHUNK]
        moved, texts = read_perturbed(reader, chunk, radius, precision)
        read |= dict(zip((e.uid for e in chunk), texts, strict=True))
        flipped += sum(moved)
        yield Event("progress", "", reader.id, {"part": f"reading at radius {radius:g}", "done": len(read),
                                                "total": len(ordered)})
    clean = [reader.tokens.decode(reader.text_row(e.text)) for e in examples]
    before = victim.predict_proba([e.text for e in examples]).argmax(1)
    after = victim.predict_proba([read[e.uid] for e in examples]).argmax(1)
    fooled = [i for i, e in enumerate(examples) if before[i] == e.label != after[i]]
    right = sum(int(before[i]) == e.label for i, e in enumerate(examples))
    pairs = [(clean[i], read[examples[i].uid]) for i in fooled]
    vectors = encoder.encode([text for pair in pairs for text in pair]) if pairs else []
    alike = [float(vectors[2 * k] @ vectors[2 * k + 1]) for k in range(len(pairs))]
    rate, error = metrics.estimate_proportion(len(fooled), right)
    texts = [
        {"original": a, "read": b, "similarity": alike[k], "edits": count_edits(a, b)} for k, (a, b) in enumerate(pairs)
    ]
    texts.sort(key=lambda text: (text["edits"], -text["similarity"]))
    return {"model": reader.id, "seed": read_seed(reader.id),
            "n": len(examples), "right": right, "fooled": len(fooled), "rate": rate, "rate_se": error,
            "changed": sum(c != read[e.uid] for c, e in zip(clean, examples, strict=True)) / len(examples),
            "flipped": flipped / len(examples),
            "edits": metrics.estimate_mean(text["edits"] for text in texts)[0],
            "similarity": metrics.estimate_mean(alike)[0], "texts": texts[:_SHOWN]}


def read_perturbed(reader: "TextClassifier", examples: Sequence[Example], radius: float,
                   precision: Precision = "exact") -> tuple[list[bool], list[str]]:
    """Return whether k-PGD flips each text's prediction, and what the model reads in the attacked embeddings.

    Raises:
        Incompatible: The model cannot read tokens back.
    """
    import torch

    from robust_core.perturb import climb

    encoded = reader.embed([e.text for e in examples])
    labels = torch.tensor([int(e.label or 0) for e in examples], device=encoded.mask.device)
    ascent, steps = make_pgd(radius).ascent(reader.unit)

    def loss(delta: torch.Tensor) -> torch.Tensor:
        with gradient_autocast(reader, encoded.mask.device, precision):
            scores = reader.logits(encoded.embeddings + delta, encoded.mask).float()
        return torch.nn.functional.cross_entropy(scores, labels, reduction="sum")

    delta = climb(loss, torch.zeros_like(encoded.embeddings), encoded.mask, ascent, steps)
    rows = encoded.embeddings + delta
    with torch.no_grad():
        clean, moved = (reader.logits(x, encoded.mask).argmax(-1) for x in (encoded.embeddings, rows))
    return (clean.eq(labels) & moved.ne(labels)).tolist(), reader.read_back(rows, encoded.mask)


def count_edits(original: str, other: str) -> int:
    """Return how many words were replaced, added or dropped."""
    pairs = align(Draft.of(original).words, Draft.of(other).words)
    first, second = Draft.of(original).words, Draft.of(other).words
    return sum(i is None or j is None or first[i] != second[j] for i, j in pairs)
