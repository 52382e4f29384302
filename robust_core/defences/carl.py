"""CARL: contrastive adversarial representation learning (Qiu et al. 2021)."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from robust_core.defences import DEFENCES
from robust_core.defences.freelb import FreeLB, FreeLBObjective
from robust_core.errors import BadInput, Incompatible
from robust_core.registry import param

if TYPE_CHECKING:
    import torch

    from robust_core.models.networks.base import Reading
    from robust_core.perturb import SameDropout
    from robust_core.train.defence import Rows
    from robust_core.train.setup import Batch, Setup


class Group(NamedTuple):
    """Texts of a batch that share their negatives.

    Attributes:
        rows: Their places in the batch.
        negatives: (m,) numbers of training texts with another label.
    """

    rows: "torch.Tensor"
    negatives: "torch.Tensor"


class Bank:
    """The last known representation of every training text, as unit rows; no gradient goes through it.

    Args:
        size: Number of training texts.
        width: Length of a representation.
        device: Where it lies.

    Attributes:
        rows: (size, width) float32.
        written: (size,) bool.
    """

    def __init__(self, size: int, width: int, device: "torch.device") -> None:
        import torch

        self.rows = torch.zeros(size, width, device=device)
        self.written = torch.zeros(size, dtype=torch.bool, device=device)

    def write(self, index: "torch.Tensor", vectors: "torch.Tensor", keep: float = 0.0) -> None:
        """Set the rows `index` to keep * what they are + (1 - keep) * unit vectors, brought to length one."""
        new = keep * self.rows[index] + (1 - keep) * _normalise(vectors.detach().float())
        self.rows[index] = _normalise(new)
        self.written[index] = True


def _normalise(vectors: "torch.Tensor") -> "torch.Tensor":
    from torch.nn.functional import normalize

    return normalize(vectors, dim=-1)


def score_pairs(anchors: "torch.Tensor", positives: "torch.Tensor", bank: "torch.Tensor", groups: Sequence[Group],
                temperature: float) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Return, for each group of g texts with m negatives, the (g,) scores of positives and (g, m) of negatives.

    Args:
        anchors: (n, d) unit rows.
        positives: (n, d) unit rows.
        bank: (N, d) unit rows.
        groups: Who is compared with whom.
        temperature: Divides the dot products.
    """
    return [((anchors[g.rows] * positives[g.rows]).sum(-1) / temperature,
             anchors[g.rows] @ bank[g.negatives].T / temperature) for g in groups]


def estimate_log_normaliser(found: "list[tuple[torch.Tensor, torch.Tensor]]", size: int) -> float:
    """Return log Z, where Z = N times the mean of exp(score) over all scores of a batch."""
    import torch

    flat = torch.cat([part.detach().flatten() for pair in found for part in pair])
    return float(flat.logsumexp(0)) - math.log(len(flat)) + math.log(size)


def noise_contrastive_loss(
    positive: "torch.Tensor", negatives: "torch.Tensor", log_z: float, size: int
) -> "torch.Tensor":
    """Return the (g,) noise-contrastive losses of anchors: tell the positive from m draws of uniform noise.

    With P = exp(score) / Z and Pn = 1 / size: -log(P0 / (P0 + m Pn)) - sum over j of log(m Pn / (Pj + m Pn)).

    Args:
        positive: (g,) scores.
        negatives: (g, m) scores.
        log_z: Logarithm of the normaliser Z.
        size: Number of training texts, N.

    Source: Tian et al. 2020, arXiv:1910.10699, as released; 1e-7 guards the logarithms.
    """
    noise = negatives.shape[1] / size
    chosen, others = (positive - log_z).exp(), (negatives - log_z).exp()
    return -(chosen / (chosen + noise + 1e-7)).log() - (noise / (others + noise + 1e-7)).log().sum(1)


