"""The optimiser that all trainings share: AdamW under a schedule, with clipped gradients and a state to resume from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from robust_core.errors import BadInput


class Optimiser:
    """AdamW whose gradients are clipped, group by group or all together.

    Args:
        groups: Parameters by group; those without `requires_grad` are left out.
        rates: Largest learning rate, of all groups or of each.
        weight_decay: Decoupled weight decay.
        clip: Largest norm of the gradients of a group; 0 clips nothing.
        clip_together: Whether `clip` is the largest norm of all gradients instead.

    Attributes:
        adamw: The optimiser of torch, for a schedule of torch's own.
        parameters: All that is trained.
    """

    def __init__(self, groups: Iterable[Iterable[nn.Parameter]], rates: float | Sequence[float], *,
                 weight_decay: float = 0.0, clip: float = 0.0, clip_together: bool = False) -> None:
        trained = [[p for p in group if p.requires_grad] for group in groups]
        self._rates = [rates] * len(trained) if isinstance(rates, float | int) else list(rates)
        pairs = [(group, rate) for group, rate in zip(trained, self._rates, strict=True) if group]
        self._rates = [rate for _, rate in pairs]
        self.parameters = [p for group, _ in pairs for p in group]
        self._clip, self._clipped = clip, [self.parameters] if clip_together else [group for group, _ in pairs]
        self.adamw = torch.optim.AdamW([{"params": group, "lr": rate} for group, rate in pairs],
                                       weight_decay=weight_decay)

    @property
    def rate(self) -> float:
        """The present learning rate of the first group."""
        return self.adamw.param_groups[0]["lr"]

    def set_rate(self, share: float) -> None:
        """Set the learning rates of the next step to a share of the largest; see `compute_rate`."""
        for group, rate in zip(self.adamw.param_groups, self._rates, strict=True):
            group["lr"] = rate * share

    def zero_grad(self) -> None:
        """Forget the gradients of the last step."""
        self.adamw.zero_grad()

    def step(self) -> None:
        """Clip the gradients and make one step."""
        if self._clip:
            for group in self._clipped:
                torch.nn.utils.clip_grad_norm_(group, self._clip)
        self.adamw.step()

    def state(self) -> dict[str, Any]:
        """Return the moments and the step of each parameter, by its number."""
        return {str(i): values for i, values in self.adamw.state_dict()["state"].items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned."""
        own = self.adamw.state_dict()
        own["state"] = {int(i): values for i, values in state.items()}
        self.adamw.load_state_dict(own)


def compute_rate(step: float, steps: float, warmup: float, decay: str = "linear") -> float:
    """Return the share of the largest learning rate to use at a step.

    Args:
        step: Steps made so far.
        steps: Steps of the whole training.
        warmup: Share of the steps in which the rate rises.
        decay: What follows: "linear" falls to zero at the end, "constant" stays.
    """
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    if decay == "linear":
        return max(0.0, (steps - step) / max(1.0, steps - rising))
    return 1.0


def check_finite(terms: Mapping[str, float], when: str) -> None:
    """Raise BadInput when a term of the loss is not a finite number.

    Args:
        terms: Figures by name.
        when: When they were found, such as "after epoch 3".
    """
    if not all(map(math.isfinite, terms.values())):
        raise BadInput(f"The loss is not a number {when}: lower the learning rate.")
