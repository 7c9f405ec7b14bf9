"""The database of recorded runs, by SQLite.

SQLite opens a file by its path, and beside it files with its name and -wal, -shm or -journal. So the caller hands over
a folder in which only root and our user can put files, at a path that only they can change.

The file appears with all its tables in it. Writers then wait for each other only while a row is written.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import ScoperunError
from scoperun.history.file_system import is_local
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scoperun.history.query import Selection
    from scoperun.report.report import Report

FILE = "history.db"
SCHEMA = 1
"""Incremented when an older scoperun could no longer read the tables."""

PATIENCE = 1.0
"""Seconds for which a lock of another process is waited for."""

_OWNERS_ALONE = 0o600
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}
"""Errors of link(2) on file systems without hard links, e.g. vfat."""

_LARGEST = 2**63 - 1
"""The largest integer of SQLite."""

_TABLES = (
    """CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        ended REAL NOT NULL,
        verdict TEXT NOT NULL,
        manager TEXT NOT NULL,
        unit TEXT NOT NULL,
        report TEXT NOT NULL
    )""",
    "CREATE INDEX run_by_name ON run (name, ended)",
    "CREATE INDEX run_by_end ON run (ended)",
    "CREATE INDEX run_by_unit ON run (unit, ended)",
)
"""ended: when the run was recorded, in seconds since the epoch. report: its JSON."""

_COLUMNS = "id, name, ended, report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is kept of a name when a run of it is added; None is no limit.

    runs: the last ones. age: those that ended in the last seconds.
    """

    runs: int | None = None
    age: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run in the history: the name that it was recorded as, when (seconds since the epoch), and its report's JSON."""

    id: int
    name: str
    ended: float
    report: str


class Store:
    """An open history. Its methods raise sqlite3.Error, which `opened` turns into ScoperunError."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, in which each statement is a transaction of its own."""
        self._connection = connection

    def add(self, name: str, report: Report, *, keep: Keep) -> None:
        """Add a run that ends now, and remove older runs of that name that are not to be kept."""
        now = time.time()
        row = (name, now, str(report.verdict), report.manager, report.unit, report.to_json())
        with _transaction(self._connection) as execute:
            execute("INSERT INTO run (name, ended, verdict, manager, unit, report) VALUES (?, ?, ?, ?, ?, ?)", row)
            if keep.age is not None:
                execute("DELETE FROM run WHERE name = ? AND ended < ?", (name, now - keep.age))
            if keep.runs is not None:
                last = "SELECT id FROM run WHERE name = ? ORDER BY ended DESC, id DESC LIMIT ?"
                words = (name, name, min(keep.runs, _LARGEST))
                execute(f"DELETE FROM run WHERE name = ? AND id NOT IN ({last})", words)  # noqa: S608  a constant

    def names(self) -> list[str]:
        """Return the names under which runs are recorded, sorted."""
        return [name for (name,) in self._connection.execute("SELECT DISTINCT name FROM run ORDER BY name")]

    def runs(self, selection: Selection) -> list[Recorded]:
        """Return the selected runs, the last one last."""
        condition, values = selection.where()
        order = "ORDER BY ended DESC, id DESC LIMIT ?"
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM run WHERE {condition} {order}",  # noqa: S608  the values are not in it
            (*values, _LARGEST if selection.last is None else selection.last),
        )
        return [_recorded(row) for row in rows][::-1]

    def delete(self, runs: Sequence[Recorded]) -> int:
        """Remove runs, and what their bytes in the file were; return how many were still there."""
        self._connection.execute("PRAGMA secure_delete = ON")
        with _transaction(self._connection) as execute:
            deleted = sum(execute("DELETE FROM run WHERE id = ?", (run.id,)).rowcount for run in runs)
        self._connection.executescript("PRAGMA incremental_vacuum")  # execute() stops after the first page
        return deleted

    def last_of_unit(self, unit: str, *, manager: str) -> Recorded | None:
        """Return the last run in a scope of this name, of the manager `user` or `system`; None if there is none."""
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM run WHERE unit = ? AND manager = ? ORDER BY ended DESC, id DESC LIMIT 1",  # noqa: S608
            (unit, manager),
        ).fetchone()
        return None if row is None else _recorded(row)

    def units(self, *, manager: str) -> list[str]:
        """Return the names of the scopes of all runs, sorted."""
        rows = self._connection.execute("SELECT DISTINCT unit FROM run WHERE manager = ? ORDER BY unit", (manager,))
        return [unit for (unit,) in rows]


