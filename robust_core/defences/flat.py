"""FLAT: adversarial training of a network that reads its words through learnt masks (Chen and Ji 2022)."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.defences import DEFENCES
from robust_core.defences.adversarial import _RELEASED, Adversarial, AdversarialObjective
from robust_core.errors import Incompatible
from robust_core.registry import param

if TYPE_CHECKING:
    import torch

    from robust_core.train.setup import Batch, Pair, Setup

_EPSILON = 1e-8


class FlatObjective(AdversarialObjective["Flat"]):
    """One training with word masks."""

    def gradients(self, batch: "Batch") -> "dict[str, torch.Tensor]":
        """Minimise the cross-entropy under sampled masks, minus beta * entropy, plus gamma * importance gap.

        The entropy is the mean over all tokens that have masks: pads and a transformer's special tokens have none.
        """
        import torch

        network, defence = self.setup.network, self.defence
        cross = self.cross_entropy(batch)
        if network.masks is None:
            cross.backward()
            return {"loss": cross.detach(), "cross_entropy": cross.detach()}
        masked = network.masks.find_masked(batch.mask)
        with torch.set_grad_enabled(bool(defence.beta)):
            phi = network.importance(network.embedding(batch.ids))
            entropy = self._entropy(phi, masked)
        with torch.set_grad_enabled(bool(defence.gamma)):
            gap = self.importance_gap(batch)
        # A weight of 0 leaves its term out, so that the gradients are exactly those without it.
        loss = cross
        loss = loss - defence.beta * entropy if defence.beta else loss
        loss = loss + defence.gamma * gap if defence.gamma and batch.pair is not None else loss
        loss.backward()
        mean = phi.detach()[masked].mean()
        return {"loss": loss.detach(), "cross_entropy": cross.detach(), "entropy": entropy.detach(),
                "importance_gap": gap.detach(), "phi": mean}

    def _entropy(self, phi: "torch.Tensor", masked: "torch.Tensor") -> "torch.Tensor":
        each = -(phi * (phi + _EPSILON).log() + (1 - phi) * (1 - phi + _EPSILON).log())
        return each.mean() if self.defence.entropy_of_pads else each[masked].mean()

    def importance_gap(self, batch: "Batch") -> "torch.Tensor":
        """Return the L1 distance of the importance of words and of what replaced them, a scalar.

        It is summed over the words of a text that were replaced, and averaged over the adversarial rows of the batch
        (with `mean_of_all_rows` over all rows, as released). A word of several pieces counts as its most important.
        Words that an attack inserted or deleted, or lost by merging or splitting, have no partner and are left out.
        """
        pair, network = batch.pair, self.setup.network
        if pair is None:
            return batch.ids.new_zeros((), dtype=network.embedding.weight.dtype)
        # A word that was hidden from the network is no word that an attack replaced.
        mine = network.importance(self._seen(network.embedding(pair.rows)))
        theirs = network.importance(self._seen(network.embedding(pair.ids)))
        if self.defence.detached_importance and not self.setup.word_model:
            mine, theirs = mine.detach(), theirs.detach()
        gaps = measure_word_gaps(mine, theirs, pair)
        return gaps.mean() if self.defence.mean_of_all_rows else gaps.sum() / pair.made.sum()

    def _seen(self, rows: "torch.Tensor") -> "torch.Tensor":
        if not self.defence.noisy_importance or self.setup.family != "lstm":
            return rows
        from torch.nn.functional import dropout

        return dropout(rows, self.setup.recipe.embedding_dropout)


def measure_word_gaps(mine: "torch.Tensor", theirs: "torch.Tensor", pair: "Pair") -> "torch.Tensor":
    """Return (n,) summed distances of the importance of the words of two texts, each beside its partner.

    Words that one of the texts lacks, because an attack inserted or deleted them or they were cut off, are left out.

    Args:
        mine: (n, t) importance of the tokens of each text.
        theirs: (n, u) importance of the tokens of its original.
        pair: Which word of the original each token belongs to, or stands for.
    """
    words = int(max(pair.twin.max(), pair.owner.max())) + 1
    first, second = _sum_by_word(mine, pair.twin, words), _sum_by_word(theirs, pair.owner, words)
    both = (first >= 0) & (second >= 0)
    return ((first - second).abs() * both).sum(1)


def _sum_by_word(phi: "torch.Tensor", owner: "torch.Tensor", words: int) -> "torch.Tensor":
    """Return (n, words) the largest importance among the tokens of each word, -1 where there are none."""
    # Tokens of no word go into one more column, which is dropped.
    column = owner.masked_fill(owner < 0, words)
    found = phi.new_full((len(phi), words + 1), -1.0).scatter_reduce(1, column, phi, "amax")
    return found[:, :words]


@DEFENCES.register("flat", title="FLAT", source="https://arxiv.org/abs/2203.12709")
@dataclasses.dataclass(frozen=True)
class Flat(Adversarial):
    """Learn how important each word is, the same for a word and for what an attack puts in its place.

    Differs: the newest weights are attacked in 2 rounds, as by the command that the authors give for CNN and LSTM,
    where the paper attacks all training texts 3 to 5 times. The perturbed texts learnt from (D') are those of failed
    attacks too, as in the authors' code; with `texts` = successes they are not. The paper's attacks only swap words,
    which are paired by position; where an attack inserts, deletes, merges or splits words they are paired by
    `text.align`, and those without a partner count in no gap. The entropy is the mean over tokens that have masks.
    """

    beta: float = param(0.1, "Weight of the entropy of the masks, which is maximised", low=0.0)
    gamma: float = param(0.001, "Weight of the difference in importance of a word and its replacement", low=0.0)
    hidden: int = param(400, "Units of the mask network's hidden layer", low=1, high=4096)
    keep: float = param(0.5, "Importance of words at the start", low=0.01, high=0.99)
    phi_source: str = param("word", "Importance from the word alone, or (transformers) from the embedding layer's "
                                    "output, positions included", choices=("word", "output"))
    mask_specials: bool = param(False, "As released: mask special tokens as well (transformers)")
    drop_keys: bool = param(False, "As released: in training attend to no masked word (MiniLM)")
    entropy_of_pads: bool = param(False, "As released: count pads in the mean entropy")
    mean_of_all_rows: bool = param(False, "As released: average the importance gap over clean rows as well")
    detached_importance: bool = param(False, "As released: the importance gap has no gradient (transformers)")
    noisy_importance: bool = param(False, "As released: dropout disturbs the embeddings of the importance gap (LSTM)")
    groups: int = param(0, "Control: words of a cluster share one learnt factor instead of masks; 0: masks", low=0,
                        high=1000)

    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "paper": {},
        "as-released": _RELEASED | {
            "phi_source": "output", "mask_specials": True, "drop_keys": True, "entropy_of_pads": True,
            "mean_of_all_rows": True, "detached_importance": True, "noisy_importance": True},
        "group-masks": {"groups": 50, "rounds": 0, "beta": 0.0, "gamma": 0.0},
    }

    # Masks that drop half of the words leave too little of a few hundred texts to learn from.
    FOR_SMALL: ClassVar[dict[str, Any]] = Adversarial.FOR_SMALL | {"keep": 0.9}

    @property
    def variant(self) -> str:
        """Last part of a model id, such as flat-textfooler."""
        return f"{self.name}-groups{self.groups}" if self.groups else super().variant

    def prepare(self, setup: "Setup") -> None:
        """Give the network masks; a transformer's word embeddings stay as they are."""
        from robust_core.models.networks.word_masks import MaskConfig

        network, tokens = setup.network, setup.tokens
        if self.groups:
            self._prepare_groups(setup)
            return
        if not setup.word_model:
            network.embedding.weight.requires_grad_(False)
        source = "word" if setup.word_model else self.phi_source
        unit = 1.0 if setup.word_model or source != "word" else float(network.embedding.weight.square().mean().sqrt())
        network.add_masks(MaskConfig(self.hidden, source, self.mask_specials, self.drop_keys, len(tokens.prefix),
                                     len(tokens.suffix), unit), self.keep)
        assert network.masks is not None
        generator, device = setup.random.masks, setup.device
        # A function, not a generator: a copy of the network shares it.
        network.masks.draw = lambda shape: _make_uniform(shape, generator, device)

    def _prepare_groups(self, setup: "Setup") -> None:
        from robust_core.train.groups import add_groups

        if not setup.word_model:
            raise Incompatible("Groups of words with a common factor are for word models: cnn and lstm.")
        add_groups(setup, self.groups)

    def objective(self, setup: "Setup") -> FlatObjective:
        """Begin a training."""
        return FlatObjective(setup, self)


def _make_uniform(shape: "torch.Size", generator: "torch.Generator", device: "torch.device") -> "torch.Tensor":
    import torch

    return torch.rand(shape, generator=generator, device=device)
