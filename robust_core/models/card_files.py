"""Cards on disk: `card.json` beside the files that it lists, read, checked and written in one way for all kinds."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from robust_core.errors import BadInput
from robust_core.files import explain_failures
from robust_core.paths import sha256, write_file

CARD = "card.json"


class StoredCard(Protocol):
    """A frozen dataclass with fields `files`, `bytes` and `folder`, which `write_card` fills in."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


T = TypeVar("T")
C = TypeVar("C", bound=StoredCard)


def read_json_card(folder: Path, make: Callable[[dict[str, Any]], T], damaged: str, missing: str = "") -> T:
    """Read `card.json` of a folder.

    Args:
        folder: Where the card lies.
        make: Makes the card of the values in the file; a ValueError, TypeError, KeyError or AttributeError that it
            raises says that the card is damaged.
        damaged: What to tell a person whose card is damaged.
        missing: What to tell where there is none; the same without it.

    Raises:
        BadInput: There is no card, or it is damaged.
    """
    try:
        return make(json.loads((folder / CARD).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BadInput(missing or damaged) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(damaged) from None


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
