"""The additive model: each word adds to the score of each class, by the word and by what stands around it.

    score_c = b_c + sum over words i of T[w_i, s_i, c]

The state s_i of a word is 1 where a negation stands among the three words before it, else 2 where "but" or the like
follows later, else 0; of models of topics it is 0 for the first three words and 1 for the others, which no swap
changes. A word's row of the embedding table holds T[w] and two flags, so that all that reads embeddings (gradients,
explanations, perturbations) sees the same model. The largest change that swaps can make to a sum is the sum of the
largest changes: `certify.word_swaps`.
"""

import torch
from torch import nn
from torch.nn.utils import parametrize

from robust_core.models.networks.base import Network, Reading

# How far a negation reaches, and how many words are the first ones.
REACH = 3
# How many states a word has.
STATES = {"sentiment": 3, "topic": 2}
FLAGS = 2
NEGATIONS = frozenset("not no never nor neither none nobody nothing nowhere cannot without n't hardly barely scarcely "
                      "ain't isnt dont doesnt didnt wasnt cant wont".split())
TURNS = frozenset("but however although though yet despite nevertheless nonetheless".split())
# What word vectors give of a step, beside what each word learns by itself.
_SHARE = 0.1


class AdditiveNetwork(Network):
    """Sums of what each word adds.

    Args:
        vocabulary: Rows of the embedding table; row 0 is the pad.
        classes: Number of labels.
        states: What the state of a word is: sentiment (negations and "but") or topic (place).
    """

    def __init__(self, vocabulary: int, classes: int, states: str = "sentiment") -> None:
        super().__init__()
        self.states, self.classes = states, classes
        self.embedding = nn.Embedding(vocabulary, STATES[states] * classes + FLAGS, padding_idx=0)
        nn.init.zeros_(self.embedding.weight)
        self.bias = nn.Parameter(torch.zeros(classes))

    def learn_table(self, vectors: torch.Tensor, flags: torch.Tensor) -> None:
        """Learn a word's entries as a linear map of its vector and a part of its own, until `finish`.

        Args:
            vectors: (vocabulary, d) word vectors, zeros for the pad and for unknown words.
            flags: (vocabulary, 2) bool: negations, and "but" and the like.
        """
        parametrize.register_parametrization(self.embedding, "weight", _LearntTable(
            vectors, flags, self.embedding.embedding_dim - FLAGS), unsafe=True)

    def hold_words(self, held: torch.Tensor) -> None:
        """Let words add nothing, now and in the training that follows `learn_table`.

        Args:
            held: (vocabulary,) bool.
        """
        learnt = next(module for module in self.modules() if isinstance(module, _LearntTable))
        learnt.free[held] = 0.0

    def finish(self) -> None:
        """Keep the table as it has become."""
        if parametrize.is_parametrized(self.embedding):
            parametrize.remove_parametrizations(self.embedding, "weight")

    def find_states(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, t) state of each word, of (n, t, d) rows and an (n, t) bool mask."""
        if self.states == "topic":
            return (torch.arange(mask.shape[1], device=mask.device) >= REACH).long().expand_as(mask)
        flags = (embeddings[..., -FLAGS:] > 0.5) & mask.unsqueeze(-1)
        return place_states(flags[..., 0], flags[..., 1])

    def add_up(self, embeddings: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Return the (n, t, classes) that each word adds, of (n, t, d) rows and (n, t) states."""
        n, t, _ = embeddings.shape
        rows = embeddings[..., :-FLAGS].reshape(n, t, STATES[self.states], self.classes)
        return rows.gather(2, states[..., None, None].expand(n, t, 1, self.classes)).squeeze(2)

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) sums of what the words add, of (n, t, d) rows and an (n, t) bool mask."""
        return (self.add_up(embeddings, self.find_states(embeddings, mask)) * mask.unsqueeze(-1)).sum(1)

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores and sums; words have no hidden states."""
        sums = self.represent(embeddings, mask)
        return Reading(sums + self.bias, sums)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.represent(embeddings, mask) + self.bias


class _LearntTable(nn.Module):
    """T = 0.1 V W + U, 0 for held words, and the flags beside it; U is what `parametrize` calls the original."""

    vectors: torch.Tensor
    flags: torch.Tensor
    free: torch.Tensor

    def __init__(self, vectors: torch.Tensor, flags: torch.Tensor, entries: int) -> None:
        super().__init__()
        # None is learnt, and they are as large as everything else together: no state holds them.
        self.register_buffer("vectors", vectors, persistent=False)
        self.register_buffer("flags", flags.float(), persistent=False)
        self.register_buffer("free", torch.ones(len(vectors), 1), persistent=False)
        self.transform = nn.Parameter(torch.zeros(vectors.shape[1], entries))

    def forward(self, own: torch.Tensor) -> torch.Tensor:
        """Return the whole table, (vocabulary, d); pad and unknown words add nothing."""
        learnt = self.free * (_SHARE * (self.vectors @ self.transform) + own[:, :-FLAGS])
        return torch.cat([nn.functional.pad(learnt[2:], (0, 0, 2, 0)), self.flags], dim=1)


def is_negation(word: str) -> bool:
    """Return whether a lower-case word turns what follows into its opposite."""
    return word in NEGATIONS or word.endswith("n't")


def place_states(negation: torch.Tensor, turn: torch.Tensor) -> torch.Tensor:
    """Return the (n, t) states of words, of (n, t) bools: which are negations, and which are "but" and the like."""
    return torch.where(spread_forward(negation), 1, torch.where(spread_back(turn), 2, 0))


def place_allowed_states(may: torch.Tensor, must: torch.Tensor) -> torch.Tensor:
    """Return the (n, t, states) bools of the states that words may come into by swaps of other words.

    Args:
        may: (n, t, flags) bool: whether any word that may stand in a place is a negation, or like "but".
        must: (n, t, flags) bool: whether all that may stand there are.
    """
    negated, never_free = spread_forward(may[..., 0]), spread_forward(must[..., 0])
    turned, always_turned = spread_back(may[..., 1]), spread_back(must[..., 1])
    return torch.stack([~never_free & ~always_turned, negated, ~never_free & turned], -1)


def spread_forward(negation: torch.Tensor) -> torch.Tensor:
    """Return for (n, t) bools whether one of the REACH words before is set."""
    before = torch.zeros_like(negation)
    for step in range(1, REACH + 1):
        before[:, step:] |= negation[:, :-step]
    return before


def spread_back(turn: torch.Tensor) -> torch.Tensor:
    """Return for (n, t) bools whether any later word is set."""
    return turn.flip(1).cumsum(1).flip(1) - turn.long() > 0
