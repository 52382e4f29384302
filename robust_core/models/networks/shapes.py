"""Networks without weights: what a description would build, at no cost of memory."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn: to draw a normal one on no device, torch loads a second's worth of its modules."""

    def __torch_function__(self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> object:
        drawn = func in (torch.Tensor.normal_, torch.Tensor.uniform_)
        return args[0] if drawn else func(*args, **(kwargs or {}))


@contextlib.contextmanager
def on_no_device() -> Iterator[None]:
    """Build networks that have shapes and no weights; nothing is allocated, and no random number is drawn."""
    with torch.device("meta"), _Undrawn():
        yield
