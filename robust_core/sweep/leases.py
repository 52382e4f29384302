"""Leases: two sweeps on one store share the work, and do nothing twice.

A row says which process works on a pair. It counts as long as that process holds the lock on its own file, which goes
with the process however that ends.
"""

import contextlib
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from robust_core.errors import BadInput, quote
from robust_core.files import explain_failures

FILE, _FOLDER = "leases.sqlite", "leases"
_TABLE = ("CREATE TABLE IF NOT EXISTS leases(place TEXT NOT NULL, uid TEXT NOT NULL, owner TEXT NOT NULL,"
          " PRIMARY KEY(place, uid))")
_WAIT = 30.0


class Leases:
    """The leases of one process in a folder of runs.

    Args:
        folder: Folder of the store; made if needed. It must lie on this machine, as the store's own file must.

    Raises:
        BadInput: It cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._owner = folder, secrets.token_hex(8)
        with explain_failures(folder, "written"):
            (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(self._path(self._owner))
            self._lock.acquire(timeout=_WAIT)
        with self._explain():
            self._db = sqlite3.connect(folder / FILE, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            self._db.execute(_TABLE)

    def claim(self, place: str, uids: Sequence[str]) -> set[str]:
        """Take those pairs that no living process has, and return them; those this process has are among them.

        Args:
            place: What the pairs belong to (`Shard.place`).
            uids: Names of examples, some hundreds at most.
        """
        marks = ",".join("?" * len(uids))
        with self._change():
            query = f"SELECT DISTINCT owner FROM leases WHERE place = ? AND uid IN ({marks})"
            for owner, in self._db.execute(query, (place, *uids)).fetchall():
                if owner != self._owner and not self._is_alive(owner):
                    self._db.execute("DELETE FROM leases WHERE owner = ?", (owner,))
            self._db.executemany("INSERT OR IGNORE INTO leases(place, uid, owner) VALUES (?, ?, ?)",
                                 [(place, uid, self._owner) for uid in uids])
            query = f"SELECT uid FROM leases WHERE place = ? AND owner = ? AND uid IN ({marks})"
            return {uid for uid, in self._db.execute(query, (place, self._owner, *uids))}

    def release(self, place: str, uids: Iterable[str]) -> None:
        """Give pairs back."""
        with self._change():
            self._db.executemany("DELETE FROM leases WHERE place = ? AND uid = ? AND owner = ?",
                                 [(place, uid, self._owner) for uid in uids])

    def close(self) -> None:
        """Give everything back."""
        with contextlib.suppress(BadInput), self._change():
            self._db.execute("DELETE FROM leases WHERE owner = ?", (self._owner,))
        self._db.close()
        self._lock.release()
        self._path(self._owner).unlink(missing_ok=True)

    def _path(self, owner: str) -> Path:
        return self._folder / _FOLDER / f"{owner}.lock"

    def _is_alive(self, owner: str) -> bool:
        path = self._path(owner)
        if not path.exists():
            return False
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return True
        path.unlink(missing_ok=True)
        return False

    @contextlib.contextmanager
    def _change(self) -> Iterator[None]:
        with self._explain():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def _explain(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise BadInput(f"The file {FILE} in {quote(str(self._folder))} cannot be used: {error}. Nothing stored is "
                           "lost; it may be deleted while no sweep runs.") from None
