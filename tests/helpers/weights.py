"""Safetensors files by their parts, and what can be wrong with them."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def pack(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A file of a header, bytes as they are or a value as JSON, whose length may be given wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def split(data: bytes) -> tuple[dict, bytes]:
    """The header and the data of a whole file."""
    end = 8 + struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:end]), data[end:]


def edit_first(**changes: object) -> Callable[[bytes], bytes]:
    """A whole file whose first weight is described otherwise."""
    def change(data: bytes) -> bytes:
        header, rest = split(data)
        header.pop("__metadata__", None)
        first = next(iter(header))
        return pack(header | {first: header[first] | changes}, rest)

    return change


def drop_from_first(key: str) -> Callable[[bytes], bytes]:
    """A whole file whose first weight lacks a part of its description."""
    def change(data: bytes) -> bytes:
        header, rest = split(data)
        first = next(name for name in header if name != "__metadata__")
        del header[first][key]
        return pack(header, rest)

    return change


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"", "one byte": lambda data: b"\0", "seven bytes": lambda data: data[:7],
    "no header": lambda data: data[:8], "half a header": lambda data: data[:40],
    "half": lambda data: data[:len(data) // 2], "a byte less": lambda data: data[:-1],
    "a byte more": lambda data: data + b"\0", "text": lambda data: b"weights " * 50,
    "zeros": lambda data: bytes(5_000), "a zip": lambda data: b"PK\x03\x04" + data,
    "gzip": lambda data: b"\x1f\x8b" + data,
    "a pickle": lambda data: b"\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
    "2^63": lambda data: pack(b"{}", length=2**63), "2^64-1": lambda data: pack(b"{}", length=2**64 - 1),
    "90 MB": lambda data: pack(b"{}", length=90_000_000), "no length": lambda data: pack(b"{}", length=0),
    "a header that is long": lambda data: pack(b"{" + b" " * 11_000_000 + b"}"),
    "a list": lambda data: pack([]), "a number": lambda data: pack(7), "null": lambda data: pack(None),
    "nothing in it": lambda data: pack({}), "no JSON": lambda data: pack(b"{weights}"),
    "deep": lambda data: pack(b"[" * 100_000), "deep objects": lambda data: pack(b'{"a":' * 100_000),
    "no Unicode": lambda data: pack(b'{"\xff\xfe": 1}'),
    "long digits": lambda data: pack(b'{"a": ' + b"9" * 5_000 + b"}"),
    "entries are lists": lambda data: pack({"a": []}), "entries are null": lambda data: pack({"a": None}),
    "no such type": edit_first(dtype="F128"), "type a number": edit_first(dtype=3), "type a list": edit_first(dtype=[]),
    "eight bits": edit_first(dtype="I8"), "float of eight bits": edit_first(dtype="F8_E4M3"),
    "shape of text": edit_first(shape="abc"), "shape a number": edit_first(shape=4),
    "shape null": edit_first(shape=None),
    "negative shape": edit_first(shape=[-1, -4]), "shape of halves": edit_first(shape=[0.5, 2]),
    "large shape": edit_first(shape=[10**9, 10**9]), "many axes": edit_first(shape=[1] * 1_000),
    "no axis": edit_first(shape=[]),
    "a true shape": edit_first(shape=[True, True]), "offsets of text": edit_first(data_offsets="ab"),
    "one offset": edit_first(data_offsets=[0]), "backwards": edit_first(data_offsets=[8, 0]),
    "past the end": edit_first(data_offsets=[10**12, 10**12 + 8]), "before the start": edit_first(data_offsets=[-8, 0]),
    "offsets null": edit_first(data_offsets=None), "no type": drop_from_first("dtype"),
    "no shape": drop_from_first("shape"),
    "no offsets": drop_from_first("data_offsets"),
    "a hole": lambda data: pack(split(data)[0], bytes(64) + split(data)[1]),
}


def poison(path: Path, number: float) -> None:
    """Set one number of each floating weight."""
    weights = load_file(path)
    for value in weights.values():
        if value.is_floating_point() and value.numel():
            value.view(-1)[-1] = number
    save_file(weights, path, metadata={"format": "pt"})


def change_weights(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the tensors of a file."""
    weights = load_file(path)
    change(weights)
    save_file({name: value.contiguous() for name, value in weights.items()}, path, metadata={"format": "pt"})
