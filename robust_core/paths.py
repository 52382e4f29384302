"""Where things lie, and what the environment says: the only module that reads environment variables.

| variable | what it names |
|---|---|
| ROBUST_RUNS | folder of own runs, trainings and data sets; `runs` without it |
| ROBUST_CHECKPOINTS | folder that takes the place of the shipped checkpoints |
| ROBUST_DATA | folder of data sets; `../shared/data` and `data` without it |
| ROBUST_ENCODER | folder of an encoder that takes the place of the packaged one |
| ROBUST_DEVICE | where the app's models run; `auto` without it |
| RANK, WORLD_SIZE | set by `accelerate launch`: number of this process, and how many there are |

A variable that is empty or blank counts as not set.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from robust_core.errors import shorten

ROOT = Path(__file__).parents[1]
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = ROOT / "results"
# The pages whose tables are made from `results/`.
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
SHIPPED_DATA = Path(__file__).parent / "resources" / "data"


def _read(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def runs_folder() -> Path:
    """Return the folder of the store, of own trainings and of own data sets."""
    return Path(_read("ROBUST_RUNS") or "runs")


def own_checkpoints() -> Path:
    """Return the folder that own trainings go to."""
    return runs_folder() / "checkpoints"


def checkpoint_folders() -> list[Path]:
    """Return the folders that hold checkpoints: the shipped one and the one of own trainings."""
    return [Path(_read("ROBUST_CHECKPOINTS") or CHECKPOINTS), own_checkpoints()]


def training_states() -> Path:
    """Return the folder of the states that killed trainings go on from."""
    return runs_folder() / "training"


def own_data() -> Path:
    """Return the folder of the data sets that people brought themselves."""
    return runs_folder() / "data"


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Return the folders to look for data sets in: the one that is named, else that of ROBUST_DATA, else the usual."""
    named = data_dir or _read("ROBUST_DATA")
    return [Path(named)] if named else [Path("../shared/data"), Path("data")]


def encoder_folder() -> str:
    """Return the folder that takes the place of the packaged encoder; empty where none does."""
    return _read("ROBUST_ENCODER")


def preferred_device() -> str:
    """Return the name of the device that the app's models run on."""
    return _read("ROBUST_DEVICE") or "auto"


def process_rank() -> int:
    """Return the number of this process among those of `accelerate launch`, 0 for the first and where it is alone."""
    return int(_read("RANK") or 0)


def process_count() -> int:
    """Return how many processes `accelerate launch` started, 1 without it."""
    return int(_read("WORLD_SIZE") or 1)


def child_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child process that finds this package, with some variables set."""
    found = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": found} | changes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, most: int = 1_000_000) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """Read a JSON file that anybody may have written: only a regular file, and only if it is of bounded size.

    Args:
        path: The file.
        most: Its largest size in bytes.

    Raises:
        OSError: There is no such regular file.
        ValueError: It is longer, or no JSON that can be read.
    """
    # A pipe would be waited for, a device read for ever.
    if not path.is_file():
        raise FileNotFoundError(path.name)
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"longer than {most:,} bytes")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deep") from None


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; it is readable to whoever may read the card beside it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        card = path.parent / "card.json"
        if card.exists():
            shutil.copymode(card, temporary)
        else:
            os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def short_name(folder: Path) -> str:
    """Name a folder by its last parts, without the machine's own path."""
    return shorten("/".join(folder.parts[-3:]))
