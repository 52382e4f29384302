"""Networks without weights: what a description would build, at no cost of memory."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# As methods of tensors, and as functions of torch.nn.init.
_DRAWS = ("normal_", "trunc_normal_", "uniform_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_",
          "xavier_normal_", "orthogonal_")


class _Undrawn(TorchFunctionMode):
    """Leaves first weights undrawn: to draw a normal one on no device, torch loads a second's worth of its modules."""

    def __torch_function__(self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (),
                           kwargs: Mapping[str, Any] | None = None) -> object:
        given = kwargs or {}
        if getattr(func, "__name__", "") in _DRAWS:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@contextlib.contextmanager
def on_no_device() -> Iterator[None]:
    """Build networks that have shapes and no weights; nothing is allocated, and no random number is drawn."""
    with torch.device("meta"), _Undrawn():
        yield