class CARLObjective(FreeLBObjective["CARL"]):
    """A training under CARL: FreeLB at first, then an epoch that fills the banks, then the contrastive loss as well.

    Raises:
        BadInput: The training would end before the contrastive loss begins, or all texts share one label.
        Incompatible: The training is shared among processes, or the representation asked for does not exist.
    """

    def __init__(self, setup: "Setup", defence: "CARL") -> None:
        import torch

        super().__init__(setup, defence)
        if setup.processes.parts > 1:
            raise Incompatible("CARL's memory bank lives in one process: train it on one device.")
        if defence.representation == "first" and setup.word_model:
            raise Incompatible("The first token stands for the text in transformers only; use representation = pooled.")
        self.begins = round(defence.after * setup.steps)
        self.fills = (math.floor(defence.after) - 1) * setup.steps
        if self.begins >= setup.steps * setup.recipe.epochs:
            raise BadInput(f"CARL's contrastive loss begins after {defence.after:g} epochs, but this training ends "
                           f"after {setup.recipe.epochs}: train for at least {math.floor(defence.after) + 1}.")
        labels = torch.tensor([row.label for row in setup.rows])
        self._others = {label: (labels != label).nonzero().flatten() for label in labels.unique().tolist()}
        if len(self._others) < 2:
            raise BadInput("CARL contrasts texts of different labels, but all training texts share one label.")
        self.step = 0
        self.banks: dict[str, Bank] = {}
        self.log_z: dict[str, float] = {}
        self._clean: torch.Tensor | None = None

    def rows(self, epoch: int) -> "Rows":
        """Return the training rows, and say when the contrastive loss begins."""
        if epoch == self.begins // self.setup.steps + 1:
            yield {"kind": "contrastive", "step": self.begins, "epoch": epoch,
                   "negatives": min(self.defence.negatives, *(len(found) for found in self._others.values()))}
        return (yield from super().rows(epoch))

    def gradients(self, batch: "Batch") -> "dict[str, torch.Tensor]":
        """Run FreeLB's passes; keep or use their representations as the epoch demands."""
        terms = super().gradients(batch)
        self.step += 1
        self._clean = None
        return {"contrastive": terms["loss"].new_zeros(()), **terms}

    def counts(self, epoch: int) -> bool:
        """Return whether the contrastive loss has been at work."""
        return epoch * self.setup.steps > self.begins

    def notes(self) -> dict[str, Any]:
        """Return the unit of the sizes, the first step of the contrastive loss and its normalisers."""
        return super().notes() | {"contrastive_from": self.begins, "log_z": dict(self.log_z)}

    def keeps(self, t: int) -> bool:
        """Return whether pass t is the clean one that the contrastive loss goes back through."""
        return t == 0 and not self.defence.start and self.step >= self.begins

    def added(self, t: int, reading: "Reading", batch: "Batch", dropout: "SameDropout") -> "dict[str, torch.Tensor]":
        """Return the contrastive loss with the last pass, once it has begun."""
        if self.step < self.fills:
            return {}
        contrasts = self.step >= self.begins
        if t == 0 and not self.defence.start:
            self._clean = self._of(reading) if contrasts else self._of(reading).detach()
        if t < self.defence.passes - 1:
            return {}
        found = {"original": self._clean_one(batch, dropout, contrasts), "adversarial": self._of(reading)}
        if not self.banks:
            self.banks = {name: Bank(len(self.setup.rows), vectors.shape[1], vectors.device)
                          for name, vectors in found.items()}
        loss = self.contrast(found, batch) if contrasts else None
        for name, bank in self.banks.items():
            bank.write(batch.numbers, found[name], self.defence.momentum if contrasts else 0.0)
        return {} if loss is None else {"contrastive": loss}

    def contrast(self, found: "dict[str, torch.Tensor]", batch: "Batch") -> "torch.Tensor":
        """Return the contrastive loss of a batch, both directions added.

        Args:
            found: (n, d) representations of the original and the adversarial pass.
            batch: The batch.

        Raises:
            BadInput: The normaliser is not finite.
        """
        import torch

        if not self.log_z and not all(bool(bank.written.all()) for bank in self.banks.values()):
            raise RuntimeError("CARL's banks are not full: a training text was left out of an epoch")
        units = {name: _normalise(vectors.float()) for name, vectors in found.items()}
        groups, losses = list(self._groups(batch)), []
        with torch.autocast(self.setup.device.type, enabled=False):
            for anchor, other in (("adversarial", "original"), ("original", "adversarial")):
                bank = self.banks[other].rows
                positives = bank[batch.numbers] if self.defence.positive == "bank" else units[other]
                pairs = score_pairs(units[anchor], positives, bank, groups, self.defence.temperature)
                if anchor not in self.log_z:
                    self.log_z[anchor] = estimate_log_normaliser(pairs, len(bank))
                    if not math.isfinite(self.log_z[anchor]):
                        raise BadInput("CARL's representations are not finite numbers: lower the learning rate.")
                losses += [noise_contrastive_loss(*pair, self.log_z[anchor], len(bank)).sum() for pair in pairs]
        return sum(losses, start=losses[0].new_zeros(())) / len(batch.labels)

    def _groups(self, batch: "Batch") -> Iterator[Group]:
        """Yield the texts of each class in a batch with negatives drawn for them all."""
        import torch

        for label in batch.labels.unique().tolist():
            pool, count = self._others[label], self.defence.negatives
            if count < len(pool):
                drawn = self.setup.random.choice.choice(len(pool), count, replace=False, shuffle=False)
                pool = pool[torch.from_numpy(drawn)]
            yield Group((batch.labels == label).nonzero().flatten(), pool.to(batch.labels.device))

    def _clean_one(self, batch: "Batch", dropout: "SameDropout", contrasts: bool) -> "torch.Tensor":
        import torch

        if self._clean is not None:
            return self._clean
        with torch.set_grad_enabled(contrasts):
            return self._of(self.read(batch, dropout))

    def _of(self, reading: "Reading") -> "torch.Tensor":
        if self.defence.representation == "first" and reading.states is not None:
            return reading.states[:, 0]
        return reading.representation

    def state(self) -> dict[str, Any]:
        """Return the step, the banks and the normalisers."""
        kept: dict[str, Any] = super().state() | {"step": self.step, "log_z": dict(self.log_z)}
        for name, bank in self.banks.items():
            kept |= {f"{name}.rows": bank.rows, f"{name}.written": bank.written}
        return kept

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""
        super().load(state)
        self.step, self.log_z = int(state["step"]), dict(state["log_z"])
        self.banks = {}
        for name in ("original", "adversarial"):
            if f"{name}.rows" in state:
                rows = state[f"{name}.rows"].to(self.setup.device)
                self.banks[name] = Bank(len(rows), rows.shape[1], rows.device)
                self.banks[name].rows = rows
                self.banks[name].written = state[f"{name}.written"].to(rows.device)


