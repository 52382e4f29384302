"""Where things lie, and what the environment says: the only module that reads environment variables.

| variable | what it names |
|---|---|
| ROBUST_RUNS | folder of own runs, trainings and data sets; `runs` without it |
| ROBUST_CHECKPOINTS | folder that takes the place of the shipped checkpoints |
| ROBUST_DATA | folder of data sets; `../shared/data` and `data` without it |
| ROBUST_LESSONS | folder of more lessons, beside those of the program |
| ROBUST_ENCODER | folder of an encoder that takes the place of the packaged one |
| ROBUST_DEVICE | where the app's models run; `auto` without it |
| ROBUST_SHARED | `1`: several people share the app, each with what is theirs; `0`: one person alone |
| ROBUST_ALLOW_FOLDERS | `1`: people who share the app may name folders of its machine |
| ROBUST_JOBS, ROBUST_ALL_JOBS | most attacks and evaluations that wait or run: of a person 4, of all 50 |
| ROBUST_TRAININGS, ROBUST_ALL_TRAININGS | most trainings that wait or run: of a person 2, of all 20 |
| ROBUST_UPLOADS, ROBUST_ALL_UPLOADS | most data sets and files brought along: of a person 20, of all 500 |
| ROBUST_MODELS, ROBUST_ALL_MODELS | most models brought along: of a person 5, of all 100 |
| ROBUST_MODEL_MB | most megabytes of a model that is brought along: 2000 |
| ROBUST_THREADS | threads of an operation on the CPU; without it as many as are worth it while others use the cores |
| OMP_NUM_THREADS | the same for every program: it is kept as well |
| OMP_WAIT_POLICY, GOMP_SPINCOUNT, KMP_BLOCKTIME | how threads wait for each other; see `set_up_threads` |
| RANK, WORLD_SIZE | set by `accelerate launch`: number of this process, and how many there are |
| MASTER_ADDR, MASTER_PORT | set by `accelerate launch`: where its processes meet |
| CUDA_VISIBLE_DEVICES | GPUs that this process sees; each worker of a sweep is given one of them |
| RAY_AUTH_MODE | `token`: Ray asks whoever connects for a token; sweeps need it on clusters of other machines |

Keys of services (`robust_core.victims`) stand in variables that a victim file names.

A variable that is empty or blank counts as not set; one that cannot be what it names is refused when it is read.
"""

import contextlib
import contextvars
import functools
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from robust_core.errors import BadInput, quote, shorten
from robust_core.files import check_path, explain_failures

_PACKAGE, _HOME = Path(__file__).parent, Path(__file__).parents[1]
# Installed from a wheel, the app and its files lie inside the package (setup.py).
IS_INSTALLED = (_PACKAGE / "app").is_dir()
ROOT = _PACKAGE / "app" if IS_INSTALLED else _HOME
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = ROOT / "results"
LESSONS = ROOT / "lessons"
# A blind reading of adversarial texts, with its key and verdicts.
READING = ROOT / "bench" / "reading"
# The pages whose tables and figures are written from `results/`.
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# Ids of the checkpoints that the wheel leaves out.
OUTSIDE = CHECKPOINTS / "outside.json"
SHIPPED_DATA = _PACKAGE / "resources" / "data"
_MOST_DIGITS = 6


def _read(variable: str) -> str:
    return os.environ.get(variable, "").strip()


def _read_folder(variable: str, usual: str | Path) -> Path:
    return check_path(_read(variable) or usual, f"folder of {variable}")


