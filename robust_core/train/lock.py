"""One process at a time trains into a folder of state; the lock goes with its process, however that ends."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from robust_core.errors import BadInput, quote
from robust_core.files import explain_failures

# What a training goes on from.
STATE = "state.safetensors"
# Whoever only asks whether a training is running holds its lock for a moment: a training waits that long.
_LOCK, _MOMENT = "lock", 1.0


@contextlib.contextmanager
def hold_training(folder: Path, name: str) -> Iterator[None]:
    """Keep every other process out of a training's folder of state.

    Args:
        folder: The folder; made if needed.
        name: Id of the model, for the message.

    Raises:
        BadInput: The training is running already, or the folder cannot be written.
    """
    lock = FileLock(folder / _LOCK)
    with explain_failures(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=_MOMENT, poll_interval=0.02)
        except Timeout:
            raise BadInput(f"{quote(name)} is being trained already; wait until that training has ended, or stop it."
                           ) from None
    try:
        yield
    finally:
        lock.release()


def is_training(folder: Path) -> bool:
    """Return whether a process is training into a folder of state."""
    path = folder / _LOCK
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        # Where nothing can be written nothing is trained.
        return False
