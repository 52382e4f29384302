"""The one perturbation kernel on token embeddings: what FreeLB, CARL, RAR, FGSM and k-PGD climb with.

A perturbation is an (n, t, d) tensor added to word-embedding rows. Everything here is in the units of the rows
themselves; methods state their sizes as multiples of `models.networks.base.measure_mean_norm`, so that one setting
means the same for any table. Gradients in perturbations come from `torch.autograd.grad`: no parameter's `.grad` is
touched unless `descend` is asked to.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, overload

import torch

Norm = Literal["l2", "linf"]
Scope = Literal["sentence", "token"]
_TINY = 1e-8


@dataclasses.dataclass(frozen=True)
class Ascent:
    """How a perturbation starts, climbs and is held back.

    Args:
        step: Length of one step in the norm; with `sign`, size of each coordinate of it.
        radius: Largest length; 0 sets no limit.
        start: Size of the random start; 0 starts at the embeddings themselves.
        norm: What length means: "l2" is the Frobenius norm, "linf" the largest coordinate.
        scope: Whether a whole text or each token has its own length.
        sign: Step along the gradient's signs instead of the gradient.
    """

    step: float
    radius: float = 0.0
    start: float = 0.0
    norm: Norm = "l2"
    scope: Scope = "sentence"
    sign: bool = False

    def begin(self, where: torch.Tensor, width: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Return the first perturbation, zero outside of `where`.

        Under "l2" the coordinates of a text of k tokens are uniform in +-start / sqrt(k * width), so that its length
        is about start / sqrt(3) whatever k; under "linf" they are uniform in +-start.

        Args:
            where: (n, t) bool, True at tokens that may be perturbed.
            width: d.
            generator: Source of the start; numbers are drawn on its own device.

        Returns:
            (n, t, d) float32 on the device of `where`.
        """
        shape = (*where.shape, width)
        if not self.start:
            return torch.zeros(shape, device=where.device)
        where_from = generator.device if generator is not None else where.device
        noise = torch.rand(shape, generator=generator, device=where_from).to(where.device) * 2 - 1
        size = torch.full((len(where), 1, 1), self.start, device=where.device)
        if self.norm == "l2":
            tokens = where.sum(1).clamp(min=1) if self.scope == "sentence" else torch.ones_like(where[:, 0])
            size = size / (tokens[:, None, None] * width) ** 0.5
        return self.held(noise * size * where.unsqueeze(-1))

    def climbed(self, delta: torch.Tensor, slope: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        """Return the perturbation after one step uphill, held inside the ball.

        Args:
            delta: (n, t, d) perturbation.
            slope: (n, t, d) gradient of the loss in it.
            where: (n, t) bool, True at tokens that may be perturbed; nothing else moves.

        Returns:
            (n, t, d), detached.
        """
        slope = slope.detach() * where.unsqueeze(-1)
        direction = slope.sign() if self.sign else slope / measure_length(slope, self.norm, self.scope).clamp(min=_TINY)
        return self.held(delta.detach() + self.step * direction)

    def held(self, delta: torch.Tensor) -> torch.Tensor:
        """Return the nearest perturbation inside the ball."""
        if not self.radius:
            return delta
        if self.norm == "linf":
            return delta.clamp(-self.radius, self.radius)
        return delta * (self.radius / measure_length(delta, self.norm, self.scope).clamp(min=_TINY)).clamp(max=1.0)


def measure_length(x: torch.Tensor, norm: Norm = "l2", scope: Scope = "sentence") -> torch.Tensor:
    """Return the length of (n, t, d) rows: (n, 1, 1) a text or (n, t, 1) a token."""
    axes = (1, 2) if scope == "sentence" else (2,)
    return torch.linalg.vector_norm(x, 2 if norm == "l2" else torch.inf, dim=axes, keepdim=True)


def compute_slope(loss: torch.Tensor, delta: torch.Tensor, *, keep: bool = False) -> torch.Tensor:
    """Return the gradient of a loss in a perturbation; zero where the loss does not depend on it.

    Args:
        loss: Scalar.
        delta: (n, t, d) leaf that requires a gradient.
        keep: Whether the graph is needed again.
    """
    found, = torch.autograd.grad(loss, [delta], retain_graph=keep, allow_unused=True)
    return torch.zeros_like(delta) if found is None else found


@overload
def descend(loss: torch.Tensor, parameters: Sequence[torch.Tensor], delta: None = None, *, keep: bool = False
            ) -> None: ...


@overload
def descend(loss: torch.Tensor, parameters: Sequence[torch.Tensor], delta: torch.Tensor, *, keep: bool = False
            ) -> torch.Tensor: ...


def descend(loss: torch.Tensor, parameters: Sequence[torch.Tensor], delta: torch.Tensor | None = None, *,
            keep: bool = False) -> torch.Tensor | None:
    """Add the gradients of a loss to the parameters' `.grad`, and return that in a perturbation: one backward pass.

    Args:
        loss: Scalar.
        parameters: What is being learnt.
        delta: (n, t, d) leaf that requires a gradient, or None.
        keep: Whether the graph is needed again.
    """
    # Naming the leaves keeps everything else out; unlike autograd.grad, this copies gradients that share memory.
    loss.backward(inputs=[*parameters] if delta is None else [*parameters, delta], retain_graph=keep)
    if delta is None:
        return None
    return torch.zeros_like(delta) if delta.grad is None else delta.grad


def climb(loss: Callable[[torch.Tensor], torch.Tensor], delta: torch.Tensor, where: torch.Tensor, ascent: Ascent,
          steps: int) -> torch.Tensor:
    """Return the perturbation after some steps uphill.

    Args:
        loss: From an (n, t, d) perturbation to the sum of the texts' losses; a sum keeps each text on its own way.
        delta: (n, t, d) first perturbation, such as `ascent.begin` returns.
        where: (n, t) bool, True at tokens that may be perturbed.
        ascent: How to climb.
        steps: How often.

    Returns:
        (n, t, d), detached.
    """
    for _ in range(steps):
        delta = delta.detach().requires_grad_()
        with torch.enable_grad():
            slope = compute_slope(loss(delta), delta)
        delta = ascent.climbed(delta, slope, where)
    return delta.detach()


class SameDropout:
    """Dropout masks of the first pass, used again by every later one.

    A pass draws its masks from torch's own generator; a later pass finds the generator as the first one did. Any
    number of passes moves the generator as far as one does.

    Args:
        device: Where the network runs.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = [device] if device.type == "cuda" else []
        self._state: list[torch.Tensor] | None = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run one pass."""
        if self._state is None:
            self._state = [torch.get_rng_state(), *map(torch.cuda.get_rng_state, self._cuda)]
        else:
            torch.set_rng_state(self._state[0])
            for device, part in zip(self._cuda, self._state[1:], strict=True):
                torch.cuda.set_rng_state(part, device)
        yield
