"""What the environment says of how the program runs: the only module that reads environment variables.

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
import importlib.util
import os
import sys
from pathlib import Path

from robust_core.errors import BadInput, quote
from robust_core.files import check_path

# The folder that holds this package.
HOME = Path(__file__).parents[1]
LIMITS = {"jobs": 4, "all_jobs": 50, "trainings": 2, "all_trainings": 20, "uploads": 20, "all_uploads": 500,
          "models": 5, "all_models": 100, "model_mb": 2000}
_MOST_THREADS, _MOST_DIGITS = 1024, 6


def read_variable(variable: str) -> str:
    """Return a variable of the environment; empty where it is not set, or blank."""
    return os.environ.get(variable, "").strip()


def read_folder(variable: str, usual: str | Path) -> Path:
    """Return the folder that a variable names, or else the usual one.

    Raises:
        BadInput: It can be no path.
    """
    return check_path(read_variable(variable) or usual, f"folder of {variable}")


def has_package(name: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def read_threads() -> int:
    """Return the number of threads that somebody set, 0 if nobody did.

    Raises:
        BadInput: ROBUST_THREADS is no whole number from 1.
    """
    given = read_variable("ROBUST_THREADS")
    if given and not (given.isascii() and given.isdecimal() and 0 < int(given[:_MOST_DIGITS]) <= _MOST_THREADS):
        raise BadInput(f"ROBUST_THREADS must be a whole number from 1 to {_MOST_THREADS:,}, not {quote(given)}.")
    first = (given or read_variable("OMP_NUM_THREADS")).partition(",")[0]
    return int(first) if first.isdecimal() else 0


def set_up_threads() -> None:
    """Tell the libraries that compute, before they are loaded, how many threads they get and how these wait.

    GNU's OpenMP lets a thread that waits for another one spin for some 15 ms; where another program has the core that
    the other thread needs, this takes a batch to twenty times its time. After some microseconds it sleeps now.
    """
    with contextlib.suppress(BadInput):  # said where the number is used
        if read_variable("ROBUST_THREADS"):
            os.environ["OMP_NUM_THREADS"] = str(read_threads())
            if "torch" in sys.modules:
                sys.modules["torch"].set_num_threads(read_threads())
    if not any(map(read_variable, ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"))):
        os.environ.update(GOMP_SPINCOUNT="200", KMP_BLOCKTIME="0")


def is_shared() -> bool | None:
    """Return whether several people share the app, as ROBUST_SHARED has it; None where it says nothing."""
    return {"1": True, "0": False}.get(read_variable("ROBUST_SHARED"))


def read_limit(what: str) -> int:
    """Return one of LIMITS, or what the environment variable of its name says.

    Raises:
        BadInput: The variable is no whole number from 0.
    """
    variable = f"ROBUST_{what.upper()}"
    given = read_variable(variable) or str(LIMITS[what])
    if not (given.isascii() and given.isdecimal() and len(given) < 10):
        raise BadInput(f"{variable} must be a whole number from 0, not {quote(given)}.")
    return int(given)


def preferred_device() -> str:
    """Return the name of the device that the app's models run on."""
    return read_variable("ROBUST_DEVICE") or "auto"


def read_secret(name: str) -> str:
    """Return a variable that a victim file names, such as a key for its headers; empty where it is not set."""
    return read_variable(name)


def name_gpu(number: int) -> str:
    """Return what a child process calls the GPU that has this number here."""
    seen = [name.strip() for name in read_variable("CUDA_VISIBLE_DEVICES").split(",") if name.strip()]
    return seen[number] if number < len(seen) else str(number)


def asks_for_token() -> bool:
    """Return whether Ray is told to ask for a token."""
    return read_variable("RAY_AUTH_MODE").lower() == "token"


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
    if count > 1 and not (read_variable("MASTER_ADDR") and read_variable("MASTER_PORT")):
        raise BadInput(f"WORLD_SIZE is {count}, but nothing says where the processes meet: start them by accelerate "
                       "launch, or unset RANK and WORLD_SIZE.")
    return count


def _read_count(variable: str, usual: int) -> int:
    value = read_variable(variable) or str(usual)
    if not (value.isascii() and value.isdecimal() and len(value) <= _MOST_DIGITS):
        raise BadInput(f"{variable} must be a whole number, not {quote(value)}; accelerate launch sets it, or unset "
                       "it.")
    return int(value)


def child_environment(**changes: str) -> dict[str, str]:
    """Return the environment of a child process that finds this package, with some variables set."""
    found = os.pathsep.join([str(HOME), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {"PYTHONPATH": found} | changes
