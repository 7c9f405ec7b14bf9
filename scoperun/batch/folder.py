"""The folder of a batch: its database, the lock of its runner, and what its jobs print.

Only root and our user can change what is in it, because SQLite opens its files by their paths. It is on a file system
of this machine, because a database in WAL mode is shared memory.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import sqlite3
import stat
import struct
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.console.folders import remove_empty_folder
from scoperun.console.paths import Trusted, others_write
from scoperun.console.state_folder import trusted_folder
from scoperun.errors import InvalidValue, ScoperunError
from scoperun.history.file_system import is_local
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DATABASE = "batch.db"
_LOCK = "lock"
_OUTPUT = "output"
_BESIDE = (f"{_DATABASE}-wal", f"{_DATABASE}-shm")
"""Files that SQLite makes beside the database whenever it opens it."""

_OWNERS_ALONE = 0o600
_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock: type, whence, start, length, PID."""

WAKE = signal.SIGUSR1
"""Sent to a runner if another terminal has written into the database what it wants."""

_PATIENCE = 5.0
"""Seconds for which a lock of another process on the database is waited for, e.g. of `scopectl batch status`."""


class NoBatch(InvalidValue):
    """There is no batch in a folder: none was begun there, or it is not made yet, or was removed."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder of a batch. path: as the user gave it. fd: a descriptor of it (O_PATH).

    made: the folders that were made for it, the innermost first, and so it itself.
    """

    path: str
    fd: int
    made: tuple[str, ...] = ()

    @contextmanager
    def locked(self, *, is_new: bool = False) -> Iterator[None]:
        """Be its only runner for the length of the context. Raises ScoperunError if another process is.

        is_new: for a new batch, for which nothing may be in the folder: what it leaves is removed by name.

        The lock is the process's own: it ends with it, and a child that outlives it has none of it (fcntl_locking(2)).
        """
        try:
            if is_new:
                self._see_that_it_is_empty()
            lock = self._new(_LOCK)
        except OSError as error:
            raise ScoperunError(f"cannot use {self.path}: {error.strerror}") from None
        try:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._busy() from None
            if is_new and len(self._entries()) > 1:  # of a runner that was faster, and has ended
                raise self._not_empty()
            yield
        finally:
            os.close(lock)

    def runner(self) -> int | None:
        """Return the PID of the process that runs the batch, None if none does; 0 for one in another PID namespace."""
        try:
            lock = os.open(_LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        try:
            asked = fcntl.fcntl(lock, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        finally:
            os.close(lock)
        kind, _, _, _, pid = _FLOCK.unpack(asked)
        return None if kind == fcntl.F_UNLCK else max(0, pid)

    def wake(self, *, goes_on: bool = False) -> bool:
        """Have its runner look into the database for what is wanted; tell whether there is a runner.

        goes_on: also if it is stopped, e.g. by Ctrl-Z; otherwise it looks when it goes on.
        Raises ScoperunError if there is one that cannot be signalled.
        """
        while (pid := self.runner()) is not None:
            try:
                pidfd = os.pidfd_open(pid) if pid else None
            except ProcessLookupError:
                continue
            if pidfd is None:
                raise ScoperunError(f"{self.path}: its runner is in another PID namespace")
            try:
                if self.runner() == pid:  # the descriptor is that of the process with the lock
                    signal.pidfd_send_signal(pidfd, WAKE)
                    if goes_on:
                        signal.pidfd_send_signal(pidfd, signal.SIGCONT)
                    return True
            except ProcessLookupError:
                continue
            finally:
                os.close(pidfd)
        return False

    @contextmanager
    def database(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Open the database, in which each statement is a transaction of its own. Raises ScoperunError.

        create: make an empty one if it is missing; otherwise NoBatch is raised then.
        """
        try:
            if create:
                os.close(self._new(_DATABASE))
            self._see_database()
        except OSError as error:
            if not create and isinstance(error, FileNotFoundError):
                raise self.no_batch() from None
            verb = "create" if create else "use"
            raise ScoperunError(f"cannot {verb} {self.path}/{_DATABASE}: {error.strerror}") from None
        try:
            with closing(self._connected(is_new=create)) as connection:
                yield connection
        except sqlite3.Error as error:
            if not self._has_database():
                raise self.no_batch() from None
            raise ScoperunError(f"cannot use {self.path}/{_DATABASE}: {error}") from None
        finally:
            if self.made and not self._has_database():
                self._remove_files(_BESIDE)  # they can have been made after all others were removed

    def no_batch(self) -> NoBatch:
        """Return the error for a folder without a batch."""
        return NoBatch(f"{self.path}: there is no batch in it")

    @contextmanager
    def output(self) -> Iterator[int]:
        """Yield a descriptor of the folder for what jobs print. Raises ScoperunError."""
        try:
            with suppress(FileExistsError):
                os.mkdir(_OUTPUT, 0o700, dir_fd=self.fd)
            fd = os.open(_OUTPUT, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError as error:
            raise ScoperunError(f"cannot use {self.path}/{_OUTPUT}: {error.strerror}") from None
        try:
            yield fd
        finally:
            os.close(fd)

    def _busy(self) -> ScoperunError:
        return ScoperunError(f"{self.path}: another process runs this batch", hint="scopectl batch status shows it")

    def _see_that_it_is_empty(self) -> None:
        """Raise ScoperunError if anything is in it, whatever its name: only a batch that is resumed may find files."""
        found = self._entries()
        if _LOCK in found and self.runner() is not None:
            raise self._busy()
        if found:
            raise self._not_empty()

    def _entries(self) -> list[str]:
        return sorted(os.listdir(f"/proc/self/fd/{self.fd}"))

    def _not_empty(self) -> InvalidValue:
        found = self._entries()
        if {_LOCK, _DATABASE} <= {*found}:
            hint = "--resume goes on with it; if there were no jobs in it yet, remove the folder"
            return InvalidValue(f"{self.path}: there is a batch in it", hint=hint)
        hint = "--state DIR is a new or empty folder"
        return InvalidValue(f"{self.path} has other files in it, e.g. {found[0]!r}", hint=hint)

    def _see_database(self) -> None:
        """Raise OSError if another user could have written the database: it says what is executed."""
        found = os.open(_DATABASE, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        try:
            status, folder = os.fstat(found), os.fstat(self.fd)
        finally:
            os.close(found)
        trusted = Trusted.here()
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        if not trusted.own(status, folder):
            raise PermissionError(errno.EACCES, f"it {trusted.doubt(status)}")
        if others_write(status):
            raise PermissionError(errno.EACCES, "it is writable by others")

    def remove(self) -> None:
        """Remove what a batch has put into it, and the folders that were made for it if nothing else is in them."""
        with suppress(OSError):
            shutil.rmtree(_OUTPUT, dir_fd=self.fd)
        self._remove_files((_DATABASE, *_BESIDE, _LOCK))

    def _remove_files(self, names: Iterable[str]) -> None:
        """Remove files, and the folder if nothing else is there and it is not the user's."""
        for name in names:
            with suppress(OSError):
                os.unlink(name, dir_fd=self.fd)
        _remove_empty(self.made)

    def _has_database(self) -> bool:
        try:
            os.stat(_DATABASE, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        except OSError:
            pass
        return True

    def _connected(self, *, is_new: bool) -> sqlite3.Connection:
        address = f"file:/proc/self/fd/{self.fd}/{_DATABASE}?mode=rw"
        connection = sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)
        try:
            connection.execute("PRAGMA temp_store = MEMORY")  # not where a variable says
            if is_new:  # the file keeps it; `status` that did it too would lock out the runner that makes the tables
                connection.execute("PRAGMA journal_mode = WAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _new(self, name: str) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, _OWNERS_ALONE, dir_fd=self.fd)


@contextmanager
def opened(path: str, *, create: bool = False, is_usual: bool = False) -> Iterator[Folder]:
    """Open the folder of a batch. Raises NoBatch if it is missing, another ScoperunError if it cannot be used.

    create: make it, and those above it that are missing; what was made and is still empty at the end is removed.
    is_usual: it is in a place of ours, whichever process made it, and the folders above it stay.
    """
    path = os.path.abspath(path)
    made = (path,) if is_usual else tuple(_missing(path)) if create else ()
    with ExitStack() as stack:
        if create:
            stack.callback(_remove_empty, made)
        fd = _opened(path, create=create)
        stack.callback(os.close, fd)
        if not is_local(fd):
            raise ScoperunError(
                f"{path} is on a file system that could be a network's, where a database can be lost",
                hint="--state DIR on a disk of this machine",
            )
        yield Folder(path, fd, made)


def _missing(path: str) -> Iterator[str]:
    """Yield a path and those above it that do not exist."""
    while not os.path.lexists(path):
        yield path
        path = os.path.dirname(path)


def _remove_empty(paths: Iterable[str]) -> None:
    for path in paths:
        remove_empty_folder(path)


def _opened(path: str, *, create: bool) -> int:
    try:
        fd = trusted_folder(path, create=create)
    except OSError as error:
        raise ScoperunError(f"cannot use {path}: {error.strerror}") from None
    if fd is None:
        raise NoBatch(f"{path}: {os.strerror(errno.ENOENT)}")
    return fd