def _recorded(row: Sequence[Any]) -> Recorded:
    return Recorded(id=row[0], name=row[1], ended=row[2], report=row[3])


@contextmanager
def opened(folder: int, *, create: bool) -> Iterator[Store | None]:
    """Open the history in a folder; yield None if there is none and it is not to be created.

    folder: a descriptor, which can be O_PATH.
    Raises ScoperunError, also for what SQLite raises in the body: one line without the file's name.
    """
    try:
        if not _is_there(folder):
            if not create:
                yield None
                return
            _make(folder)
        with closing(_connection(folder, FILE)) as connection:
            yield Store(connection) if _is_ready(connection, create=create) else None
    except sqlite3.Error as error:
        raise ScoperunError(_reason(error)) from None
    except OSError as error:
        raise ScoperunError(error.strerror or str(error)) from None


def _reason(error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
        return f"another process has kept it locked for {PATIENCE:g} s"
    return str(error)


def _is_there(folder: int) -> bool:
    """Tell whether the file exists; others get no access to it. Raises OSError if it is not a regular file."""
    try:
        found = os.open(FILE, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return False
    try:
        mode = os.fstat(found).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if mode & 0o077:
            with suppress(OSError):  # some file systems have no modes, e.g. vfat
                os.chmod(f"/proc/self/fd/{found}", _OWNERS_ALONE)
    finally:
        os.close(found)
    return True


def _make(folder: int) -> None:
    """Make the file appear with its tables in it, unless another process is faster."""
    temporary = f".history-{os.urandom(8).hex()}.tmp"
    _new(folder, temporary)
    try:
        with closing(_connection(folder, temporary)) as connection:
            if is_local(folder):
                connection.execute("PRAGMA journal_mode = WAL")
            _set_up(connection)
        with suppress(FileExistsError):
            _link(folder, temporary)
    finally:
        os.unlink(temporary, dir_fd=folder)


def _link(folder: int, temporary: str) -> None:
    try:
        os.link(temporary, FILE, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _new(folder, FILE)  # for a moment it has no tables: whichever process locks it first makes them


def _new(folder: int, name: str) -> None:
    """Create an empty file for its owner alone, whatever the umask is. Raises FileExistsError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, _OWNERS_ALONE, dir_fd=folder)
    try:
        with suppress(OSError):  # as above
            os.fchmod(fd, _OWNERS_ALONE)
    finally:
        os.close(fd)


def _connection(folder: int, name: str) -> sqlite3.Connection:
    """Open a file that exists; SQLite gives -wal and the other files the same mode."""
    address = f"file:/proc/self/fd/{folder}/{name}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        if name == FILE and not is_local(folder):
            connection.execute("PRAGMA journal_mode = DELETE")  # it could have been moved there
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file; it is noted in the file
        connection.execute("PRAGMA temp_store = MEMORY")  # not where a variable says
        connection.execute("PRAGMA synchronous = NORMAL")  # a power failure can lose the last runs, and no more
    except BaseException:
        connection.close()
        raise
    return connection


def _is_ready(connection: sqlite3.Connection, *, create: bool) -> bool:
    """Tell whether it has our tables, made now if `create`. Raises ScoperunError if a newer scoperun made it."""
    version = _version(connection)
    if version > SCHEMA:
        raise ScoperunError(
            f"a newer scoperun made it: its schema is {version}, and this scoperun reads up to {SCHEMA}"
        )
    if version == 0 and create:
        _set_up(connection)
        return True
    return version > 0


def _set_up(connection: sqlite3.Connection) -> None:
    with _transaction(connection) as execute:
        if _version(connection) == 0:
            for statement in (*_TABLES, f"PRAGMA user_version = {SCHEMA}"):
                execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[Any]:
    """Yield the function that executes statements, all of which happen or none does.

    It is exclusive from its beginning, so that it waits for others once.
    """
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield connection.execute
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
