"""BERT's forward pass on a CPU with weights laid out for its matrix kernels: one text alone takes half the time.

Query, key and value become one product, GELU is part of the product before it. Used only while nothing is being
learnt; a test compares it with the plain forward pass.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

if TYPE_CHECKING:
    from robust_core.models.networks.bert import Bert

# Rows that the layout is tuned for; others work as well.
_ROWS = 512


def is_usable(rows: torch.Tensor) -> bool:
    """Return whether this build of torch has the kernels and nothing is being learnt."""
    return (rows.device.type == "cpu" and torch.is_inference_mode_enabled() and torch.backends.mkldnn.is_available()
            and hasattr(torch.ops.mkldnn, "_linear_pointwise"))


class _Product(NamedTuple):
    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def of(cls, dtype: torch.dtype, *layers: nn.Linear) -> "_Product":
        weight = torch.cat([layer.weight.detach() for layer in layers]).to(dtype)
        bias = torch.cat([layer.bias.detach() for layer in layers]).to(dtype)
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS), bias)

    def __call__(self, rows: torch.Tensor, then: str = "none") -> torch.Tensor:
        kind = "none" if then == "gelu" else ""
        return torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, then, [], kind)


class _Layer(NamedTuple):
    heads: int
    attended: _Product
    mixed: _Product
    first_norm: nn.LayerNorm
    widened: _Product
    narrowed: _Product
    second_norm: nn.LayerNorm

    @classmethod
    def of(cls, layer: Any, dtype: torch.dtype) -> "_Layer":  # noqa: ANN401 (a layer of `bert`)
        own, out = layer.attention.self, layer.attention.output
        return cls(own.heads, _Product.of(dtype, own.query, own.key, own.value), _Product.of(dtype, out.dense),
                   out.LayerNorm, _Product.of(dtype, layer.intermediate.dense), _Product.of(dtype, layer.output.dense),
                   layer.output.LayerNorm)


class PackedBert:
    """The layers of an encoder as they are now.

    Args:
        body: The encoder.
        dtype: fp32, or bf16 for matrix products; sums and norms are made in fp32 either way.
    """

    def __init__(self, body: "Bert", dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._layers = [_Layer.of(layer, dtype) for layer in body.encoder.layer]

    def __call__(self, hidden: torch.Tensor, keep: torch.Tensor | None) -> torch.Tensor:
        """Return the last hidden states.

        Args:
            hidden: (n, t, d) float32 output of the embedding layer.
            keep: (n, 1, 1, t) bool, or None without pads.
        """
        n, t, d = hidden.shape
        real, size = n * t, _measure_size(n * t)
        hidden = F.pad(hidden.reshape(real, d), (0, 0, 0, size - real))
        gathered = hidden.new_zeros(size, d, dtype=self._dtype)
        for layer in self._layers:
            parts = layer.attended(hidden.to(self._dtype))[:real].view(n, t, 3, layer.heads, d // layer.heads)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            context = F.scaled_dot_product_attention(query, key, value, attn_mask=keep)
            gathered[:real].view(n, t, layer.heads, d // layer.heads).copy_(context.transpose(1, 2))
            mixed = layer.mixed(gathered)
            hidden = layer.first_norm(mixed.float() + hidden)
            narrowed = layer.narrowed(layer.widened(hidden.to(self._dtype), "gelu"))
            hidden = layer.second_norm(narrowed.float() + hidden)
        return hidden[:real].view(n, t, d)


def _measure_size(rows: int) -> int:
    """Return how many rows are multiplied for some rows.

    The kernels keep half a megabyte for each number of rows they have ever seen, so only few numbers are used.
    """
    step = 16 if rows <= 128 else 64 if rows <= 1024 else 256
    return -(-rows // step) * step
