"""Certified training of the additive model: against the exact worst case over all swaps of a set."""

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

from robust_core.defences import DEFENCES
from robust_core.models.tokens import WholeWords
from robust_core.registry import param
from robust_core.resources import swap_sets
from robust_core.resources.stopwords import neutral_words
from robust_core.train.defence import Defence, Objective

if TYPE_CHECKING:
    import torch

    from robust_core.models.networks.additive import AdditiveNetwork
    from robust_core.train.defence import Rows
    from robust_core.train.setup import Batch, Setup


class CertifiedObjective(Objective["Certified"]):
    """A training on worst cases.

    Args:
        setup: The training.
        defence: Its parameters.
    """

    def __init__(self, setup: "Setup", defence: "Certified") -> None:
        from robust_core.models.networks.additive import AdditiveNetwork

        super().__init__(setup, defence)
        assert isinstance(setup.network, AdditiveNetwork), "start_network lets no other one be trained under this"
        self.network, self.epoch = setup.network, 1
        # A parametrized table is worked out anew each time it is asked for.
        table = self.network.embedding.weight.detach()
        weights = ((defence.swaps, defence.weight), (defence.wide_swaps, defence.wide_weight))
        self.sets = [(options := _list_options(setup, setup.find_swap_set(name)), *find_flags(table, options), weight)
                     for name, weight in weights if weight > 0]

    def rows(self, epoch: int) -> "Rows":
        """Return the training texts, and remember the epoch."""
        self.epoch = epoch
        return (yield from super().rows(epoch))

    def counts(self, epoch: int) -> bool:
        """Return whether it is the last epoch: the rate falls to 0, and accuracy would choose what is least proven."""
        return epoch == self.setup.recipe.epochs

    def loss(self, batch: "Batch") -> "torch.Tensor":
        """Return the mean over labelled texts, and that over texts of the teacher where there are any."""
        import torch
        from torch.nn import functional as F

        setup, network = self.setup, self.network
        table = network.embedding.weight
        embeddings = F.embedding(batch.ids, table)
        logits = network(embeddings, batch.mask)
        whole = min(1.0, self.epoch / self.defence.rise)
        total = sum(weight for *_, weight in self.sets)
        losses = max(1 - whole * total, 0.0) * self._measure_clean(logits, batch)
        for options, may, must, weight in self.sets:
            allowed = find_allowed_states(network, embeddings, batch.mask, may[batch.ids], must[batch.ids])
            worst = find_worst_scores(network, table, options, batch.ids, batch.mask, allowed, batch.labels)
            if self.epoch <= self.defence.soft_epochs:
                lost = F.cross_entropy(worst, batch.labels, reduction="none")
            else:
                right = torch.softmax(worst, 1).gather(1, batch.labels[:, None]).squeeze(1)
                lost = 2 * (1 - right)
            losses = losses + whole * weight * lost
        taught = batch.numbers >= (setup.labelled or len(setup.rows))
        return sum(losses[chosen].mean() for chosen in (~taught, taught) if chosen.any())  # type: ignore[return-value]

    def _measure_clean(self, logits: "torch.Tensor", batch: "Batch") -> "torch.Tensor":
        """Return the (n,) cross-entropy, against the teacher's probabilities where a text has them."""
        import torch
        from torch.nn import functional as F

        target = F.one_hot(batch.labels, logits.shape[1]).to(logits.dtype)
        if self.setup.taught is not None:
            of = batch.numbers - self.setup.labelled
            target = torch.where((of >= 0)[:, None], self.setup.taught[of.clamp(min=0)], target)
        return F.cross_entropy(logits, target, reduction="none")


