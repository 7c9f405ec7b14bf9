"""The database of recorded runs, by SQLite.

A run that finds the database locked for a second is set aside in a file of its own (set_aside.py): among a hundred runs
that end together on a busy machine some wait in vain. Whoever opens the history next takes it in.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import ScoperunError
from scoperun.history import database, leftovers, set_aside
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scoperun.history.query import Selection
    from scoperun.history.set_aside import Aside

_LARGEST = 2**63 - 1
"""The largest integer of SQLite."""

_COLUMNS = "key, name, ended, report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A run in the history.

    key: no other run ever has it. name: what it was recorded as. ended: when, in seconds since the epoch.
    report: its JSON.
    """

    key: str
    name: str
    ended: float
    report: str


class Store:
    """An open history. Its methods raise sqlite3.Error, which `opened` turns into ScoperunError."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take a connection, in which each statement is a transaction of its own."""
        self._connection = connection

    def wait_at_most(self, seconds: float) -> None:
        """Change how long a lock of another process is waited for."""
        self._connection.execute(f"PRAGMA busy_timeout = {max(0, round(seconds * 1000))}")

    def add(self, *runs: Aside) -> None:
        """Add runs that are not in it yet, and remove older runs of their names that are not to be kept."""
        with database.transaction(self._connection) as execute:
            for run in runs:
                execute(
                    "INSERT OR IGNORE INTO run (key, name, ended, verdict, manager, unit, report) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (run.key, run.name, run.ended, run.verdict, run.manager, run.unit, run.report),
                )
                _prune(execute, run)

    def names(self, selection: Selection | None = None) -> list[str]:
        """Return the names of the selected runs, by default of all, sorted; `last` does not matter for them."""
        condition, values = ("1", ()) if selection is None else selection.where()
        rows = self._connection.execute(
            f"SELECT DISTINCT name FROM run WHERE {condition} ORDER BY name",  # noqa: S608  the values are not in it
            values,
        )
        return [name for (name,) in rows]

    def runs(self, selection: Selection) -> list[Recorded]:
        """Return the selected runs, the last one last."""
        condition, values = selection.where()
        order = "ORDER BY ended DESC, id DESC LIMIT ?"
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM run WHERE {condition} {order}",  # noqa: S608  the values are not in it
            (*values, _LARGEST if selection.last is None else min(selection.last, _LARGEST)),
        )
        return [_recorded(row) for row in rows][::-1]

    def delete(self, runs: Sequence[Recorded]) -> int:
        """Remove runs, and what their bytes in the files were; return how many were still there.

        They stay in the write-ahead log while another process reads it.
        """
        self._connection.execute("PRAGMA secure_delete = ON")
        with database.transaction(self._connection) as execute:
            deleted: int = sum(execute("DELETE FROM run WHERE key = ?", (run.key,)).rowcount for run in runs)
        self._connection.executescript("PRAGMA incremental_vacuum")  # execute() stops after the first page
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
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


def _prune(execute: Callable[..., object], run: Aside) -> None:
    """Remove older runs of the name, never the run itself.

    The last ones are those that were added last: a clock that was wrong must not make an earlier run later than all
    that follow.
    """
    older = "DELETE FROM run WHERE name = ? AND key != ?"
    if run.keep_for is not None:
        execute(f"{older} AND ended < ?", (run.name, run.key, run.ended - run.keep_for))
    if run.keep is not None:
        last = "SELECT id FROM run WHERE name = ? AND key != ? ORDER BY id DESC LIMIT ?"
        words = (run.name, run.key, run.name, run.key, min(run.keep, _LARGEST) - 1)
        execute(f"{older} AND id NOT IN ({last})", words)


def _recorded(row: Sequence[Any]) -> Recorded:
    return Recorded(key=row[0], name=row[1], ended=row[2], report=row[3])


def add(folder: int, run: Aside) -> None:
    """Add a run to the history in a folder, and remove older runs of its name that are not to be kept.

    folder: a descriptor, which can be O_PATH. If the history is locked, the run is set aside. Raises ScoperunError.
    """
    deadline = time.monotonic() + database.PATIENCE
    try:
        with opened(folder, create=True) as store:
            assert store is not None  # noqa: S101  it was to be created
            store.wait_at_most(deadline - time.monotonic())
            store.add(run)
            store.wait_at_most(0)
            _take_in(folder, store)
    except _Locked:
        try:
            set_aside.put(folder, run)
        except OSError as error:
            raise ScoperunError(error.strerror or str(error)) from None


class _Locked(ScoperunError):
    """Another process has kept the database locked."""


@contextmanager
def opened(folder: int, *, create: bool) -> Iterator[Store | None]:
    """Open the history in a folder; yield None if there is none and it is not to be created.

    Without `create`, what was set aside is taken in first; with it, what killed processes have left is removed.
    folder: a descriptor, which can be O_PATH.
    Raises ScoperunError, also for what SQLite raises in the body: one line without the file's name.
    """
    try:
        if not database.is_there(folder):
            if not create:
                yield None
                return
            database.make(folder)
        if create:
            leftovers.remove(folder)
        with closing(database.connected(folder, database.FILE)) as connection:
            if not database.is_ready(connection, create=create):
                yield None
                return
            store = Store(connection)
            if not create:
                _take_in(folder, store)
            yield store
    except sqlite3.Error as error:
        if _is_busy(error):
            raise _Locked(f"another process has kept it locked for {database.PATIENCE:g} s") from None
        raise ScoperunError(database.reason(folder, error)) from None
    except OSError as error:
        raise ScoperunError(error.strerror or str(error)) from None
    except UnicodeError:  # SQLite's own text is damaged
        raise ScoperunError("the history is damaged") from None


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def _take_in(folder: int, store: Store) -> None:
    """Add the runs that were set aside.

    If that fails, e.g. because the history is locked or the disk is full, they wait for the next that opens it: the
    caller came for something else.
    """
    with suppress(sqlite3.Error, OSError):
        waiting = set_aside.found(folder)
        if waiting:
            store.add(*waiting.values())
        for name in waiting:
            with suppress(FileNotFoundError):  # another process has taken it in, too
                os.unlink(name, dir_fd=folder)