@DEFENCES.register("carl", title="CARL", source="https://aclanthology.org/2021.findings-acl.142")
@dataclasses.dataclass(frozen=True)
class CARL(FreeLB):
    """FreeLB, and a loss that pulls a text's clean and perturbed representations together and other classes away.

    Two memory banks hold the clean and the perturbed representation of every training text. They are written in the
    last whole epoch before the contrastive loss begins, and follow with momentum from then on; so a training must
    last longer than `after` epochs. Perturbations climb the classification loss only.

    Differs: the paper's fraction is the noise-contrastive loss of the code it says it adapts (Tian et al. 2020);
    vectors have length one in the loss and the banks (raw ones overflow); a positive is the other view of the same
    batch, not the bank's older row (`positive`); one draw of negatives serves all texts of a class in a batch; with
    fewer texts of other labels than asked for, all of them serve.
    """

    after: float = param(3.0, "Epochs before the contrastive loss begins", low=1.0, high=200.0)
    negatives: int = param(16_000, "Training texts of other labels that each text is told from", low=1, high=1_000_000)
    temperature: float = param(0.07, "Divides the dot products of representations", low=0.001, high=10.0)
    momentum: float = param(0.5, "Share of a bank's row that an update keeps", low=0.0, high=1.0)
    positive: str = param("batch", "What a text is pulled to: the other view of this batch, or of the bank",
                          choices=("batch", "bank"))
    representation: str = param("pooled", "What stands for a text: what the classifier reads, or the first token",
                                choices=("pooled", "first"))

    BY_DATASET: ClassVar[dict[str, dict[str, Any]]] = {
        "yahoo_answers": FreeLB.BY_DATASET["yahoo_answers"] | {"after": 3.84},
        "yelp_polarity": FreeLB.BY_DATASET["yelp_polarity"] | {"after": 3.0, "negatives": 20_000},
        "ag_news": FreeLB.BY_DATASET["ag_news"] | {"after": 2.07}}

    def objective(self, setup: "Setup") -> CARLObjective:
        """Begin a training."""
        return CARLObjective(setup, self)
