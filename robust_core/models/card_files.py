"""Cards on disk: `card.json` beside the files that it lists, read, checked and written in one way for all kinds."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar, get_args, get_origin, get_type_hints

from robust_core.errors import BadInput, MissingResource
from robust_core.file_hashes import sha256
from robust_core.files import explain_failures, read_json, write_file
from robust_core.paths import OUTSIDE

CARD = "card.json"
HOW_TO_GET = "Get the release's source and set ROBUST_CHECKPOINTS to its folder checkpoints."
# Longest input of any model, in pieces or words: it costs time, if no memory.
MOST_PIECES = 100_000
_MOST_CARD = 1_000_000
_LONGEST_TEXT, _LONGEST_NAME, _MOST_DEPTH = 2_000, 250, 20
_MOST_FAULTS = 20


class StoredCard(Protocol):
    """A frozen dataclass with fields `files`, `bytes` and `folder`, which `write_card` fills in, and `known_faults`."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


T = TypeVar("T")
C = TypeVar("C", bound=StoredCard)


def list_outside() -> list[str]:
    """Return the names of the checkpoints that belong to this release but not to its wheel."""
    return [str(name) for name in read_json(OUTSIDE, _MOST_CARD)] if OUTSIDE.is_file() else []


def check_in_wheel(name: str) -> None:
    """Raise MissingResource, with where to get it, for a checkpoint that this release's wheel leaves out."""
    if name in list_outside():
        raise MissingResource(f"The checkpoint {name}", HOW_TO_GET)


def read_json_card(folder: Path, make: Callable[[dict[str, Any]], T], damaged: str, missing: str = "") -> T:
    """Read `card.json` of a folder.

    Args:
        folder: Where the card lies.
        make: Makes the card of the values in the file; a ValueError, TypeError, KeyError or AttributeError that it
            raises says that the card is damaged; `check_card` and `check_types` raise them.
        damaged: What to tell a person whose card is damaged.
        missing: What to tell where there is none; the same without it.

    Raises:
        BadInput: There is no card, or it is damaged.
    """
    try:
        return make(read_json(folder / CARD, _MOST_CARD))
    except (BadInput, ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(damaged if (folder / CARD).exists() else missing or damaged) from None


def check_card(card: C) -> C:
    """Return a card, its known faults as a tuple; raise ValueError unless each field holds what its annotation says."""
    check_types(vars(card), get_type_hints(type(card)))
    check_file_names(vars(card)["files"])
    return dataclasses.replace(card, known_faults=check_faults(vars(card)["known_faults"]))


def check_faults(faults: object) -> tuple[str, ...]:
    """Return the known faults of a card, a line each; raise ValueError unless they are some printable lines."""
    if not _fits(faults, tuple[str, ...]):
        raise ValueError("known_faults are no lines")
    lines = tuple(map(str, faults))  # type: ignore[call-overload] (a list or a tuple)
    if len(lines) > _MOST_FAULTS or not all(map(str.isprintable, lines)):
        raise ValueError("known_faults are too many, or cannot be printed")
    return lines


def check_types(values: Mapping[str, Any], types: Mapping[str, Any]) -> None:
    """Raise ValueError or KeyError unless values are there and of their types, numbers finite and texts bounded.

    Args:
        values: Values of a card, by name.
        types: Their types, by name, such as Mapping[str, str].
    """
    for name, kind in types.items():
        if not _fits(values[name], kind):
            raise ValueError(f"{name} has another type")


def check_file_names(files: Iterable[str]) -> None:
    """Raise ValueError unless the files of a card lie beside it, or in the folder above that checkpoints share."""
    for name in files:
        if name.removeprefix("../") != Path(name).name or not 0 < len(name.encode()) < _LONGEST_NAME:
            raise ValueError("a file lies elsewhere")


def _fits(value: object, kind: Any, depth: int = 0) -> bool:  # noqa: ANN401 (a type, or one of typing's)
    if depth > _MOST_DEPTH:
        return False
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Any:
        if isinstance(value, dict | list):
            return all(_fits(part, Any, depth + 1) for part in (value.values() if isinstance(value, dict) else value))
        return value is None or isinstance(value, bool) or any(_fits(value, one) for one in (str, float))
    if origin is str:
        return isinstance(value, str) and len(value) <= _LONGEST_TEXT
    if origin is int:
        return type(value) is int and abs(value) < 2**63
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if origin is Mapping:
        return isinstance(value, dict) and all(_fits(part, inner[1], depth + 1) for part in value.values())
    if origin in (tuple, Sequence):
        return isinstance(value, list | tuple) and all(_fits(part, inner[0], depth + 1) for part in value)
    return isinstance(value, origin)


def check_count(value: object, least: int = 1, most: int = MOST_PIECES) -> None:
    """Raise ValueError unless a value of a card is a whole number in a range."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"no number from {least} to {most}")


def check_low_rank(config: Mapping[str, Any]) -> None:
    """Raise ValueError or KeyError unless settings of low-rank weights hold a scale and the longest input."""
    check_types(config, {"lora_scale": float})
    check_count(config["length"], 3)


def check_sha256(folder: Path, files: Mapping[str, str], describe: Callable[[str, str], str]) -> None:
    """Compare files with the SHA-256 that their card lists.

    Args:
        folder: Where the card lies.
        files: SHA-256 of each file, by path from the folder.
        describe: Makes the message of a file's name and what is wrong with it: "is missing" or "does not match its
            card".

    Raises:
        BadInput: A file is absent or differs.
    """
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise BadInput(describe(name, "is missing"))
        if sha256(path) != expected:
            raise BadInput(describe(name, "does not match its card"))


def write_card(card: C, folder: Path, contents: Iterable[tuple[str, bytes]]) -> C:
    """Write files and, last, the card that lists them; each appears whole or not at all.

    Args:
        card: The card; its `files`, `bytes` and `folder` are filled in here.
        folder: Where to; made if needed.
        contents: Path from the folder and content of each file, taken one by one.

    Returns:
        The finished card.
    """
    with explain_failures(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    size = 0
    for name, data in contents:
        write_file(folder / name, data)
        files[name] = hashlib.sha256(data).hexdigest()
        size += len(data)
    done = dataclasses.replace(card, files=files, bytes=size, folder=folder)
    values = {f.name: getattr(done, f.name) for f in dataclasses.fields(done) if f.name != "folder"}
    write_file(folder / CARD, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())
    return done
