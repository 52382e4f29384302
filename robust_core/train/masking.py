"""Hiding pieces of a text so that they can be guessed: the 80/10/10 rule of masked language models."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from robust_core.models.batching import pad_rows
from robust_core.train.masked_lm_texts import Vocabulary


def hide_chosen(ids: torch.Tensor, chosen: torch.Tensor, kind: torch.Tensor, mask: int,
                draw: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    """Hide chosen pieces: 80 % are masked, 10 % replaced at random, 10 % left (Devlin et al. 2019).

    What is chosen, and from which random numbers, is the caller's: the language model's training draws with numpy on
    the CPU and guesses at least one piece a batch, RobustSentEmbed draws on the device and may guess none.

    Args:
        ids: (n, t) piece ids.
        chosen: (n, t) bool places.
        kind: (n, t) uniform numbers in [0, 1) that decide what becomes of a chosen piece.
        mask: Id of the mask.
        draw: From the (n, t) bool places to replace to as many random ids, in their order.

    Returns:
        (n, t) ids.
    """
    replaced = chosen & (kind >= 0.9)
    shown = torch.where(chosen & (kind < 0.8), mask, ids)
    shown[replaced] = draw(replaced)
    return shown


class Masked(NamedTuple):
    """A batch to guess.

    Attributes:
        ids: (n, t) ids as they are shown.
        mask: (n, t) bool, True at real pieces.
        places: (n, t) bool, True where a piece is to be guessed.
        truth: (m,) ids that stand at those places.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    places: torch.Tensor
    truth: torch.Tensor


def hide_pieces(rows: Sequence[Sequence[int]], words: Vocabulary, share: float, rng: np.random.Generator, *,
                always: bool = False) -> Masked:
    """Choose places to guess, at least one a batch, and hide what stands there.

    Args:
        rows: Piece ids with special ones at both ends.
        words: The tokenizer.
        share: Share of the places.
        rng: Chooses.
        always: Put the mask at every place, as when a model is measured, instead of the 80/10/10 rule.
    """
    ids, mask = pad_rows(rows, words.pad, torch.device("cpu"))
    inner = mask.numpy() & ~np.isin(ids.numpy(), (words.start, words.end))
    chosen = inner & (rng.random(inner.shape) < share)
    if not chosen.any():
        chosen[tuple(np.argwhere(inner)[rng.integers(inner.sum())])] = True
    kind, places = torch.from_numpy(rng.random(inner.shape)), torch.from_numpy(chosen)
    shown = hide_chosen(ids, places, torch.zeros_like(kind) if always else kind, words.mask,
                        lambda replaced: torch.from_numpy(rng.integers(0, words.size, int(replaced.sum()))))
    return Masked(shown, mask, places, ids[places])