@DEFENCES.register("certified", title="Certified", source="https://arxiv.org/abs/1909.00986")
@dataclasses.dataclass(frozen=True)
class Certified(Defence):
    """Learn from the worst text that swaps can make of each training text, not from the text alone.

    The loss is max(1 - f (a + b), 0) CE(scores) + f a R(worst over swaps) + f b R(worst over wide swaps). f rises from
    0 to 1 in the first epochs; R is the cross-entropy of the worst scores at first, then 2 (1 - p) of the gold class,
    which lets go of texts that no weights can prove. For the additive model the worst case is exact; the paper (Jia et
    al. 2019) has interval bounds for a CNN and an LSTM, and no bounded R.
    """

    tunes_words: ClassVar[bool] = True
    takes_swaps: ClassVar[bool] = True
    PRESETS: ClassVar[dict[str, dict[str, Any]]] = {
        "close": {"swaps": "close", "weight": 0.6, "wide_weight": 0.0},
        "balanced": {"swaps": "close", "weight": 0.1, "wide_weight": 0.2},
        "wide": {"swaps": "close", "weight": 0.15, "wide_weight": 0.25},
    }

    swaps: str = param("close", "First swap set; file: that of a file of your own (--swaps FILE)",
                       choices=(*swap_sets.NAMES, swap_sets.FILE))
    weight: float = param(0.6, "Weight a of the worst case over it", low=0.0, high=1.0)
    wide_swaps: str = param("wide", "Second swap set", choices=swap_sets.NAMES)
    wide_weight: float = param(
        0.0, "Weight b of the worst case over it; from a + b = 1 on the text itself has no weight", low=0.0, high=1.0)
    rise: int = param(4, "Epochs in which both weights rise", low=1, high=100)
    soft_epochs: int = param(5, "Epochs with the unbounded loss of the worst case", low=0, high=100)

    hold_function_words: bool = param(
        False, "Function words that say nothing of an opinion add nothing: no negation, contrast or degree", later=True)

    @property
    def variant(self) -> str:
        """Last part of a model id: the preset that the weights are of, or certified; -held with words held at 0."""
        mine = {name: getattr(self, name) for name in ("swaps", "weight", "wide_weight")}
        preset = next((name for name, values in self.PRESETS.items() if values == mine), self.name)
        return preset + "-held" * self.hold_function_words

    def prepare(self, setup: "Setup") -> None:
        """Let function words add nothing, where that is asked for."""
        if self.hold_function_words:
            import torch

            from robust_core.models.networks.additive import AdditiveNetwork

            network, tokens = setup.network, setup.tokens
            assert isinstance(network, AdditiveNetwork), "start_network lets no other one be trained under this"
            assert isinstance(tokens, WholeWords), "certified training is for the additive model"
            held = [False, False, *(word in neutral_words() for word in tokens.words)]
            network.hold_words(torch.tensor(held, device=setup.device))

    def objective(self, setup: "Setup") -> CertifiedObjective:
        """Begin a training on worst cases."""
        return CertifiedObjective(setup, self)


def _list_options(setup: "Setup", swap_set: swap_sets.SwapSet) -> "torch.Tensor":
    """Return the (vocabulary, k) ids that may stand for each id: itself first, and again where there are no more."""
    import torch

    tokens, find = setup.tokens, swap_set.find
    assert isinstance(tokens, WholeWords), "certified training is for the additive model"
    rows = [[0], [1]] + [[i, *(tokens.unit_ids(other)[0] for other in find(word))]
                         for i, word in enumerate(tokens.words, 2)]
    width = max(map(len, rows))
    return torch.tensor([row + row[:1] * (width - len(row)) for row in rows], device=setup.device)


def find_flags(table: "torch.Tensor", options: "torch.Tensor") -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return two (vocabulary, flags) bools: whether any word that may stand for one has a flag, and whether all have.

    Args:
        table: (vocabulary, d) embedding table.
        options: (vocabulary, k) ids that may stand for each id.
    """
    from robust_core.models.networks.additive import FLAGS

    flags = (table[:, -FLAGS:] > 0.5).to(options.device)[options]
    return flags.any(1), flags.all(1)


def find_allowed_states(network: "AdditiveNetwork", embeddings: "torch.Tensor", mask: "torch.Tensor",
                        may: "torch.Tensor", must: "torch.Tensor") -> "torch.Tensor":
    """Return (n, t, states) bool: which states each word may come into by swaps of other words.

    Args:
        network: The model.
        embeddings: (n, t, d) rows of the words.
        mask: (n, t) bool, True at real tokens.
        may: (n, t, flags) bool: whether any word that may stand there has a flag.
        must: (n, t, flags) bool: whether all have.
    """
    from torch.nn import functional as F

    from robust_core.models.networks.additive import STATES, place_allowed_states

    if network.states == "topic":
        return F.one_hot(network.find_states(embeddings, mask), STATES[network.states]).bool()
    real = mask.unsqueeze(-1)
    return place_allowed_states(may & real, must & real)


def find_worst_scores(network: "AdditiveNetwork", table: "torch.Tensor", options: "torch.Tensor", ids: "torch.Tensor",
                      mask: "torch.Tensor", allowed: "torch.Tensor", labels: "torch.Tensor") -> "torch.Tensor":
    """Return (n, classes) scores whose differences to the gold class are the worst that swaps can make.

    Args:
        network: The model.
        table: Its (vocabulary, d) embedding table.
        options: (vocabulary, k) ids that may stand for each id.
        ids: (n, t) token ids.
        mask: (n, t) bool, True at real tokens.
        allowed: (n, t, states) bool: the states that a word may come into.
        labels: (n,) gold classes.
    """
    import torch

    from robust_core.models.networks.additive import FLAGS

    classes = network.classes
    words, place = ids.unique(return_inverse=True)
    rows = table[:, :-FLAGS].view(len(table), -1, classes)[options[words]]
    # (words, states, gold, rival): the least that any option leaves of the gold class's lead.
    least = (rows.unsqueeze(-1) - rows.unsqueeze(-2)).amin(1)
    states = least.shape[1]
    flat = place * classes + labels[:, None]
    each = torch.nn.functional.embedding(flat, least.transpose(1, 2).reshape(-1, states * classes))
    each = each.view(*ids.shape, states, classes).masked_fill(~allowed.unsqueeze(-1), torch.inf).amin(2)
    leads = each.masked_fill(~mask.unsqueeze(-1), 0.0).sum(1)
    return -(leads + network.bias[labels][:, None] - network.bias[None])
