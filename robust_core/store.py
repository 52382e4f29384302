"""The result store: every attack result is on disk the moment it exists, so a killed run goes on where it stopped.

One SQLite file in `runs/` (or the folder named by the environment variable ROBUST_RUNS) serves any number of threads
and processes. What is worth showing outside is exported to `results/`, one small JSON file a claim.
"""

import contextlib
import json
import secrets
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from robust_core.errors import BadInput, quote
from robust_core.files import check_path, describe_failure
from robust_core.paths import runs_folder
from robust_core.records import read_result, to_result_record, write_canonical, write_compact
from robust_core.runs import Run
from robust_core.types import AttackResult

FILE = "results.sqlite"
MAX_DOCUMENT = 2_000_000
# 3: a run may say what else it rests on; 4: pseudo-perplexities stand among the comparisons. Earlier versions cannot
# read these.
_SCHEMA = 4
_WAIT = 30.0
_TABLES = (
    "CREATE TABLE IF NOT EXISTS runs(id TEXT PRIMARY KEY, record TEXT NOT NULL,"
    " created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE IF NOT EXISTS results(number INTEGER PRIMARY KEY, run TEXT NOT NULL REFERENCES runs(id),"
    " uid TEXT NOT NULL, victim TEXT NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL, UNIQUE(run, uid, victim))",
    "CREATE TABLE IF NOT EXISTS comparisons(run TEXT NOT NULL REFERENCES runs(id), method TEXT NOT NULL,"
    " uid TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY(run, method, uid))",
    "CREATE TABLE IF NOT EXISTS views(token TEXT PRIMARY KEY, document TEXT NOT NULL,"
    " created TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
)


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly, so that one of a finished thread goes with the thread."""


class ResultStore:
    """Runs, their results and the views behind permalinks, in one SQLite file (write-ahead log).

    Each append is committed before it returns: a process that is killed loses at most the result in flight. Every
    thread has a connection of its own; writers wait for each other.

    Args:
        folder: Folder of the file, made if needed; the folder of runs by default.
        wait: Most seconds to wait while another process is writing.

    Raises:
        BadInput: The folder cannot be written or the file is damaged; it is left as it is.
    """

    def __init__(self, folder: str | Path | None = None, wait: float = _WAIT) -> None:
        self._wait = wait
        self.folder = check_path(folder, "folder of runs") if folder is not None else runs_folder()
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._lock = threading.Lock()
        with self._connection():
            pass

    def open_run(self, run: Run) -> str:
        """Enter a run, unless it is there already, and return its id."""
        with self._connection() as db:
            db.execute("INSERT OR IGNORE INTO runs(id, record) VALUES (?, ?)", (run.id, write_compact(run.record)))
        return run.id

    def append(self, run_id: str, result: AttackResult) -> None:
        """Store a result at once.

        A pair of example and victim has one result in a run. The first stays, unless it was stopped before its end.
        """
        row = (run_id, result.example.uid, result.victim, result.status, write_compact(to_result_record(result)))
        with self._connection() as db:
            db.execute("INSERT INTO results(run, uid, victim, status, record) VALUES (?, ?, ?, ?, ?)"
                       " ON CONFLICT(run, uid, victim) DO UPDATE SET status = excluded.status,"
                       " record = excluded.record WHERE results.status = 'stopped'", row)

    def results(self, run_id: str) -> list[AttackResult]:
        """Return the results of a run, each exactly as it was appended, in the order of their first appearance."""
        return list(self.each(run_id))

    def each(self, run_id: str, uids: Sequence[str] | None = None) -> Iterator[AttackResult]:
        """Yield what `results` returns, one at a time, so that a long run need not fit into memory.

        Args:
            run_id: The run.
            uids: The examples whose results are wanted, some hundreds at most; all by default.
        """
        query, asked = _among("SELECT record FROM results WHERE run = ?", run_id, uids)
        with self._connection() as db:
            for record, in db.execute(f"{query} ORDER BY number", asked):
                yield read_result(json.loads(record))

    def compare(self, run_id: str, method: Mapping[str, Any], uid: str, record: Mapping[str, Any]) -> None:
        """Store at once how a result's two texts compare, such as their explanations; the first record stays.

        Args:
            run_id: The run of the attack.
            method: Record of the explainer, or of what else compares them (`evaluation.fluency`).
            uid: The example.
            record: Plain data.
        """
        row = (run_id, write_canonical(method), uid, write_compact(record))
        with self._connection() as db:
            db.execute("INSERT OR IGNORE INTO comparisons(run, method, uid, record) VALUES (?, ?, ?, ?)", row)

    def comparisons(self, run_id: str, method: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return what `compare` stored for a run and an explainer, by example uid."""
        with self._connection() as db:
            query = "SELECT uid, record FROM comparisons WHERE run = ? AND method = ?"
            return {uid: json.loads(record) for uid, record in db.execute(query, (run_id, write_canonical(method)))}

    def compared(self, run_id: str, method: Mapping[str, Any], uids: Sequence[str]) -> set[str]:
        """Return which of some examples, some hundreds at most, `comparisons` has."""
        query = f"SELECT uid FROM comparisons WHERE run = ? AND method = ? AND uid IN ({','.join('?' * len(uids))})"
        with self._connection() as db:
            return {uid for uid, in db.execute(query, (run_id, write_canonical(method), *uids))}

    def explained(self) -> list[tuple[str, dict[str, Any], int]]:
        """Return (run id, record of the explainer, comparisons) for all that `compare` stored, the newest run first."""
        with self._connection() as db:
            query = ("SELECT run, method, COUNT(*) FROM comparisons JOIN runs ON runs.id = run GROUP BY run, method"
                     " ORDER BY runs.rowid DESC, method")
            return [(run, json.loads(method), count) for run, method, count in db.execute(query)]

    def runs_with(self, phrase: str) -> set[str]:
        """Return the ids of the runs that have a phrase in a text, before or after the attack; case does not count."""
        wanted = phrase.lower()
        # A record is ASCII, with other characters as escapes, and may hold NaN, which SQLite's own JSON refuses: ASCII
        # phrases are looked for in the raw record first, which spares reading most of them.
        raw = json.dumps(wanted)[1:-1] if wanted.isascii() else ""
        query = "SELECT record FROM results WHERE run = ? AND instr(lower(record), ?)"
        found = set()
        with self._connection() as db:
            for run, in db.execute("SELECT id FROM runs").fetchall():
                records = (json.loads(record) for record, in db.execute(query, (run, raw)))
                if any(wanted in text.lower() for record in records
                       for text in (record["example"]["text"], record["perturbed"])):
                    found.add(run)
        return found

    def started(self) -> dict[str, str]:
        """Return when each run was entered, by id: date and time in UTC, the newest run first."""
        with self._connection() as db:
            return dict(db.execute("SELECT id, created FROM runs ORDER BY rowid DESC"))

    def drop_run(self, run_id: str) -> int:
        """Remove a run with all its results and comparisons; return how many results that were.

        A process that is still working on it is refused from then on, in one plain line.
        """
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                db.execute("DELETE FROM comparisons WHERE run = ?", (run_id,))
                gone = db.execute("DELETE FROM results WHERE run = ?", (run_id,)).rowcount
                db.execute("DELETE FROM runs WHERE id = ?", (run_id,))
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return gone

    def done(self, run_id: str, uids: Sequence[str] | None = None) -> set[tuple[str, str]]:
        """Return the pairs (example uid, victim id) that need no further work; stopped ones do.

        Args:
            run_id: The run.
            uids: The examples to look for, some hundreds at most; all by default.
        """
        query, asked = _among("SELECT uid, victim FROM results WHERE status != 'stopped' AND run = ?", run_id, uids)
        with self._connection() as db:
            return set(db.execute(query, asked))

    def runs(self) -> dict[str, Run]:
        """Return all runs by id, the newest first."""
        with self._connection() as db:
            rows = db.execute("SELECT id, record FROM runs ORDER BY rowid DESC").fetchall()
            return {run_id: Run(**json.loads(record)) for run_id, record in rows}

    def count_statuses(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return how many results of each status the runs have: by run, the newest first, then by victim."""
        query = ("SELECT run, victim, status, COUNT(*) FROM results JOIN runs ON runs.id = run"
                 " GROUP BY run, victim, status ORDER BY runs.rowid DESC")
        found: dict[str, dict[str, dict[str, int]]] = {}
        with self._connection() as db:
            for run, victim, status, count in db.execute(query):
                found.setdefault(run, {}).setdefault(victim, {})[status] = count
        return found

    def put(self, document: Mapping[str, Any]) -> str:
        """Store a JSON document, such as a view of the app, and return the random token that finds it again.

        Raises:
            BadInput: It is longer than two million characters.
        """
        text, token = write_compact(document), secrets.token_urlsafe(12)
        if len(text) > MAX_DOCUMENT:
            raise BadInput("This view is too large to be stored under a link; download it instead.")
        with self._connection() as db:
            db.execute("INSERT INTO views(token, document) VALUES (?, ?)", (token, text))
        return token

    def get(self, token: str) -> dict[str, Any]:
        """Return the document behind a token.

        Raises:
            BadInput: No document has it.
        """
        with self._connection() as db:
            # A token comes from an address that anybody may have typed.
            if not isinstance(token, str):
                raise BadInput("This link leads nowhere: its token is no text.")
            asked = (token.encode("ascii", "replace").decode(),)
            row = db.execute("SELECT document FROM views WHERE token = ?", asked).fetchone()
            if row is None:
                raise BadInput("This link leads nowhere: what it showed is not stored here.")
            return json.loads(row[0])

    def views(self) -> dict[str, str]:
        """Return when each view was stored, by token: date and time in UTC, the newest first."""
        with self._connection() as db:
            return dict(db.execute("SELECT token, created FROM views ORDER BY rowid DESC"))

    def drop_view(self, token: str) -> None:
        """Remove a view: links to it lead nowhere from then on."""
        with self._connection() as db:
            db.execute("DELETE FROM views WHERE token = ?", (token,))

    def close(self) -> None:
        """Close the connections of all threads; the store opens new ones when it is used again."""
        with self._lock:
            for connection in list(self._open):
                connection.close()
            self._open.clear()
            self._local = threading.local()

    @contextlib.contextmanager
    def _connection(self) -> Iterator[_Connection]:
        """Lend this thread's connection; what goes wrong with the folder or the file becomes one plain line."""
        try:
            if not hasattr(self._local, "connection"):
                self._local.connection = self._connect()
            yield self._local.connection
        except sqlite3.IntegrityError as error:
            if "FOREIGN KEY" not in str(error):
                raise
            raise BadInput("This run was removed from the history meanwhile; start it again.") from None
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.OperationalError as error:
            raise BadInput(f"The folder of runs {quote(str(self.folder))} cannot be used: {_describe_trouble(error)}"
                           ) from None
        except (sqlite3.DatabaseError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise BadInput(f"The file {FILE} in {quote(str(self.folder))} is damaged ({error}); it is left untouched. "
                           "Move it away or set ROBUST_RUNS to another folder.") from None

    def _connect(self) -> _Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"The folder of runs {quote(str(self.folder))} cannot be made: {describe_failure(error)}. "
                           "Set ROBUST_RUNS to a folder that can be written.") from None
        # Other threads only ever close it, in `close`.
        connection = sqlite3.connect(self.folder / FILE, timeout=self._wait, isolation_level=None,
                                     check_same_thread=False, factory=_Connection)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        with self._lock:
            self._open.add(connection)
        return connection

    def _prepare(self, connection: _Connection) -> None:
        until = time.monotonic() + self._wait
        while True:
            # Two processes that make the file at the same moment: this change is the one that does not wait by itself.
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
        # The log reaches the disk at checkpoints: a killed process loses nothing, a power cut perhaps the last second.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > _SCHEMA:
            raise BadInput(f"The file {FILE} in {quote(str(self.folder))} was written by a newer version of this "
                           "project; update, or set ROBUST_RUNS to another folder.")
        if version < _SCHEMA:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_SCHEMA}")
            connection.execute("COMMIT")


def _describe_trouble(error: sqlite3.OperationalError) -> str:
    """Return what is wrong with the file of results, and what to do."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program is writing into it. Nothing stored is lost; try again when that has ended."
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full. Free some space, then go on; nothing stored is lost."
    return f"{error}. Set ROBUST_RUNS to a folder that can be written."


def _among(query: str, run_id: str, uids: Sequence[str] | None) -> tuple[str, list[str]]:
    """Return a query about a run with its values, of some examples only where they are named."""
    if uids is None:
        return query, [run_id]
    return f"{query} AND uid IN ({','.join('?' * len(uids))})", [run_id, *uids]


