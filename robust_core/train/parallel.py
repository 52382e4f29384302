"""Several processes that share one training: each takes a part of every batch, and the gradients are averaged."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from robust_core.environment import process_count


@dataclasses.dataclass(frozen=True)
class ProcessGroup:
    """This process among those that share a training; alone by default.

    Args:
        part: Number of this process, 0 for the first.
        parts: How many there are.
    """

    part: int = 0
    parts: int = 1

    @classmethod
    def join(cls, device: str) -> "tuple[ProcessGroup, str]":
        """Meet the other processes of `accelerate launch`, if there are any.

        Returns:
            (the processes, the device of this one).
        """
        if process_count() < 2:
            return cls(), device
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        return cls(state.process_index, state.num_processes), "cpu" if device == "cpu" else str(state.device)

    def share(self, items: Sequence[Any]) -> Sequence[Any]:
        """Return this process's share of some items."""
        return items[self.part:: self.parts]

    def average(self, parameters: Iterable[torch.nn.Parameter], weight: float) -> None:
        """Replace gradients by their weighted mean over the processes.

        Args:
            parameters: Those that are trained.
            weight: This process's share of the batch, 0 to 1; the shares add up to 1.
        """
        if self.parts == 1:
            return
        for parameter in parameters:
            # Whether a gradient exists may differ between processes; every one of them must take part.
            grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad * weight
            torch.distributed.all_reduce(grad)
            parameter.grad = grad

    def gather(self, value: Any) -> list[Any]:  # noqa: ANN401 (plain values)
        """Return the values of all processes, in their order."""
        if self.parts == 1:
            return [value]
        found: list[Any] = [None] * self.parts
        torch.distributed.all_gather_object(found, value)
        return found

    def mean(self, sums: Mapping[str, float], count: float) -> dict[str, float]:
        """Return the means of named figures over all processes, from each one's sums and count."""
        parts = self.gather((dict(sums), count))
        total = sum(number for _, number in parts)
        names = dict.fromkeys(name for part, _ in parts for name in part)
        return {name: sum(part.get(name, 0.0) for part, _ in parts) / total for name in names}
