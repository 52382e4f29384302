"""Token-level and sentence-level perturbations of RobustSentEmbed, on the one kernel of `perturb`."""

import dataclasses
from collections.abc import Callable

import torch

from robust_core.perturb import Ascent, compute_slope

Loss = Callable[[torch.Tensor], torch.Tensor]
# What the released code holds its sentence-level perturbation to, and the sizes of its two steps.
_RELEASED_RADIUS, _RELEASED_SIGN, _RELEASED_GRADIENT = 1e-6, 0.00097, 1e-6


@dataclasses.dataclass(frozen=True)
class MixedAscent:
    """A sentence-level perturbation that mixes a step along signs (FGSM) with one along the gradient (PGD).

    Args:
        radius: Largest coordinate.
        step: Largest coordinate of a step.
        start: Largest coordinate of the random start; it is held inside the ball.
        mix: Share of the step along signs.
        updates: Steps uphill.
    """

    radius: float
    step: float
    start: float
    mix: float
    updates: int

    def parts(self) -> tuple[Ascent, Ascent]:
        """Return how to climb along signs, and along the gradient scaled to a largest coordinate of 1 a token."""
        return (Ascent(self.step, self.radius, self.start, "linf", sign=True),
                Ascent(self.step, self.radius, self.start, "linf", "token"))

    def climbed(self, delta: torch.Tensor, slope: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Return the (n, t, d) perturbation after one step, inside the ball, zero outside of `where`."""
        signs, gradient = self.parts()
        return signs.held(self.mix * signs.climbed(delta, slope, where)
                          + (1 - self.mix) * gradient.climbed(delta, slope, where))

    def find(self, loss: Loss, where: torch.Tensor, width: int, generator: torch.Generator) -> torch.Tensor:
        """Climb a loss.

        Args:
            loss: From an (n, t, width) perturbation to the sum of the sentences' losses.
            where: (n, t) bool, True at real pieces.
            width: d.
            generator: Source of the start.

        Returns:
            (n, t, width), detached.
        """
        delta = self.parts()[0].begin(where, width, generator)
        for _ in range(self.updates):
            delta = delta.detach().requires_grad_()
            delta = self.climbed(delta, compute_slope(loss(delta), delta), where)
        return delta.detach()


def perturb_as_released(loss: Loss, clean: torch.Tensor, updates: int, mix: float = 0.5) -> torch.Tensor:
    """Perturb embeddings as the released code does: the formula for a perturbation, applied to the embeddings.

    Scaling x itself to a largest coordinate of 1 moves it so far that the projection to x +- 1e-6 decides everything:
    the outcome is -1e-6 sign(x), whatever the gradient.

    Args:
        loss: From (n, t, d) embeddings to a scalar.
        clean: (n, t, d) embeddings.
        updates: Steps.
        mix: Share of the step along signs.

    Returns:
        (n, t, d), detached; within 1e-6 of `clean`.
    """
    x = clean.detach()
    for _ in range(updates):
        x = x.detach().requires_grad_()
        slope = compute_slope(loss(x), x)
        far = x.detach() + _RELEASED_GRADIENT * slope
        far = far / (far.abs().amax(-1, keepdim=True) + 1e-6)
        x = mix * (x.detach() + _RELEASED_SIGN * slope.sign()) + (1 - mix) * far
        x = torch.minimum(torch.maximum(x, clean - _RELEASED_RADIUS), clean + _RELEASED_RADIUS)
    return x.detach()


class TokenTable:
    """A perturbation of each piece of the vocabulary, remembered from batch to batch.

    Args:
        pieces: Size of the vocabulary.
        width: d.
        unit: Mean norm of the token embeddings.
        step: Length of a step, in units.
        updates: Steps uphill a batch.
        generator: Source of the first values.

    Source: Li and Qiu 2021 (token-aware virtual adversarial training), as RobustSentEmbed's released code has it:
    no ball, and no limit to what the table holds, which is scaled to one over the whole batch before it is used.
    """

    def __init__(self, pieces: int, width: int, unit: float, step: float, updates: int,
                 generator: torch.Generator) -> None:
        noise = torch.rand(pieces, width, generator=generator, device=generator.device) * 2 - 1
        self.table = noise * (0.1 / width ** 0.5)
        self._unit, self._updates = unit, updates
        self._ascent = Ascent(step * unit, scope="token")

    def find(self, loss: Loss, ids: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Climb a loss from what the table has, and add the outcome to the table.

        Args:
            loss: From an (n, t, d) perturbation to the sum of the sentences' losses.
            ids: (n, t) piece ids.
            where: (n, t) bool, True at real pieces; pads are not perturbed.

        Returns:
            (n, t, d), detached.
        """
        delta = self.table[ids] * where.unsqueeze(-1)
        delta = delta * (self._unit / delta.norm().clamp(min=1e-8))
        for _ in range(self._updates):
            delta = delta.detach().requires_grad_()
            delta = self._ascent.climbed(delta, compute_slope(loss(delta), delta), where)
            norms = delta.norm(dim=-1, keepdim=True)
            delta = delta * norms / norms.amax(1, keepdim=True).clamp(min=1e-8)
        delta = delta.detach()
        self.table.index_put_((ids[where],), delta[where], accumulate=True)
        return delta
