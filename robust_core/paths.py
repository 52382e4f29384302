"""Where things lie, and what the environment says: the only module that reads environment variables.

| variable | what it names |
|---|---|
| ROBUST_RUNS | folder of own runs, trainings and data sets; `runs` without it |
| ROBUST_CHECKPOINTS | folder that takes the place of the shipped checkpoints |
| ROBUST_DATA | folder of data sets; `../shared/data` and `data` without it |
| ROBUST_ENCODER | folder of an encoder that takes the place of the packaged one |
| ROBUST_DEVICE | where the app's models run; `auto` without it |
| RANK, WORLD_SIZE | set by `accelerate launch`: number of this process, and how many there are |
| MASTER_ADDR, MASTER_PORT | set by `accelerate launch`: where its processes meet |

A variable that is empty or blank counts as not set; one that cannot be what it names is refused when it is read.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from robust_core.errors import BadInput, quote
from robust_core.files import check_path

ROOT = Path(__file__).parents[1]
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = ROOT / "results"
# The pages whose tables are made from `results/`.
PAGES = (ROOT / "README.md", ROOT / "docs" / "results.md")
SHIPPED_DATA = Path(__file__).parent / "resources" / "data"
_MOST_DIGITS = 6


def _read(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def _read_folder(variable: str, usual: str | Path) -> Path:
    return check_path(_read(variable) or usual, f"folder of {variable}")


def runs_folder() -> Path:
    """Return the folder of the store, of own trainings and of own data sets."""
    return _read_folder("ROBUST_RUNS", "runs")


def own_checkpoints() -> Path:
    """Return the folder that own trainings go to."""
    return runs_folder() / "checkpoints"


def checkpoint_folders() -> list[Path]:
    """Return the folders that hold checkpoints: the shipped one and the one of own trainings."""
    return [_read_folder("ROBUST_CHECKPOINTS", CHECKPOINTS), own_checkpoints()]


def training_states() -> Path:
    """Return the folder of the states that killed trainings go on from."""
    return runs_folder() / "training"


def own_data() -> Path:
    """Return the folder of the data sets that people brought themselves."""
    return runs_folder() / "data"


def data_folders(data_dir: str | Path | None = None) -> list[Path]:
    """Return the folders to look for data sets in: the one that is named, else that of ROBUST_DATA, else the usual."""
    named = data_dir or _read("ROBUST_DATA")
    return [check_path(named, "folder of data sets")] if named else [Path("../shared/data"), Path("data")]


def encoder_folder() -> str:
    """Return the folder that takes the place of the packaged encoder; empty where none does."""
    named = _read("ROBUST_ENCODER")
    check_path(named, "folder of ROBUST_ENCODER")
    return named


def preferred_device() -> str:
    """Return the name of the device that the app's models run on."""
    return _read("ROBUST_DEVICE") or "auto"


def process_rank() -> int:
    """Return the number of this process among those of `accelerate launch`, 0 for the first and where it is alone.

    Raises:
        BadInput: RANK or WORLD_SIZE is no such number, or they do not fit.
    """
    rank, count = _read_count("RANK", 0), process_count()
    if rank >= count:
        raise BadInput(f"RANK is {rank} and WORLD_SIZE {count}: start several processes by accelerate launch, or unset "
                       "both.")
    return rank


def process_count() -> int:
    """Return how many processes `accelerate launch` started, 1 without it.

    Raises:
        BadInput: WORLD_SIZE is no such number, or nothing says where the processes meet.
    """
    count = _read_count("WORLD_SIZE", 1)
    if count < 1:
        raise BadInput("WORLD_SIZE must be 1 at least; unset it where one process trains.")
    if count > 1 and not (_read("MASTER_ADDR") and _read("MASTER_PORT")):
        raise BadInput(f"WORLD_SIZE is {count}, but nothing says where the processes meet: start them by accelerate "
                       "launch, or unset RANK and WORLD_SIZE.")
    return count


def _read_count(variable: str, usual: int) -> int:
    value = _read(variable) or str(usual)
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
        raise BadInput(f"{variable} must be a whole number, not {quote(value)}; accelerate launch sets it, or unset "
                       "it.")
    return int(value)


def child_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child process that finds this package, with some variables set."""
    found = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": found} | changes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    return "/".join(folder.parts[-3:]) or "."
