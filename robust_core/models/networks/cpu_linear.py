"""Linear layers on a CPU by oneDNN's kernels, which torch has as private operators only.

Private operators may go or change with any release of torch, so they are tried once, before their first use, against
the plain layer; where they are missing or differ, the plain forward pass runs instead.
"""

import functools
import logging
from typing import Literal, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

_LOG = logging.getLogger(__name__)
# Rows that the layout is tuned for; others work as well.
_ROWS = 512
# Largest difference to the plain layer on the example, whose outputs lie within about 2.
_TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 5e-2}


class PackedLinear(NamedTuple):
    """Linear layers of the same input as one product, with weights laid out for the kernels.

    Attributes:
        weight: Weights in the kernels' own layout, which only these read.
        bias: (out,) biases of all layers, one after the other.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, dtype: torch.dtype, *layers: nn.Linear) -> "PackedLinear":
        """Pack the weights as they are now."""
        weight = torch.cat([layer.weight.detach() for layer in layers]).to(dtype)
        bias = torch.cat([layer.bias.detach() for layer in layers]).to(dtype)
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), bias)

    def __call__(self, rows: torch.Tensor, then: Literal["none", "gelu"] = "none") -> torch.Tensor:
        """Return (n, out) products of (n, in) rows of the packed dtype, with GELU after them if asked for."""
        kind = "none" if then == "gelu" else ""
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, then, [], kind)


@functools.cache
def is_available(dtype: torch.dtype) -> bool:
    """Return whether this build of torch has the kernels and they agree with the plain layer; tried once."""
    fault = _find_fault(dtype)
    if fault:
        _LOG.warning("BERT runs without oneDNN's linear kernels (%s): %s", str(dtype).removeprefix("torch."), fault)
    return not fault


def _find_fault(dtype: torch.dtype) -> str:
    """Return what speaks against the kernels; empty if nothing does."""
    if not torch.backends.mkldnn.is_available():
        return "this build of torch has no oneDNN"
    layer = nn.Linear(32, 48, device="meta").to_empty(device="cpu")
    # Numbers without a random generator: nothing that is drawn later may depend on this.
    wave = torch.arange(48 * 32, dtype=torch.float32).mul(0.7).sin().view(48, 32)
    with torch.no_grad():
        layer.weight.copy_(wave / 4)
        layer.bias.copy_(wave[:, 0])
    rows = wave[:16].cos()
    try:
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            packed, plain = PackedLinear.of(dtype, layer), layer(rows)
            pairs = ((packed(rows.to(dtype)), plain), (packed(rows.to(dtype), "gelu"), F.gelu(plain)))
            off = max(float((found.float() - expected).abs().max()) for found, expected in pairs)
    except (AttributeError, RuntimeError, TypeError) as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return "" if off <= _TOLERANCE[dtype] else f"they differ from the plain layer by {off:.1e}"
