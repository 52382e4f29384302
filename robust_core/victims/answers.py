"""What victims have answered, and what that cost: in one SQLite file, so that nothing is asked or paid for twice.

It lies beside the store of results in the folder of runs. Texts are known by their SHA-256 alone. To forget all answers
is to delete the file.
"""

import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from robust_core.errors import BadInput, quote
from robust_core.files import check_path, describe_failure
from robust_core.paths import runs_folder

FILE = "answers.sqlite"
_WAIT = 30.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS answers(victim TEXT NOT NULL, text BLOB NOT NULL, proba BLOB NOT NULL,"
    " PRIMARY KEY(victim, text)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS spent(victim TEXT PRIMARY KEY, calls INTEGER NOT NULL, cost INTEGER NOT NULL)",
)
# How many texts one question to SQLite names.
_AT_ONCE = 500


class Answers:
    """Answers of victims by their fingerprint and the text, each on disk the moment it is there.

    Any number of threads and processes may use the file.

    Args:
        folder: Folder of the file, made if needed; the folder of runs by default.

    Raises:
        BadInput: The folder cannot be written, or the file is damaged.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = check_path(folder, "folder of runs") if folder is not None else runs_folder()
        self._lock = threading.Lock()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"The folder of runs {quote(str(self.folder))} cannot be made: {describe_failure(error)}."
                           ) from None
        with self._explain():
            self._db = sqlite3.connect(self.folder / FILE, timeout=_WAIT, isolation_level=None,
                                       check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            for statement in _TABLES:
                self._db.execute(statement)

    def find(self, victim: str, texts: Sequence[str], classes: int) -> dict[str, np.ndarray]:
        """Return the (classes,) float32 answers that are here already, by text.

        Args:
            victim: Fingerprint of the victim.
            texts: The texts.
            classes: How many probabilities an answer has.
        """
        keys = {_hash(text): text for text in texts}
        every, found = list(keys), {}
        for start in range(0, len(every), _AT_ONCE):
            some = every[start: start + _AT_ONCE]
            query = f"SELECT text, proba FROM answers WHERE victim = ? AND text IN ({','.join('?' * len(some))})"
            with self._lock, self._explain():
                rows = self._db.execute(query, (victim, *some)).fetchall()
            found |= {keys[key]: np.frombuffer(proba, "<f4").astype(np.float32) for key, proba in rows
                      if len(proba) == 4 * classes}
        return found

    def keep(self, victim: str, texts: Sequence[str], proba: np.ndarray) -> None:
        """Store (n, classes) answers to texts; an answer that is here already stays."""
        rows = [(victim, _hash(text), np.ascontiguousarray(row, "<f4").tobytes())
                for text, row in zip(texts, proba, strict=True)]
        with self._lock, self._explain():
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO answers(victim, text, proba) VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")

    def count(self, victim: str) -> int:
        """Return how many answers of a victim are here."""
        with self._lock, self._explain():
            return self._db.execute("SELECT COUNT(*) FROM answers WHERE victim = ?", (victim,)).fetchone()[0]

    def spend(self, victim: str, calls: int, cost: int) -> None:
        """Add to what a victim has cost so far: calls, and billionths of a thousandth of its currency."""
        with self._lock, self._explain():
            self._db.execute("INSERT INTO spent(victim, calls, cost) VALUES (?, ?, ?) ON CONFLICT(victim) DO UPDATE"
                             " SET calls = calls + excluded.calls, cost = cost + excluded.cost", (victim, calls, cost))

    def read_spent(self, victim: str) -> tuple[int, int]:
        """Return what `spend` has added up: calls and cost."""
        with self._lock, self._explain():
            row = self._db.execute("SELECT calls, cost FROM spent WHERE victim = ?", (victim,)).fetchone()
        return (0, 0) if row is None else (row[0], row[1])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @contextlib.contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what SQLite says into one plain line; what was begun is taken back."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise BadInput(f"The file {FILE} in the folder of runs {quote(str(self.folder))} cannot be used: {error}. "
                           "Move it away, free some space, or set ROBUST_RUNS to another folder.") from None


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
