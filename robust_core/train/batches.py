"""Rows into batches, and accuracy on them."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from robust_core.models.batching import pad_rows
from robust_core.models.networks.base import Network
from robust_core.models.tokens import Subwords, WordVocabulary
from robust_core.train.setup import Batch, Pair, Row


def shuffle(rows: Sequence[Sequence[int]], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Yield batches in random order; texts of like length share a batch so that few pads are run."""
    order = rng.permutation(len(rows))
    batches = []
    for start in range(0, len(order), size * 16):
        pool = sorted(order[start: start + size * 16].tolist(), key=lambda i: len(rows[i]))
        batches += [pool[i: i + size] for i in range(0, len(pool), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def make_batch(rows: Sequence[Row], tokens: Subwords | WordVocabulary, device: torch.device) -> Batch:
    """Pad rows to their longest, and their originals to theirs."""
    ids, mask = pad_rows([row.ids for row in rows], tokens.pad_id, device)
    labels, numbers = (torch.tensor(column, device=device)
                       for column in zip(*((r.label, r.number) for r in rows), strict=True))
    return Batch(ids, mask, labels, numbers, _make_pair(rows, ids, tokens, device))


def _make_pair(rows: Sequence[Row], own: torch.Tensor, tokens: Subwords | WordVocabulary, device: torch.device
               ) -> Pair | None:
    if all(row.original is None for row in rows):
        return None
    originals = [row.original or row for row in rows]
    ids, mask = pad_rows([row.ids for row in originals], tokens.pad_id, device)
    made = torch.tensor([row.original is not None for row in rows], device=device)
    return Pair(
        ids, mask, _make_owners(originals, ids.shape[1], device), _make_owners(rows, own.shape[1], device), made, own
    )


def _make_owners(rows: Sequence[Row], width: int, device: torch.device) -> torch.Tensor:
    owner = np.full((len(rows), width), -1, dtype=np.int64)
    for i, row in enumerate(rows):
        owner[i, : len(row.owner)] = row.owner
    return torch.from_numpy(owner).to(device)


def hide_words(batch: Batch, share: float) -> Batch:
    """Turn a random share of the words into the unknown word, so that its vector is learnt."""
    hidden = (torch.rand(batch.ids.shape, device=batch.ids.device) < share) & (batch.ids > 1)
    return batch._replace(ids=batch.ids.masked_fill(hidden, 1))


@torch.no_grad()
def measure_accuracy(network: Network, rows: Sequence[Row], tokens: Subwords | WordVocabulary, device: torch.device
                     ) -> float:
    """Return the share of rows that a network classifies correctly, in eval mode; NaN of none."""
    network.eval()
    right = torch.zeros((), dtype=torch.int64, device=device)
    order = sorted(rows, key=lambda row: len(row.ids))
    for start in range(0, len(order), 128):
        batch = make_batch(order[start: start + 128], tokens, device)
        right += (network(network.embedding(batch.ids), batch.mask).argmax(-1) == batch.labels).sum()
    return int(right) / len(rows) if rows else math.nan
