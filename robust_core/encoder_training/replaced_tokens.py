"""Replaced-token detection: some pieces of a sentence become guesses, and a discriminator finds them out."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from robust_core.encoder_training.networks import SentenceBatch
from robust_core.train.masking import hide_chosen

# From (n, t) ids, mask and m places to guess to the (m,) likeliest pieces there.
Generator = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Special(NamedTuple):
    """Ids that the masking needs: those that are never masked, the mask itself, and the size of the vocabulary."""

    never: tuple[int, ...]
    mask: int
    pieces: int


def hide_tokens(batch: SentenceBatch, share: float, special: Special, generator: torch.Generator
                ) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose pieces to guess and hide them: 80 % are masked, 10 % replaced at random, 10 % left (Devlin et al. 2019).

    Args:
        batch: The sentences.
        share: Share of the real pieces that may be guessed.
        special: Ids of special pieces.
        generator: Chooses; on the device of the batch.

    Returns:
        (n, t) ids as the generator sees them, and (n, t) bool places to guess.
    """
    ids, mask = batch
    chance, kind = (torch.rand(ids.shape, generator=generator, device=ids.device) for _ in range(2))
    chosen = mask & ~torch.isin(ids, torch.tensor(special.never, device=ids.device)) & (chance < share)
    # A number for each place, chosen or not: how many are drawn must not depend on what was chosen.
    other = torch.randint(special.pieces, ids.shape, generator=generator, device=ids.device)
    return hide_chosen(ids, chosen, kind, special.mask, lambda replaced: other[replaced]), chosen


def replace_tokens(batch: SentenceBatch, share: float, special: Special, guess: Generator, generator: torch.Generator,
                   everywhere: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the generator's likeliest pieces in the place of some.

    Args:
        batch: The sentences.
        share: Share of the pieces that are guessed.
        special: Ids of special pieces.
        guess: The frozen generator.
        generator: Source of the choice.
        everywhere: Whether pieces that were not hidden are guessed too, as in the released code.

    Returns:
        (n, t) ids, and (n, t) bool where they differ from the original; never at the first piece and at pads.
    """
    ids, mask = batch
    shown, chosen = hide_tokens(batch, share, special, generator)
    places = mask.clone() if everywhere else chosen
    places[:, 0] = False
    found = ids.clone()
    if bool(places.any()):
        found[places] = guess(shown, mask, places)
    return found, (found != ids) & mask
