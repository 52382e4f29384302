"""Word masks: how much of each word a network reads, learnt along with it (Chen and Ji 2020, FLAT).

A mask network gives each word embedding e its importance phi in (0, 1). In training a word is kept with probability
phi; afterwards what is read is phi * e, so that the result is deterministic and differentiable.
"""

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import nn

SOURCES = ("word", "output")
_TINY = 1e-7


@dataclasses.dataclass(frozen=True)
class MaskConfig:
    """Sizes of a mask network and what it does; stored in a checkpoint's card.

    Args:
        hidden: Units of the hidden layer.
        source: What a transformer's importance is made from: "word" is the word-embedding row, so that phi belongs to
            the word alone; "output" is the output of the embedding layer, positions included, as the authors' code.
        specials: Whether special tokens are masked as well.
        drop_keys: Whether a transformer in training attends to no word that is masked out.
        first: Special tokens before each text.
        last: Special tokens behind it.
        unit: What the mask network sees is divided by it. Word vectors of a transformer are small (root mean square
            0.06 in MiniLM, 0.5 in the word models); undivided the masks hardly leave their first values.
    """

    hidden: int = 400
    source: str = "word"
    specials: bool = False
    drop_keys: bool = False
    first: int = 0
    last: int = 0
    unit: float = 1.0


class WordMasks(nn.Module):
    """The mask network: one hidden layer with tanh, two outputs, softmax; the second is the importance.

    Args:
        width: Length of a word embedding.
        config: Sizes and options.
        keep: Importance at the start; 0.5 leaves the first weights as they are drawn.

    Attributes:
        draw: Gives uniform numbers of a shape, for the masks of training; None takes torch's global ones.
    """

    def __init__(self, width: int, config: MaskConfig, keep: float = 0.5) -> None:
        super().__init__()
        self.config = config
        self.hidden, self.out = nn.Linear(width, config.hidden), nn.Linear(config.hidden, 2)
        if keep != 0.5:
            with torch.no_grad():
                self.out.bias.add_(torch.tensor([0.0, math.log(keep / (1 - keep))]))
        self.draw: Callable[[torch.Size], torch.Tensor] | None = None

    def odds(self, seen: torch.Tensor) -> torch.Tensor:
        """Return the log-odds of keeping words, (…) from (…, d) embeddings."""
        scores = self.out(torch.tanh(self.hidden(seen if self.config.unit == 1 else seen / self.config.unit)))
        return scores[..., 1] - scores[..., 0]

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return the importance phi of words, (…) in 0..1, from (…, d) embeddings."""
        return torch.sigmoid(self.odds(seen).float())

    def along(self, start: torch.Tensor, end: torch.Tensor, reached: torch.Tensor) -> torch.Tensor:
        """Return phi of words on the way from one row to another: (s, t), from (t, d) rows and (s, t) shares of it."""
        ends = self.hidden(torch.stack([start, end]) / self.config.unit)
        scores = self.out(torch.tanh(torch.lerp(ends[0], ends[1], reached.unsqueeze(-1))))
        return torch.sigmoid((scores[..., 1] - scores[..., 0]).float())

    def weights(self, seen: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return what the words are multiplied with: a sample of 0 and 1 in training, else phi.

        The gradient of a sample is that of the softened one (Gumbel softmax with temperature 1, straight through).

        Args:
            seen: (n, t, d) embeddings.
            mask: (n, t) bool, True at real tokens.
        """
        odds = self.odds(seen).float()
        if self.training:
            drawn = torch.rand(odds.shape, device=odds.device) if self.draw is None else self.draw(odds.shape)
            drawn = drawn.clamp(_TINY, 1 - _TINY)
            # The difference of two Gumbel numbers is a logistic one.
            soft = torch.sigmoid(odds + torch.log(drawn) - torch.log1p(-drawn))
            # The sum is exactly 0 or 1: what is added is exactly 0.
            weights = (soft > 0.5).float() + (soft - soft.detach())
        else:
            weights = torch.sigmoid(odds)
        if self.config.specials or not (self.config.first or self.config.last):
            return weights
        return weights.masked_fill(self.special(mask), 1.0)

    def find_masked(self, mask: torch.Tensor) -> torch.Tensor:
        """Return an (n, t) bool mask of the tokens that have word masks: no pads, special tokens only if configured."""
        return mask if self.config.specials else mask & ~self.special(mask)

    def special(self, mask: torch.Tensor) -> torch.Tensor:
        """Return an (n, t) bool mask of the special tokens, from the one of real tokens."""
        place = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        end = mask.sum(1, keepdim=True)
        return mask & ((place < self.config.first) | (place >= end - self.config.last))

    def gate(self, rows: torch.Tensor, hidden: torch.Tensor, mask: torch.Tensor
             ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask the words of a batch.

        Args:
            rows: (n, t, d) word-embedding rows.
            hidden: (n, t, d) what the network reads of them: the same, or the output of its embedding layer.
            mask: (n, t) bool, True at real tokens.

        Returns:
            (`hidden` masked, the tokens that may be attended to).
        """
        weights = self.weights(rows if self.config.source == "word" else hidden, mask)
        if self.training and self.config.drop_keys:
            mask = mask & (weights > 0.5)
            # Somebody must be attended to.
            mask = mask | ~mask.any(1, keepdim=True)
        return hidden * weights.unsqueeze(-1).to(hidden.dtype), mask


class GroupedEmbedding(nn.Embedding):
    """Word vectors, each multiplied with a number that its group of words shares: FLAT's control (Table 10).

    Args:
        rows: Rows of the table.
        width: Length of a vector.
        groups: Number of groups.
    """

    def __init__(self, rows: int, width: int, groups: int) -> None:
        super().__init__(rows, width, padding_idx=0)
        self.scale = nn.Parameter(torch.ones(groups))
        self.register_buffer("group", torch.zeros(rows, dtype=torch.int16))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the scaled vectors of word ids."""
        return super().forward(input) * self.scale[self.group[input].long()].unsqueeze(-1)  # type: ignore[index]
