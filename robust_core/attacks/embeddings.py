"""Attacks on word embeddings, for evaluation: no text reads like this, but robust training defends against it.

What a member says is how to climb; what all share is written once: labels, batches, and judging afresh what was found.
"""

import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, final

from robust_core.errors import Incompatible
from robust_core.models.device import gradient_autocast
from robust_core.protocols import Classifier, WhiteBox, need_white_box
from robust_core.registry import Method, Registry, check_parameters, param, to_record
from robust_core.types import EmbeddingAttackResult, Encoded, Example, Precision

if TYPE_CHECKING:
    import torch

    from robust_core.perturb import Ascent

EMBEDDING_ATTACKS = Registry("embedding attack", ("robust_core.attacks.embeddings",))


@dataclasses.dataclass(frozen=True)
class EmbeddingAttack(Method):
    """A way to perturb the word embeddings of a text; its fields are its parameters."""

    radius: float = param(0.1, "Largest perturbation, in mean token-embedding norms", low=0.0, high=100.0)
    norm: str = param("l2", "How it is measured: over the whole text, or its largest coordinate",
                      choices=("l2", "linf"))
    words_only: bool = param(False, "Leave special tokens and punctuation marks as they are")

    def __post_init__(self) -> None:
        check_parameters(self)

    def ascent(self, unit: float) -> "tuple[Ascent, int]":
        """Return how to climb, in the embeddings' own units, and how many steps."""
        raise NotImplementedError

    @final
    def run(self, model: Classifier, examples: Sequence[Example], *, seed: int = 0,
            batch: int = 32, precision: Precision = "exact") -> Iterator[EmbeddingAttackResult]:
        """Attack examples, short texts first; misclassified ones too, since their representations are of interest.

        Args:
            model: The victim; it stays in eval mode.
            examples: Texts; without a label the victim's own prediction is the class to leave.
            seed: Seed of a random start; each example has numbers of its own, so that batches do not matter.
            batch: Texts at once.
            precision: "screened" climbs in bf16 where that is faster; what was found is judged in fp32 either way.

        Raises:
            Incompatible: The model shows no gradients, or an example is a pair of texts.
        """
        model = need_white_box(model, self.name)
        if any(example.parts for example in examples):
            raise Incompatible(f"{self.title} perturbs the whole input; pairs of texts take attacks that change words.")
        ordered = sorted(examples, key=lambda e: len(e.text))
        for start in range(0, len(ordered), batch):
            yield from self._batch(model, ordered[start: start + batch], seed, precision)

    def _batch(self, model: WhiteBox, examples: Sequence[Example], seed: int, precision: Precision
               ) -> Iterator[EmbeddingAttackResult]:
        import torch
        from torch.nn import functional as F  # noqa: N812 (its name everywhere)

        from robust_core.perturb import climb, measure_length

        encoded, unit = model.embed([e.text for e in examples]), model.unit
        rows, mask = encoded.embeddings, encoded.mask
        where = (encoded.owner >= 0).to(mask.device) & mask if self.words_only else mask
        with torch.no_grad():
            before = model.logits(rows, mask).float().softmax(-1)
        labels = torch.tensor([int(p.argmax()) if e.label is None else e.label
                               for e, p in zip(examples, before, strict=True)], device=rows.device)
        ascent, steps = self.ascent(unit)

        def loss(delta: torch.Tensor) -> torch.Tensor:
            with gradient_autocast(model, mask.device, precision):
                return F.cross_entropy(model.logits(rows + delta, mask).float(), labels, reduction="sum")

        first = _prepare_batch(ascent, encoded, where, [f"{seed}-{e.uid}" for e in examples])
        delta = climb(loss, first, where, ascent, steps)
        with torch.no_grad():
            after = model.logits(rows + delta, mask).float().softmax(-1)
            clean, moved = (model.representation(x, mask).float() for x in (rows, rows + delta))
            cosine, distance = F.cosine_similarity(clean, moved).clamp(-1.0, 1.0), (clean - moved).norm(dim=-1)
            norms = measure_length(delta, ascent.norm).flatten() / unit
        for i, example in enumerate(examples):
            yield EmbeddingAttackResult(example, model.id, to_record(self), int(labels[i]), tuple(before[i].tolist()),
                                        tuple(after[i].tolist()), float(norms[i]), unit, float(cosine[i]),
                                        float(distance[i]), steps)


