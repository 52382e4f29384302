"""The network of a masked language model: an encoder, and a head that guesses the pieces at some of its places."""

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

from robust_core.models.networks.bert import Bert


class MaskedHead(nn.Module):
    """Hidden states to scores over the vocabulary; the decoder is the encoder's own table of word embeddings.

    Args:
        width: Size of a hidden state.
        vocabulary: Number of pieces.
        eps: Of the layer norm.
        inner: Size of the table's rows, where it is not that of a hidden state (ALBERT).
        approximate: Kind of GELU: "none", or "tanh" (ALBERT's).

    Source: Devlin et al. 2019, arXiv:1810.04805, as released (a dense layer, GELU and a norm before the decoder).
    """

    def __init__(self, width: int, vocabulary: int, eps: float, inner: int = 0, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate
        self.dense = nn.Linear(width, inner or width)
        self.norm = nn.LayerNorm(inner or width, eps=eps)
        self.bias = nn.Parameter(torch.zeros(vocabulary))

    def forward(self, hidden: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        """Return the (…, vocabulary) scores of (…, d) hidden states."""
        return F.linear(self.norm(F.gelu(self.dense(hidden), approximate=self.approximate)), table, self.bias)


class MaskedNetwork(nn.Module):
    """A BERT encoder with a head that guesses pieces.

    Args:
        body: The encoder.
    """

    def __init__(self, body: Bert) -> None:
        super().__init__()
        self.body = body
        config = body.config
        self.head = MaskedHead(config["hidden_size"], config["vocab_size"], config["layer_norm_eps"])

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Return the scores of the pieces at some places.

        Args:
            ids: (n, t) piece ids.
            mask: (n, t) bool, True at real pieces.
            wanted: (n, t) bool with m places set.

        Returns:
            (m, vocabulary) scores before softmax.
        """
        table = self.body.table
        return self.head(self.body(table(ids), mask)[wanted], table.weight)
