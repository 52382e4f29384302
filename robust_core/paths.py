"""Where things lie, and what the environment says: the only module that reads environment variables.

| variable | what it names |
|---|---|
| ROBUST_RUNS | folder of own runs, trainings and data sets; `runs` without it |
| ROBUST_CHECKPOINTS | folder that takes the place of the shipped checkpoints |
| ROBUST_DATA | folder of data sets; `../shared/data` and `data` without it |
| ROBUST_ENCODER | folder of an encoder that takes the place of the packaged one |
| ROBUST_DEVICE | where the app's models run; `auto` without it |
| ROBUST_SHARED | `1`: several people share the app, each with what is theirs; `0`: one person alone |
| ROBUST_ALLOW_FOLDERS | `1`: people who share the app may name folders of its machine |
| ROBUST_JOBS, ROBUST_ALL_JOBS | most attacks and evaluations that wait or run: of a person 4, of all 50 |
| ROBUST_TRAININGS, ROBUST_ALL_TRAININGS | most trainings that wait or run: of a person 2, of all 20 |
| ROBUST_UPLOADS, ROBUST_ALL_UPLOADS | most data sets brought along: of a person 20, of all 500 |
| RANK, WORLD_SIZE | set by `accelerate launch`: number of this process, and how many there are |

A variable that is empty or blank counts as not set.
"""

import contextlib
import contextvars
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from robust_core.errors import BadInput, quote

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


# --- Several people at one app -------------------------------------------------------------------

LIMITS = {"jobs": 4, "all_jobs": 50, "trainings": 2, "all_trainings": 20, "uploads": 20, "all_uploads": 500}
_PERSON: contextvars.ContextVar[str | None] = contextvars.ContextVar("person", default=None)
_ask_person: Callable[[], str] = str


def tell_people_apart(ask: Callable[[], str]) -> None:
    """Set what says for whom the present thread works, where `act_for` does not: a folder's name, or nothing."""
    global _ask_person
    _ask_person = ask


def find_person() -> str:
    """Return for whom this thread works; empty where only one person uses the program."""
    person = _PERSON.get()
    return _ask_person() if person is None else person


@contextlib.contextmanager
def act_for(person: str) -> Iterator[None]:
    """Let this thread work for a person: their models, data sets, trainings and results are meant."""
    token = _PERSON.set(person)
    try:
        yield
    finally:
        _PERSON.reset(token)


def person_folder() -> Path:
    """Return the folder of runs of the person that this thread works for."""
    person = find_person()
    return runs_folder() / "people" / person if person else runs_folder()


def is_shared() -> bool | None:
    """Return whether several people share the app, as ROBUST_SHARED has it; None where it says nothing."""
    return {"1": True, "0": False}.get(_read("ROBUST_SHARED"))


def may_name_folders() -> bool:
    """Return whether the person that this thread works for may name folders of this machine."""
    return not find_person() or _read("ROBUST_ALLOW_FOLDERS") == "1"


def read_limit(what: str) -> int:
    """Return one of LIMITS, or what the environment variable of its name says.

    Raises:
        BadInput: The variable is no whole number from 0.
    """
    variable = f"ROBUST_{what.upper()}"
    given = _read(variable) or str(LIMITS[what])
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise BadInput(f"{variable} must be a whole number from 0, not {quote(given)}.")
    return int(given)


def own_checkpoints() -> Path:
    """Return the folder that own trainings go to."""
    return person_folder() / "checkpoints"


def checkpoint_folders() -> list[Path]:
    """Return the folders that hold checkpoints: the shipped one and the one of own trainings."""
    return [Path(_read("ROBUST_CHECKPOINTS") or CHECKPOINTS), own_checkpoints()]


def training_states() -> Path:
    """Return the folder of the states that killed trainings go on from."""
    return person_folder() / "training"


def own_data() -> Path:
    """Return the folder of the data sets that people brought themselves."""
    return person_folder() / "data"


def count_uploads() -> tuple[int, int]:
    """Return how many data sets this person brought along, and how many all people did."""
    own = len(list(own_data().glob("*/about.json")))
    return own, sum(len(list(runs_folder().glob(f"{where}/*/about.json"))) for where in ("data", "people/*/data"))


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


_FAILURES = {
    errno.ENOSPC: "the disk is full. Free some space, then go on; what was stored before is kept",
    errno.EDQUOT: "your share of the disk is used up. Free some space, then go on; what was stored before is kept",
    errno.EROFS: "the disk can only be read. Set ROBUST_RUNS to a folder that can be written",
    errno.EACCES: "you may not write there. Set ROBUST_RUNS to a folder that can be written",
    errno.EPERM: "you may not write there. Set ROBUST_RUNS to a folder that can be written",
}


def describe_failure(error: BaseException) -> str:
    """Say in one line why the machine refused to write, whatever it was; empty where that is not what went wrong."""
    why = _FAILURES.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return f"Something could not be written: {why}." if why else ""


@contextlib.contextmanager
def describe_failures(path: Path) -> Iterator[None]:
    """Turn what the disk refuses while something is written into one plain line.

    Raises:
        BadInput: Something could not be written; it says what and why.
    """
    try:
        yield
    except OSError as error:
        why = _FAILURES.get(error.errno or 0, (error.strerror or str(error)).lower())
        raise BadInput(f"{quote(str(path))} cannot be written: {why}.") from None


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; it is readable to whoever may read the card beside it.

    Raises:
        BadInput: The disk is full, or may not be written; what was there before stays.
    """
    with describe_failures(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
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
    return "/".join(folder.parts[-3:])
