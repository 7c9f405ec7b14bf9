"""The file of the history: made with its tables in it, and opened by SQLite.

SQLite opens a file by its path, and beside it files with its name and -wal, -shm or -journal. So the caller hands over
a folder in which only root and our user can put files, at a path that only they can change. Folders are descriptors,
which can be O_PATH.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import ScoperunError
from scoperun.history.file_system import is_local

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "history.db"
SCHEMA = 1
"""Incremented when an older scoperun could no longer read the tables."""

PATIENCE = 1.0
"""Seconds for which a lock of another process is waited for."""

_OWNERS_ALONE = 0o600
_LONGEST_PATH = 512
"""Bytes of a path that SQLite takes on Unix (MAX_PATHNAME in os_unix.c)."""

_LONGEST_NAME = ".history-0123456789abcdef.tmp-journal"
"""The file as it is made, with what SQLite adds to every name before it compares."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}
"""Errors of link(2) on file systems without hard links, e.g. vfat."""

_TABLES = (
    """CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL UNIQUE,
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
"""key: so that no run is added twice. ended: when it was recorded, in seconds since the epoch. report: its JSON."""


def is_there(folder: int) -> bool:
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


def make(folder: int) -> None:
    """Make the file appear with its tables in it, unless another process is faster."""
    temporary = f".history-{os.urandom(8).hex()}.tmp"
    _new(folder, temporary)
    try:
        with closing(connected(folder, temporary)) as connection:
            _set_up(connection)
            if is_local(folder):
                connection.execute("PRAGMA journal_mode = WAL")
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


def connected(folder: int, name: str) -> sqlite3.Connection:
    """Open a file that exists; SQLite gives -wal and the other files the same mode."""
    address = f"file:/proc/self/fd/{folder}/{name}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)
    try:
        if name == FILE and not is_local(folder):
            connection.execute("PRAGMA journal_mode = DELETE")  # it could have been moved there
        connection.execute("PRAGMA temp_store = MEMORY")  # not where a variable says
        connection.execute("PRAGMA synchronous = NORMAL")  # a power failure can lose the last runs, and no more
    except BaseException:
        connection.close()
        raise
    return connection


def reason(folder: int, error: sqlite3.Error) -> str:
    """Return what is wrong, in SQLite's words; if it cannot open a file, because of a path of the folder, in ours."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CANTOPEN:
        length = _length_of_path(folder)
        if length is None or length + len(_LONGEST_NAME) > _LONGEST_PATH:
            return f"its path is too long for SQLite{'' if length is None else f': {length + len(FILE)} bytes'}"
    return str(error)


def _length_of_path(folder: int) -> int | None:
    """Return the bytes of the folder's path with a slash; None if it is too long for the kernel to tell."""
    try:
        return len(os.fsencode(os.readlink(f"/proc/self/fd/{folder}"))) + 1
    except OSError:
        return None


def is_ready(connection: sqlite3.Connection, *, create: bool) -> bool:
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
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # it has an effect before there are tables
    with transaction(connection) as execute:
        if _version(connection) == 0:
            for statement in (*_TABLES, f"PRAGMA user_version = {SCHEMA}"):
                execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[Any]:
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
