"""Where models run, and in which precision."""

import contextlib
from typing import TYPE_CHECKING

from robust_core.errors import BadInput, quote
from robust_core.protocols import WhiteBox
from robust_core.types import Precision

if TYPE_CHECKING:
    import torch

_KINDS = ("cpu", "cuda", "mps", "xpu")


def pick_device(device: str) -> "torch.device":
    """Turn a device name into a device; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        BadInput: There is no such device on this machine.
    """
    import torch

    if device == "auto":
        mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if mps else "cpu")
    problem = BadInput(f"There is no device {quote(device)} here; try auto or cpu.")
    # Some names are no place to compute at (meta), or belong to packages that nobody here has installed (hpu).
    if not isinstance(device, str) or device.partition(":")[0] not in _KINDS:
        raise problem
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except Exception:  # noqa: BLE001 (each kind of device fails in its own way where it is not there)
        raise problem from None
    return chosen


def has_fast_bf16(device: "torch.device") -> bool:
    """Return whether a device multiplies bf16 faster than fp32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type != "cpu":
        return False
    flags = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, flag, lambda: False)() for flag in flags)


def autocast_bf16(device: "torch.device", screened: bool) -> contextlib.AbstractContextManager:
    """Return a context in which matrices are multiplied in bf16, if `screened`."""
    import torch

    return torch.autocast(device.type, torch.bfloat16) if screened else contextlib.nullcontext()


def gradient_autocast(model: WhiteBox, device: "torch.device", precision: Precision
             ) -> contextlib.AbstractContextManager:
    """Return a context for the gradients of an attack: bf16 if screened is asked for and faster for this model."""
    return autocast_bf16(device, precision == "screened" and model.screens)


def describe_device(device: str) -> dict[str, str | int | float]:
    """Return what computes here, for a record of measurements.

    Args:
        device: auto, cpu, cuda, mps, xpu.

    Returns:
        kind; name of the GPU, or of the processor's instruction set; count of such devices; gib, the memory of one GPU
        in GiB (0 for other kinds); bf16, 1 where it multiplies bf16 faster than fp32.

    Raises:
        BadInput: There is no such device on this machine.
    """
    import torch

    chosen = pick_device(device)
    name, count, memory = torch.backends.cpu.get_cpu_capability(), 1, 0.0
    if chosen.type == "cuda":
        found = torch.cuda.get_device_properties(chosen)
        name, count, memory = found.name, torch.cuda.device_count(), found.total_memory / 2**30
    return {"kind": chosen.type, "name": name, "count": count, "gib": round(memory, 1),
            "bf16": int(has_fast_bf16(chosen))}