def has_package(name: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def runs_folder() -> Path:
    """Return the folder of the store, of own trainings and of own data sets."""
    return _read_folder("ROBUST_RUNS", "runs")


_MOST_THREADS = 1024


def read_threads() -> int:
    """Return the number of threads that somebody set, 0 if nobody did.

    Raises:
        BadInput: ROBUST_THREADS is no whole number from 1.
    """
    given = _read("ROBUST_THREADS")
    if given and not (given.isascii() and given.isdecimal() and 0 < int(given[:_MOST_DIGITS]) <= _MOST_THREADS):
        raise BadInput(f"ROBUST_THREADS must be a whole number from 1 to {_MOST_THREADS:,}, not {quote(given)}.")
    first = (given or _read("OMP_NUM_THREADS")).partition(",")[0]
    return int(first) if first.isdecimal() else 0


def set_up_threads() -> None:
    """Tell the libraries that compute, before they are loaded, how many threads they get and how these wait.

    GNU's OpenMP lets a thread that waits for another one spin for some 15 ms; where another program has the core that
    the other thread needs, this takes a batch to twenty times its time. After some microseconds it sleeps now.
    """
    with contextlib.suppress(BadInput):  # said where the number is used
        if _read("ROBUST_THREADS"):
            os.environ["OMP_NUM_THREADS"] = str(read_threads())
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(read_threads())
    if not any(map(_read, ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"))):
        os.environ.update(GOMP_SPINCOUNT="200", KMP_BLOCKTIME="0")


# --- Several people at one app -------------------------------------------------------------------

LIMITS = {"jobs": 4, "all_jobs": 50, "trainings": 2, "all_trainings": 20, "uploads": 20, "all_uploads": 500,
          "models": 5, "all_models": 100, "model_mb": 2000}
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
    return [_read_folder("ROBUST_CHECKPOINTS", CHECKPOINTS), own_checkpoints()]


def lesson_folders() -> list[Path]:
    """Return the folders that hold lessons: the program's own, and one that a teacher names."""
    return [LESSONS, _read_folder("ROBUST_LESSONS", LESSONS)] if _read("ROBUST_LESSONS") else [LESSONS]


def training_states() -> Path:
    """Return the folder of the states that killed trainings go on from."""
    return person_folder() / "training"


def own_data() -> Path:
    """Return the folder of the data sets that people brought themselves."""
    return person_folder() / "data"


def own_files() -> Path:
    """Return the folder of the files that people brought for trainings beside data sets (`kept_files`)."""
    return person_folder() / "files"


def staged_models() -> Path:
    """Return the folder of models that people are trying before they keep them (`models.staging`)."""
    return person_folder() / "staged"


def own_judgements() -> Path:
    """Return the folder of the judgements on texts that people made."""
    return person_folder() / "judgements"


def count_uploads() -> tuple[int, int]:
    """Return how many data sets and files this person brought along, and how many all people did."""
    return _count_kept("data/*/about.json", "files/*.*")


def count_models() -> tuple[int, int]:
    """Return how many models this person brought along, and how many all people did."""
    return _count_kept("checkpoints/own-model/*/*/card.json")


def _count_kept(*kinds: str) -> tuple[int, int]:
    def count(folder: Path) -> int:
        return sum(len(list(folder.glob(kind))) for kind in kinds)

    everyone = [runs_folder(), *runs_folder().glob("people/*")]
    return count(person_folder()), sum(map(count, everyone))


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


def read_secret(name: str) -> str:
    """Return a variable that a victim file names, such as a key for its headers; empty where it is not set."""
    return _read(name)


def name_gpu(number: int) -> str:
    """Return what a child process calls the GPU that has this number here."""
    seen = [name.strip() for name in _read("CUDA_VISIBLE_DEVICES").split(",") if name.strip()]
    return seen[number] if number < len(seen) else str(number)


def asks_for_token() -> bool:
    """Return whether Ray is told to ask for a token."""
    return _read("RAY_AUTH_MODE").lower() == "token"


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
    found = os.pathsep.join([str(_HOME), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": found} | changes


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_once(path: Path) -> str:
    """Return what `sha256` does; the file is read again only after its size or the time of its last change differs.

    Raises:
        BadInput: It has changed since `mark_read`: what this process computes rests on what the file held before.
    """
    path, state = path.absolute(), _read_state(path)
    if _READ.get(path, state) != state:
        raise BadInput(f"{short_name(path)} has changed since this program read it; start the program again.")
    return _hash_file(path, state)


def mark_read(path: Path) -> None:
    """Remember how a file is now that this process reads it and keeps what it holds."""
    _READ.setdefault(path.absolute(), _read_state(path))


_READ: dict[Path, tuple[int, int]] = {}


def _read_state(path: Path) -> tuple[int, int]:
    """Return the size of a file and the time of its last change."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@functools.lru_cache(maxsize=512)
def _hash_file(path: Path, state: tuple[int, int]) -> str:
    del state
    return sha256(path)


def write_file(path: Path, data: bytes) -> None:
    """Write a file that appears whole or not at all; it is readable to whoever may read the card beside it.

    Raises:
        BadInput: The disk is full, or may not be written; what was there before stays.
    """
    with explain_failures(path, "written"):
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
    return shorten("/".join(folder.parts[-3:]).replace("//", "/") or ".")
