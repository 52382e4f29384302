"""Adversarial training with swaps that the gradient chooses, anew for each batch (Wang et al. 2021)."""

import dataclasses
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from robust_core.defences import DEFENCES
from robust_core.registry import param
from robust_core.resources import swap_sets
from robust_core.text import Draft, match_case
from robust_core.train.defence import Defence, Objective

if TYPE_CHECKING:
    import torch

    from robust_core.train.setup import Batch, Setup


class Place(NamedTuple):
    """A word of a training text that may be swapped.

    Attributes:
        start: Its first token in the row.
        end: One behind its last.
        word: Number of the word in the table of options.
    """

    start: int
    end: int
    word: int


class SwapTable:
    """The words of the training texts and what may stand in their places, as pieces.

    Args:
        setup: The training.
        swap_set: Which words may stand in for which.

    Attributes:
        forms: Pieces of each form, a word or what may stand in its place.
        options: Numbers of the forms that may stand for each word, one word after the other, its own form first.
        starts: (words + 1,) where each word's options begin, and where the last ones end.
        places: For each training text the words of it that may be swapped.
    """

    def __init__(self, setup: "Setup", swap_set: swap_sets.SwapSet) -> None:
        import torch

        self._tokens, self._find = setup.tokens, swap_set.find
        self._numbers: dict[tuple[int, ...], int] = {}
        self._words: dict[str, int | None] = {}
        self._rows: list[list[int]] = []
        self.places = [self._find_places(setup, number) for number in range(len(setup.rows))]
        self.forms = list(self._numbers)
        self.options = torch.tensor([form for row in self._rows for form in row], dtype=torch.long, device=setup.device)
        self.starts = torch.tensor([0, *(len(row) for row in self._rows)], device=setup.device).cumsum(0)
        longest = max(map(len, self.forms), default=1)
        self._ids = torch.tensor([[*form, *[setup.tokens.pad_id] * (longest - len(form))] for form in self.forms],
                                 dtype=torch.long, device=setup.device).view(len(self.forms), longest)
        self._sizes = torch.tensor([len(form) for form in self.forms], dtype=torch.long, device=setup.device)
        table = setup.network.embedding.weight
        self._means = None if table.requires_grad else self._embed(torch.arange(len(self.forms)), table.detach())

    def _find_places(self, setup: "Setup", number: int) -> list[Place]:
        words, found = Draft.of(setup.examples[number].text).words, []
        owner = setup.rows[number].owner
        for i in sorted({one for one in owner if one >= 0}):
            start = owner.index(i)
            end = start + owner.count(i)
            word = self._look_up(words[i])
            # A word that is cut off, or that its neighbours change, has other tokens than it has by itself.
            if word is not None and setup.rows[number].ids[start:end] == tuple(self._tokens.unit_ids(words[i])):
                found.append(Place(start, end, word))
        return found

    def _look_up(self, word: str) -> int | None:
        """Return the number of a word in the table, None where nothing may stand in its place."""
        if word not in self._words:
            others = [self._name_form(match_case(other, word)) for other in self._find(word.lower())]
            row = list(dict.fromkeys([self._name_form(word), *others]))
            self._words[word] = len(self._rows) if len(row) > 1 else None
            if len(row) > 1:
                self._rows.append(row)
        return self._words[word]

    def _name_form(self, word: str) -> int:
        return self._numbers.setdefault(tuple(self._tokens.unit_ids(word)), len(self._numbers))

    def embed(self, forms: "torch.Tensor", table: "torch.Tensor") -> "torch.Tensor":
        """Return the (n, d) mean embeddings of the pieces of (n,) forms, from (vocabulary, d) token embeddings."""
        if self._means is not None:
            return self._means[forms]
        used, which = forms.unique(return_inverse=True)
        return self._embed(used, table)[which]

    def _embed(self, forms: "torch.Tensor", table: "torch.Tensor") -> "torch.Tensor":
        import torch
        from torch.nn.functional import embedding_bag

        ids, sizes = self._ids[forms], self._sizes[forms]
        real = torch.arange(ids.shape[1], device=ids.device) < sizes.unsqueeze(1)
        sums = embedding_bag(ids, table, per_sample_weights=real.to(table.dtype), mode="sum")
        return sums / sizes.clamp(min=1).unsqueeze(1)