def _prepare_batch(ascent: "Ascent", encoded: Encoded, where: "torch.Tensor", seeds: Sequence[str]) -> "torch.Tensor":
    """Return the first perturbations, each text's from numbers of its own."""
    import torch

    delta = torch.zeros_like(encoded.embeddings, dtype=torch.float32)
    for i, seed in enumerate(seeds) if ascent.start else ():
        tokens = int(encoded.mask[i].sum())
        generator = torch.Generator().manual_seed(random.Random(seed).getrandbits(63))
        delta[i, :tokens] = ascent.begin(where[i: i + 1, :tokens], delta.shape[2], generator)[0]
    return delta


@EMBEDDING_ATTACKS.register("fgsm", title="FGSM", source="https://arxiv.org/abs/1412.6572")
@dataclasses.dataclass(frozen=True)
class FGSM(EmbeddingAttack):
    """One step of the full radius along the signs of the gradient (under l2, along the gradient itself)."""

    radius: float = param(0.01, "Largest perturbation, in mean token-embedding norms", low=0.0, high=100.0)
    norm: str = param("linf", "How it is measured: over the whole text, or its largest coordinate",
                      choices=("l2", "linf"))

    def ascent(self, unit: float) -> "tuple[Ascent, int]":
        """Return a single step to the edge of the ball."""
        from robust_core.perturb import Ascent

        size = self.radius * unit
        return Ascent(size, size, norm=self.norm, sign=self.norm == "linf"), 1  # type: ignore[arg-type]


@EMBEDDING_ATTACKS.register("pgd", title="k-PGD", source="https://arxiv.org/abs/1706.06083")
@dataclasses.dataclass(frozen=True)
class PGD(EmbeddingAttack):
    """Several steps uphill, each followed by a projection onto the ball around the clean embeddings.

    Differs: the CARL and RAR paper names neither the number of steps, nor their length, nor the norm; over a whole
    text under l2 its figures can be reached, under linf every model would fall.
    """

    steps: int = param(10, "Steps uphill (k)", low=1, high=200)
    stride: float = param(2.5, "Length of a step, in radius / steps", low=0.01, high=100.0)
    random_start: bool = param(False, "Start at a random place in the ball instead of at the clean embeddings")

    def ascent(self, unit: float) -> "tuple[Ascent, int]":
        """Return steps along the gradient (l2) or its signs (linf)."""
        from robust_core.perturb import Ascent

        size = self.radius * unit
        return Ascent(self.stride * size / self.steps, size, size * self.random_start,
                      self.norm, sign=self.norm == "linf"), self.steps  # type: ignore[arg-type]


def attack_at_radii(model: WhiteBox, examples: Sequence[Example], attack: EmbeddingAttack, radii: Sequence[float], *,
                    seed: int = 0, batch: int = 32, precision: Precision = "exact") -> Iterator[EmbeddingAttackResult]:
    """Attack the same examples at several radii; `metrics.summarise_embedding_attacks` makes a row of each radius.

    Args:
        model: The victim.
        examples: Texts.
        attack: The attack; its own radius is not used.
        radii: In mean token-embedding norms.
        seed: As in `EmbeddingAttack.run`.
        batch: Texts at once.
        precision: As in `EmbeddingAttack.run`.
    """
    for radius in radii:
        yield from dataclasses.replace(attack, radius=radius).run(model, examples, seed=seed, batch=batch,
                                                                  precision=precision)
