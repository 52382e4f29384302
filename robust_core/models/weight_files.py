"""The gate before every safetensors file: its header is read with a bound and compared with the file.

A header says how much is read and allocated, so whoever writes one decides about the memory of whoever trusts it. It is
looked at before a library opens the file; and no weight may be NaN or infinite.
"""

import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from robust_core.errors import BadInput, quote, shorten
from robust_core.files import read_json, short_name

if TYPE_CHECKING:
    import torch
    from torch import nn

# Bytes of a number of each type that weights are read from; packed types of less than a byte are quantised weights.
_FLOATS = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_WHOLE = {"I64": 8, "I32": 4, "I16": 2, "U8": 1, "BOOL": 1}
_QUANTISED = ("I8", "U16", "U32", "U64", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F4", "F6_E2M3", "F6_E3M2")
# The largest models of the hub, of 70 billion weights, have headers of some 0.1 MB; every entry takes about 100 bytes.
_MOST_HEADER, _MOST_TENSORS, _MOST_AXES = 10_000_000, 100_000, 8
INDEX = "model.safetensors.index.json"


class Weight(NamedTuple):
    """What a header says of one tensor.

    Attributes:
        dtype: Its type, as safetensors names it, such as F32.
        shape: Its shape.
    """

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, Weight]:
    """Read the header of a safetensors file and compare it with the file, without reading a weight.

    Raises:
        BadInput: It is no regular file, its header does not fit it, or it holds quantised weights.
    """
    name = _name(path)
    try:
        if not path.is_file():
            raise BadInput(f"{name} is missing, or no regular file.")
        size = path.stat().st_size
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            if length > min(_MOST_HEADER, size - 8):
                raise ValueError
            entries = json.loads(file.read(length))
        if not isinstance(entries, dict) or len(entries) > _MOST_TENSORS:
            raise ValueError
        entries.pop("__metadata__", None)
        return _check_entries(name, entries, size - 8 - length)
    except (OSError, struct.error, ValueError, TypeError, KeyError, RecursionError):
        raise BadInput(f"{name} is damaged or no safetensors file: its header does not fit it.") from None


def _check_entries(name: str, entries: Mapping[str, Any], size: int) -> dict[str, Weight]:
    """Return the weights of a header; raise ValueError unless they fill `size` bytes without gap or overlap."""
    found, places = {}, []
    for key, entry in entries.items():
        dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if dtype in _QUANTISED or dtype in _WHOLE and key.endswith(".weight"):
            raise BadInput(f"{name} holds quantised weights ({quote(key, 40)} is {dtype}); give a copy in float32, "
                           "float16 or bfloat16.")
        if not all(type(n) is int and n >= 0 for n in (*shape, start, end)) or len(shape) > _MOST_AXES:
            raise ValueError
        if end - start != math.prod(shape) * (_FLOATS | _WHOLE)[dtype]:
            raise ValueError
        places.append((start, end))
        found[key] = Weight(dtype, shape)
    reached = 0
    for start, end in sorted(places):
        if start != reached:
            raise ValueError
        reached = end
    if reached != size:
        raise ValueError
    return found


def read_headers(folder: Path) -> dict[str, Weight]:
    """Return what the weights of a model folder are: those of `model.safetensors`, or of all files of its index.

    Raises:
        BadInput: There are none, one of the files is damaged, or the index names files that lie elsewhere.
    """
    single = folder / "model.safetensors"
    if single.exists() or not (folder / INDEX).exists():
        return read_header(single)
    try:
        places = read_json(folder / INDEX, _MOST_HEADER)["weight_map"]
        names = sorted(set(places.values()))
        # A plain name: neither a path nor a file of another kind.
        if not names or not all(name == Path(name).name and name.endswith(".safetensors") for name in names):
            raise ValueError
    except (BadInput, ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(f"{_name(folder / INDEX)} must map weights to safetensors files beside it.") from None
    headers = {name: read_header(folder / name) for name in names}
    for key, name in places.items():
        if key not in headers[name]:
            raise BadInput(f"{_name(folder / INDEX)} looks for {quote(key, 60)} in {shorten(name)}; it is not there.")
    return {key: weight for header in headers.values() for key, weight in header.items()}


def load_weights(path: Path) -> "dict[str, torch.Tensor]":
    """Read a safetensors file whose header fits it; numbers stay in their type.

    Raises:
        BadInput: It is damaged, or a weight is NaN or infinite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    read_header(path)
    try:
        found = load_file(path)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError):
        raise BadInput(f"{_name(path)} is damaged: it cannot be read as safetensors.") from None
    check_finite(found.items(), _name(path))
    return found


def check_finite(weights: "Iterable[tuple[str, torch.Tensor]]", name: str) -> None:
    """Refuse weights that are no numbers.

    Args:
        weights: Names and tensors.
        name: What they belong to, for the message.

    Raises:
        BadInput: One of them is NaN or infinite.
    """
    import torch

    for key, value in weights:
        # A sum is NaN or infinite where a weight is, makes no second tensor, and in fp64 does not run over by itself.
        if value.is_floating_point() and not value.sum(dtype=torch.float64).isfinite():
            raise BadInput(f"{name}: {quote(key)} holds weights that are NaN or infinite.")


def find_misfits(network: "nn.Module", header: Mapping[str, Weight]) -> Iterator[str]:
    """Yield in words what a header lacks of a network's state, or holds in another shape; names it has besides too."""
    state = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for name in sorted(state.keys() | header.keys()):
        if name not in header:
            yield f"{quote(name)} is missing"
        elif name not in state:
            yield f"{quote(name)} belongs to no part of it"
        elif header[name].shape != state[name]:
            yield f"{quote(name)} is {show_shape(header[name].shape)}, not {show_shape(state[name])}"


def _name(path: Path) -> str:
    return f"{short_name(path.parent)}/{shorten(path.name)}"


def show_shape(shape: Iterable[int]) -> str:
    """Return a shape in words, such as 30,522 × 384."""
    return " × ".join(f"{n:,}" for n in shape) or "one number"
