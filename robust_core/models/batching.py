"""Rows of token ids: into batches of like length, and into tensors."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

# From so many rows on, a batch is about as fast as it gets, and pads cost more than another batch.
_ENOUGH = 8


def split_batches(rows: Sequence[Sequence[int]], budget: int) -> Iterator[list[int]]:
    """Yield positions of rows, shortest first, in groups of like length.

    Args:
        rows: Token ids.
        budget: Most tokens in a group, pads included; a single longer row is a group of its own.
    """
    batch: list[int] = []
    shortest = 0
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        length = max(len(rows[i]), 1)
        uneven = len(batch) >= _ENOUGH and length > 1.15 * shortest + 2
        if batch and (uneven or (len(batch) + 1) * length > budget):
            yield batch
            batch = []
        shortest = shortest if batch else length
        batch.append(i)
    if batch:
        yield batch


def pad_rows(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (n, t) int64 ids and the (n, t) bool mask of real tokens; a row without tokens reads as a single pad."""
    width = max(1, max((len(row) for row in rows), default=1))
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : max(len(row), 1)] = True
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)
