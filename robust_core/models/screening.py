"""Screening in bf16: where it pays, and how far off it may be."""

import contextlib
import functools
from collections.abc import Sequence

import numpy as np
import torch

from robust_core.text import Draft, Edit
from robust_core.types import Noise, Precision, WhiteBox

_PROBES, _VARIANTS = 16, 12


def fast_bf16(device: torch.device) -> bool:
    """Return whether a device multiplies bf16 faster than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, flag, lambda: False)() for flag in flags)


def low(device: torch.device, screened: bool) -> contextlib.AbstractContextManager:
    """Return a context in which matrices are multiplied in bf16, if `screened`."""
    return torch.autocast(device.type, torch.bfloat16) if screened else contextlib.nullcontext()


def climbing(model: WhiteBox, device: torch.device, precision: Precision) -> contextlib.AbstractContextManager:
    """Return a context for the gradients of an attack: bf16 if screened is asked for and faster for this model."""
    return low(device, precision == "screened" and getattr(model, "screens", False))


@functools.cache
def probes() -> list[list[str]]:
    """Return packaged reviews of various lengths, each with texts that lack one of its words."""
    from robust_core import datasets

    texts = sorted((example.text for example in datasets.load("reviews", "train")), key=len)
    groups = []
    for text in texts[:: max(len(texts) // _PROBES, 1)]:
        draft = Draft.of(text)
        places = range(0, len(draft.words), max(len(draft.words) // _VARIANTS, 1))
        groups.append([text, *(draft.apply(Edit(i, i + 1, ())).text for i in places)])
    return groups


def log_odds(proba: np.ndarray) -> np.ndarray:
    """Return log p / (1 - p) of (n, classes) probabilities."""
    proba = np.maximum(proba.astype(np.float64), np.finfo(np.float32).tiny)
    rest = proba.sum(axis=1, keepdims=True) - proba
    return np.log(proba) - np.log(np.maximum(rest, np.finfo(np.float32).tiny))


def noise_of(errors: Sequence[np.ndarray]) -> Noise:
    """Return the largest errors seen.

    Args:
        errors: For each text, the (variants, figures) errors of its variants.
    """
    absolute = max(float(np.abs(group).max()) for group in errors)
    difference = max(float(np.ptp(group, axis=0).max()) for group in errors)
    return Noise(absolute, max(absolute, difference))
