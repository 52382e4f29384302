"""FreeLB: several passes over perturbed embeddings, one optimiser step (Zhu et al. 2020)."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from robust_core.defences import DEFENCES
from robust_core.registry import param
from robust_core.train.defence import Defence, Objective

if TYPE_CHECKING:
    import torch

    from robust_core.models.networks.base import Reading
    from robust_core.perturb import SameDropout
    from robust_core.train.setup import Batch, Setup


F = TypeVar("F", bound="FreeLB")


class FreeLBObjective(Objective[F]):
    """A training under FreeLB, and the passes that CARL and RAR add their terms to.

    Args:
        setup: The training.
        defence: Its parameters.

    Attributes:
        unit: Mean norm of the network's token embeddings, in which the sizes are given.
        ascent: How perturbations climb, in the embeddings' own units.
    """

    def __init__(self, setup: "Setup", defence: F) -> None:
        from robust_core.models.networks.base import measure_mean_norm

        super().__init__(setup, defence)
        self._measure(measure_mean_norm(setup.network.embedding.weight, setup.tokens.pad_id))

    def _measure(self, unit: float) -> None:
        from robust_core.perturb import Ascent

        defence = self.defence
        self.unit = unit
        self.ascent = Ascent(defence.step * unit, defence.radius * unit, defence.start * unit,
                             defence.norm)  # type: ignore[arg-type] (one of its choices)

    def state(self) -> dict[str, Any]:
        """Return the unit: where the embeddings are trained along, it is that of their first values."""
        return {"unit": self.unit}

    def load(self, state: dict[str, Any]) -> None:
        """Take back the unit."""
        self._measure(float(state["unit"]))

    def gradients(self, batch: "Batch") -> "dict[str, torch.Tensor]":
        """Run the passes, leave the mean of their gradients in the parameters and return the loss terms."""
        from robust_core.perturb import SameDropout, compute_slope, descend

        network = self.setup.network
        learnt = [p for module in (network, *self.modules.values()) for p in module.parameters() if p.requires_grad]
        dropout = SameDropout(self.setup.device)
        delta = self.ascent.begin(batch.mask, network.embedding.embedding_dim, self.setup.random.noise)
        terms: dict[str, torch.Tensor] = {}
        for t in range(self.defence.passes):
            last = t == self.defence.passes - 1
            delta = delta.detach().requires_grad_(not last)
            reading = self.read(batch, dropout, delta)
            loss = self._cross_entropy(reading, batch) / self.defence.passes
            added = self.added(t, reading, batch, dropout)
            for name, term in {"classification": loss, **added}.items():
                terms[name] = terms.get(name, 0) + term.detach()
            total = sum(added.values(), start=loss)
            if last:
                descend(total, learnt)
                continue
            if added:
                slope = compute_slope(loss, delta, keep=True)
                descend(total, learnt, keep=self.keeps(t))
            else:
                slope = descend(loss, learnt, delta, keep=self.keeps(t))
            # The loss is a mean over texts and passes; each text's own slope keeps it on its way in any batch.
            delta = self.ascent.climbed(delta, slope * (self.defence.passes * len(batch.labels)), batch.mask)
        return {"loss": sum(terms.values(), start=delta.new_zeros(())), **terms}

    def read(self, batch: "Batch", dropout: "SameDropout", delta: "torch.Tensor | None" = None) -> "Reading":
        """Run one pass over the embeddings, perturbed or clean, under the batch's dropout masks."""
        rows = self.setup.network.embedding(batch.ids)
        with dropout(), self.setup.autocast():
            return self.setup.network.reading(rows if delta is None else rows + delta, batch.mask)

    def notes(self) -> dict[str, Any]:
        """Return the unit in which the sizes are given."""
        return {"unit": self.unit}

    def added(self, t: int, reading: "Reading", batch: "Batch", dropout: "SameDropout") -> "dict[str, torch.Tensor]":
        """Return further loss terms of pass t, with their weights; perturbations never climb on them."""
        return {}

    def keeps(self, t: int) -> bool:
        """Return whether a term of a later pass goes back through the graph of pass t."""
        return False

    @staticmethod
    def _cross_entropy(reading: "Reading", batch: "Batch") -> "torch.Tensor":
        from torch.nn.functional import cross_entropy

        return cross_entropy(reading.logits.float(), batch.labels)


@DEFENCES.register("freelb", title="FreeLB", source="https://arxiv.org/abs/1909.11764")
@dataclasses.dataclass(frozen=True)
class FreeLB(Defence):
    """Learn from several passes over embeddings that climb the loss, with one step of the optimiser.

    The defaults are those of the CARL and RAR paper for SST-2; `BY_DATASET` has its others. The passes of a batch
    share their dropout masks; every real token is perturbed, special tokens included, pads never.

    Differs: sizes are multiples of the mean norm of the network's token embeddings, in the paper absolute in ALBERT's
    (those for AG News are so small in ours that MiniLM gains more from SST-2's); a random start outside the ball is
    brought into it at once, in the released code after the first step.
    """

    start: float = param(0.6, "Size of the random start, in mean token-embedding norms (gamma)", low=0.0, high=10.0)
    step: float = param(0.1, "Length of one step uphill, in mean token-embedding norms (alpha)", low=0.0, high=10.0)
    radius: float = param(0.0, "Largest perturbation of a text, in mean token-embedding norms; 0 = no limit (epsilon)",
                          low=0.0, high=100.0)
    passes: int = param(2, "Passes a batch; one less are steps uphill (n)", low=1, high=10)
    norm: str = param("l2", "How perturbations are measured: over the whole text, or its largest coordinate",
                      choices=("l2", "linf"))

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {"paper": {}}
    BY_DATASET: ClassVar[dict[str, dict[str, Any]]] = {
        "yahoo_answers": {"start": 0.0, "step": 0.01, "radius": 0.0, "passes": 3},
        "yelp_polarity": {"start": 0.5, "step": 0.05, "radius": 0.0, "passes": 3},
        "ag_news": {"start": 0.0, "step": 0.01, "radius": 0.0, "passes": 3}}

    @classmethod
    def paper(cls, dataset: str) -> Self:
        """Return the paper's setting for a data set; where it has none, that for SST-2."""
        return cls(**cls.BY_DATASET.get(dataset, {}))

    def objective(self, setup: "Setup") -> FreeLBObjective:
        """Begin a training."""
        return FreeLBObjective(setup, self)