def choose_swaps(table: SwapTable, embeddings: "torch.Tensor", slope: "torch.Tensor", places: list[list[Place]],
                 share: float) -> list[dict[Place, int]]:
    """Return for each text the words to swap and the form to put there: those that raise the loss most, to first order.

    A swap of word w for c raises the loss by about (e(c) - e(w)) . g, where e is the mean embedding of a word's pieces
    and g the sum of the loss's gradient over them: in Wang et al. 2021 the gradient's length times the distance of both
    words along it.

    Args:
        table: What may stand for what.
        embeddings: (vocabulary, d) token embeddings.
        slope: (n, t, d) gradient of the loss in the embeddings of a batch.
        places: The words of each text that may be swapped.
        share: Largest share of a text's swappable words that is swapped, at least one word.
    """
    import torch

    flat = [(row, place) for row, found in enumerate(places) for place in found]
    if not flat:
        return [{} for _ in places]
    sums = torch.nn.functional.pad(slope.cumsum(1), (0, 0, 1, 0))
    rows = torch.tensor([row for row, _ in flat], device=slope.device)
    starts, ends, words = (torch.tensor(column, device=slope.device)
                           for column in zip(*(place for _, place in flat), strict=True))
    gradient = sums[rows, ends] - sums[rows, starts]
    first, counts = table.starts[words], table.starts[words + 1] - table.starts[words]
    # Every option of every place, one place after the other: whose it is, and which of its options.
    whose = torch.arange(len(flat), device=slope.device).repeat_interleave(counts)
    which = torch.arange(len(whose), device=slope.device) - (counts.cumsum(0) - counts)[whose]
    options = table.options[first[whose] + which]
    lifts = (table.embed(options, embeddings) * gradient[whose]).sum(1)
    gains = slope.new_full((len(flat), int(counts.max())), -torch.inf)
    gains[whose, which] = lifts
    best, at = (gains - gains[:, :1]).max(1)
    forms = table.options[first + at].tolist()
    chosen: list[dict[Place, int]] = [{} for _ in places]
    left = [max(round(share * len(found)), 1) for found in places]
    for i in best.argsort(descending=True, stable=True).tolist():
        row, place = flat[i]
        if float(best[i]) > 0 and left[row]:
            chosen[row][place] = forms[i]
            left[row] -= 1
    return chosen


class GradientSwapsObjective(Objective["GradientSwaps"]):
    """A training on swapped texts.

    Args:
        setup: The training.
        defence: Its parameters.
    """

    def __init__(self, setup: "Setup", defence: "GradientSwaps") -> None:
        super().__init__(setup, defence)
        self._table = SwapTable(setup, setup.find_swap_set(defence.swaps))

    def gradients(self, batch: "Batch") -> "dict[str, torch.Tensor]":
        """Take the clean loss and its slope in the embeddings, swap words uphill, and add the loss of that batch."""
        import torch

        from robust_core.perturb import descend

        setup, weight = self.setup, self.defence.weight
        network = setup.network
        learnt = [p for p in network.parameters() if p.requires_grad]
        delta = torch.zeros(*batch.ids.shape, network.embedding.embedding_dim, device=setup.device, requires_grad=True)
        clean = self._measure(batch, delta)
        slope = descend((1 - weight) * clean, learnt, delta) if weight < 1 else torch.autograd.grad(clean, delta)[0]
        swapped = self._swap(batch, slope)
        adversarial = self.loss(swapped)
        descend(weight * adversarial, learnt)
        clean, adversarial = clean.detach(), adversarial.detach()
        return {"loss": (1 - weight) * clean + weight * adversarial, "clean": clean, "adversarial": adversarial}

    def counts(self, epoch: int) -> bool:
        """Return whether it is the last epoch: accuracy on dev would choose what is least robust."""
        return epoch == self.setup.recipe.epochs

    def _measure(self, batch: "Batch", delta: "torch.Tensor") -> "torch.Tensor":
        """Return the loss of a batch whose embeddings are moved by delta."""
        from torch.nn.functional import cross_entropy

        network = self.setup.network
        with self.setup.autocast():
            scores = network(network.embedding(batch.ids) + delta, batch.mask).float()
        return cross_entropy(scores, batch.labels)

    def _swap(self, batch: "Batch", slope: "torch.Tensor") -> "Batch":
        """Return the batch with the swaps that the slope of its loss chooses."""
        from robust_core.train.batches import make_batch

        setup, table = self.setup, self._table
        numbers = batch.numbers.tolist()
        chosen = choose_swaps(table, setup.network.embedding.weight.detach(), slope,
                              [table.places[number] for number in numbers], self.defence.share)
        rows = []
        for number, swaps in zip(numbers, chosen, strict=True):
            row = setup.rows[number]
            ids = list(row.ids)
            # From the end, so that places before it stay where they are.
            for place in sorted(swaps, reverse=True):
                ids[place.start: place.end] = table.forms[swaps[place]]
            suffix = setup.tokens.suffix
            if len(ids) > setup.tokens.length:
                ids = [*ids[: setup.tokens.length - len(suffix)], *suffix]
            rows.append(row._replace(ids=tuple(ids)))
        return make_batch(rows, setup.tokens, setup.device)


@DEFENCES.register("gradient-swaps", title="Gradient-chosen swaps", source="https://arxiv.org/abs/2008.03709")
@dataclasses.dataclass(frozen=True)
class GradientSwaps(Defence):
    """Learn from each text and from one with words swapped where, to first order, it raises the loss most.

    The loss is (1 - a) CE(text) + a CE(swapped text). Swaps are chosen for the newest weights in each batch, so that it
    costs two passes instead of an attack.

    Differs: all swaps of a text are chosen by one gradient, in the paper one after the other; words of several pieces
    count by their mean embedding; there is no penalty on the distance of both texts' scores.
    """

    takes_swaps: ClassVar[bool] = True

    swaps: str = param("wide", "Swap set that swaps come from; file: that of a file of your own (--swaps FILE)",
                       choices=(*swap_sets.NAMES, swap_sets.FILE))
    share: float = param(1.0, "Largest share of a text's swappable words that is swapped; at least one word",
                         low=0.0, high=1.0)
    weight: float = param(0.5, "Weight a of the swapped text's loss", low=0.0, high=1.0)

    def objective(self, setup: "Setup") -> GradientSwapsObjective:
        """Begin a training on swapped texts."""
        return GradientSwapsObjective(setup, self)
