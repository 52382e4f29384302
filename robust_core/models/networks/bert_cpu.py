"""BERT's forward pass on a CPU with weights laid out for its matrix kernels: one text alone takes half the time.

Query, key and value become one product, GELU is part of the product before it. Used only while nothing is being
learnt; a test compares it with the plain forward pass.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its name everywhere)

from robust_core.models.networks import cpu_linear
from robust_core.models.networks.cpu_linear import PackedLinear

if TYPE_CHECKING:
    from robust_core.models.networks.bert import Layer


def is_usable(rows: torch.Tensor) -> bool:
    """Return whether nothing is being learnt and the kernels work here."""
    return rows.device.type == "cpu" and torch.is_inference_mode_enabled() and cpu_linear.is_available(product_dtype())


def product_dtype() -> torch.dtype:
    """Return the dtype of matrix products: bf16 under autocast."""
    return torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32


class _Layer(NamedTuple):
    heads: int
    attended: PackedLinear
    mixed: PackedLinear
    first_norm: nn.LayerNorm
    widened: PackedLinear
    narrowed: PackedLinear
    second_norm: nn.LayerNorm

    @classmethod
    def of(cls, layer: "Layer", dtype: torch.dtype) -> "_Layer":
        own, out = layer.attention.self, layer.attention.output

        def pack(*layers: nn.Linear) -> PackedLinear:
            return PackedLinear.of(dtype, *layers)

        return cls(own.heads, pack(own.query, own.key, own.value), pack(out.dense), out.LayerNorm,
                   pack(layer.intermediate.dense), pack(layer.output.dense), layer.output.LayerNorm)


class PackedBert:
    """The layers of an encoder as they are now.

    Args:
        layers: The layers, in order.
        dtype: fp32, or bf16 for matrix products; sums and norms are made in fp32 either way.
    """

    def __init__(self, layers: Iterable["Layer"], dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._layers = [_Layer.of(layer, dtype) for layer in layers]

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
