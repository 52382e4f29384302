"""The losses of SimCSE and RobustSentEmbed as pure functions of tensors."""

import torch
from torch.nn import functional as F  # noqa: N812 (its name everywhere)


def compute_similarities(anchors: torch.Tensor, others: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the (n, m) cosines of (n, d) and (m, d) rows, divided by the temperature."""
    return F.normalize(anchors, dim=-1) @ F.normalize(others, dim=-1).T / temperature


def info_nce_loss(anchors: torch.Tensor, positives: torch.Tensor, temperature: float,
                  reduction: str = "mean") -> torch.Tensor:
    """Return how hard it is to tell each anchor's own positive among all of them.

    Args:
        anchors: (n, d); a row's loss depends on its own anchor and on all positives.
        positives: (n, d), the i-th belongs to the i-th anchor.
        temperature: Divides the cosines.
        reduction: "mean", or "sum", which keeps each anchor's gradient the same in any batch of anchors.

    Returns:
        Scalar.

    Source: Gao et al. 2021, arXiv:2104.08821, equation 4.
    """
    scores = compute_similarities(anchors, positives, temperature)
    return F.cross_entropy(scores, torch.arange(len(scores), device=scores.device), reduction=reduction)


def stack_views(anchors: torch.Tensor, views: list[torch.Tensor], temperature: float) -> torch.Tensor:
    """Return the (v n, n) scores of v views: below those of the first stand those of the second, and so on.

    Views share no denominator, so an adversarial view is one more positive and never a negative.
    """
    return torch.cat([compute_similarities(anchors, view, temperature) for view in views])


def contrastive_loss(anchors: torch.Tensor, views: list[torch.Tensor], temperature: float) -> torch.Tensor:
    """Return the mean of `info_nce` over several (n, d) views of the same sentences.

    Source: RobustSentEmbed (arXiv:2403.11082) with adversarial positives.
    """
    scores = stack_views(anchors, views, temperature)
    own = torch.arange(len(anchors), device=scores.device).repeat(len(views))
    return F.cross_entropy(scores, own)


def replaced_loss(scores: torch.Tensor, replaced: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy of telling replaced pieces.

    Args:
        scores: (n, t, 2) scores.
        replaced: (n, t) bool, True where a piece is not the original one.
        counted: (n, t) bool, True where a piece counts.
    """
    return F.cross_entropy(scores[counted].float(), replaced[counted].long())
