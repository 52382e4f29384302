"""Word models of the FLAT paper: a convolutional and a recurrent network over word vectors."""

import torch
from torch import nn

from robust_core.models.networks.base import Network, Reading
from robust_core.models.networks.mlm_head import MaskedHead

# Texts of a batch from which on it pays to multiply each distinct word only once.
_FEW = 4


class WordCNN(Network):
    """Convolutions of several widths, ReLU, the largest value over time, dropout, linear (Kim 2014).

    Args:
        vocabulary: Rows of the embedding table; row 0 is the pad.
        classes: Number of labels.
        width: Length of a word vector.
        kernels: Kernels of each width.
        sizes: Kernel widths, in words.
        dropout: Share of features dropped in training.
        embedding_dropout: Share of the word vectors' coordinates dropped in training.
    """

    straight = True

    def __init__(self, vocabulary: int, classes: int, width: int = 200, kernels: int = 150,
                 sizes: tuple[int, ...] = (3, 4, 5), dropout: float = 0.2, embedding_dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.sizes = sizes
        self.convolutions = nn.ModuleList(nn.Conv1d(width, kernels, size) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(kernels * len(sizes), classes)

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, kernels * sizes) features of (n, t, d) embeddings.

        A window counts when its first word is real; what it reads behind the last word are zeros. So the features of
        a text do not depend on how far its batch is padded.
        """
        rows = (self.embedding_dropout(self.masked(embeddings, mask)) * mask.unsqueeze(-1)).transpose(1, 2)
        features = []
        for convolution, size in zip(self.convolutions, self.sizes, strict=True):
            padded = nn.functional.pad(rows, (0, size - 1))
            active = torch.relu(convolution(padded)) * mask.unsqueeze(1)
            features.append(active.amax(dim=2))
        return torch.cat(features, dim=1)

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) token ids.

        Texts of an attack share most of their words, so on a CPU each distinct word is multiplied with the kernels
        once, and a window is the sum of what its words give.
        """
        if self.training or ids.device.type != "cpu" or len(ids) < _FEW:
            return super().read(ids, mask)
        layers = [layer for layer in self.convolutions if isinstance(layer, nn.Conv1d)]
        words, place = ids.unique(return_inverse=True)
        nothing = len(words)
        place = nn.functional.pad(place.masked_fill(~mask, nothing), (0, max(self.sizes) - 1), value=nothing)
        kernels = torch.cat([layer.weight.permute(1, 2, 0).flatten(1) for layer in layers], dim=1)
        rows = self.embedding(words)
        rows = rows if self.masks is None else rows * self.masks(rows).unsqueeze(-1)
        parts = nn.functional.pad(rows @ kernels, (0, 0, 0, 1)).split(
            [layer.out_channels * size for layer, size in zip(layers, self.sizes, strict=True)], dim=1)
        n, t = ids.shape
        features = []
        for layer, size, part in zip(layers, self.sizes, parts, strict=True):
            windows = place.unfold(1, size, 1)[:, :t] * size + torch.arange(size)
            sums = nn.functional.embedding_bag(windows.reshape(n * t, size), part.reshape(-1, layer.out_channels),
                                               mode="sum").view(n, t, -1)
            sums.masked_fill_(~mask.unsqueeze(-1), -torch.inf)
            features.append(torch.relu(sums.amax(dim=1) + torch.as_tensor(layer.bias)))
        return self.head(torch.cat(features, dim=1))

    def along(self, start: torch.Tensor, end: torch.Tensor, reached: torch.Tensor) -> torch.Tensor:
        """Return the scores of texts on the way from one to another, as `forward` of the rows there would.

        What a kernel sees of a word is linear in its row, so both ends are multiplied with the kernels once, whatever
        the number of steps.

        Args:
            start: (t, d) rows of one text, no pads.
            end: (t, d) rows of the other one.
            reached: (s, t) how far each word has gone at each step, from 0 to 1; differentiable in it.

        Returns:
            (s, classes) scores before softmax.
        """
        phi = reached.new_ones(()) if self.masks is None else self.masks.along(start, end, reached)
        shares, features = torch.stack([phi * (1 - reached), phi * reached]), []
        for convolution, size in zip(self.convolutions, self.sizes, strict=True):
            kernels = torch.as_tensor(convolution.weight).permute(1, 2, 0).flatten(1)
            parts = (torch.stack([start, end]) @ kernels).view(2, len(start), size, -1)
            parts = nn.functional.pad(parts, (0, 0, 0, 0, 0, size - 1))
            # (2, t, size, kernels): what the words of each window give, by their place in it.
            windows = torch.stack([parts[:, place: place + len(start), place] for place in range(size)], dim=2)
            weights = nn.functional.pad(shares, (0, size - 1)).unfold(2, size, 1)
            sums = torch.einsum("estz,etzk->tsk", weights, windows)
            features.append(torch.relu(sums.amax(dim=0) + torch.as_tensor(convolution.bias)))
        return self.head(torch.cat(features, dim=1))

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores and features; words have no states of their own."""
        features = self.represent(embeddings, mask)
        return Reading(self.head(self.dropout(features)), features)

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.head(self.dropout(self.represent(embeddings, mask)))


class WordLSTM(Network):
    """One forward LSTM layer, tanh, the largest value over time, tanh, dropout, linear.

    Args:
        vocabulary: Rows of the embedding table; row 0 is the pad.
        classes: Number of labels.
        width: Length of a word vector.
        hidden: Size of the state.
        dropout: Share of features dropped in training.
        embedding_dropout: Share of the word vectors' coordinates dropped in training.
    """

    def __init__(self, vocabulary: int, classes: int, width: int = 200, hidden: int = 250,
                 dropout: float = 0.2, embedding_dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.embedding_dropout = nn.Dropout(embedding_dropout)
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, classes)

    def represent(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, hidden) features of (n, t, d) embeddings; states at pads do not count."""
        return self._largest(self._states(self.embedding_dropout(self.masked(embeddings, mask))), mask)

    def read(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the (n, classes) scores of (n, t) token ids; the importance of each distinct word is made once."""
        if self.training or self.masks is None:
            return super().read(ids, mask)
        words, place = ids.unique(return_inverse=True)
        rows = self.embedding(words)
        return self.head(self._largest(self._states((rows * self.masks(rows).unsqueeze(-1))[place]), mask))

    def reading(self, embeddings: torch.Tensor, mask: torch.Tensor) -> Reading:
        """Return scores, features and the (n, t, hidden) states."""
        states = self._states(self.embedding_dropout(self.masked(embeddings, mask)))
        features = self._largest(states, mask)
        return Reading(self.head(self.dropout(features)), features, states)

    def add_reconstruction(self) -> None:
        """Add an untrained head that reads each word back from the state behind it."""
        rows, width = self.embedding.weight.shape
        self.reconstruction = MaskedHead(self.lstm.hidden_size, rows, 1e-5, inner=width)

    def _states(self, rows: torch.Tensor) -> torch.Tensor:
        # cuDNN's kernel has no gradients outside of training.
        with torch.backends.cudnn.flags(enabled=self.training or not torch.is_grad_enabled()):
            return torch.tanh(self.lstm(rows)[0])

    def _largest(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.tanh(states.masked_fill(~mask.unsqueeze(-1), -1.0).amax(dim=1))

    def forward(self, embeddings: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (n, classes) scores before softmax."""
        return self.head(self.dropout(self.represent(embeddings, mask)))
