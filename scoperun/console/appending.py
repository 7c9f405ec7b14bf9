"""A file that several processes add lines to at the same time, opened before the command starts.

A line is one write(2) to a file that was opened with O_APPEND, so that lines of several writers do not mix. The kernel
promises that for local file systems; NFS has no such promise (open(2)).
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from scoperun.console.paths import Trusted, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.console.paths import Place

_OWNERS_ALONE = 0o600
"""The mode of a new file: only its owner reads it, because it has command lines in it."""

_ATTEMPTS = 100
"""How often a file can appear and disappear again while it is opened before that is an error."""

_PATIENCE = 5.0
"""Seconds for which a lock of another program is waited for."""

_MOMENT = 0.05
"""Seconds for which a line of ours is not written to its end."""

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}
"""Errors of link(2) on file systems without hard links, e.g. vfat."""


class Appended:
    """A regular file to which whole lines are added; the caller closes it.

    A link is followed if it belongs to root or to our user, and so must the file. It is held open: a file that is
    renamed meanwhile, as logrotate(8) does it, gets the line under its new name. So is its folder: a file that is
    removed meanwhile is begun anew there, or at its path if the folder was removed too.
    """

    def __init__(self, path: str, *, header: str) -> None:
        """Open the file; a new or empty one begins with `header`. Raises OSError if lines cannot be added to it."""
        self._path = path
        self._header = header.encode()
        self._place = walk(path, Trusted.here())
        try:
            self._place.release_entry()
            self._fd = _opened(self._place, self._header)
        except BaseException:
            self._place.close()
            raise

    def append(self, line: str) -> None:
        """Add a line, which ends with a newline. Raises OSError if not all of it could be written."""
        if os.fstat(self._fd).st_nlink == 0:  # it was removed, and the line would be lost with it
            fd = self._opened_anew()
            os.close(self._fd)
            self._fd = fd
        if _missing(self._fd, self._header):
            with _locked(self._fd):
                _write(self._fd, _missing(self._fd, self._header) + line.encode())
        else:
            _write(self._fd, line.encode())

    def _opened_anew(self) -> int:
        with suppress(FileNotFoundError):
            return _opened(self._place, self._header)
        place = walk(self._path, Trusted.here())  # its folder was removed too, and is there again
        self._place.close()
        self._place = place
        self._place.release_entry()
        return _opened(self._place, self._header)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)
        self._place.close()

    def __enter__(self) -> Self:
        """Return the file; the end of the with statement closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def _opened(place: Place, header: bytes) -> int:
    """Open or make the file. Raises OSError, also for a link, which has taken the place since links were followed."""
    for _ in range(_ATTEMPTS):
        try:
            entry = os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.folder)
        except FileNotFoundError:
            with suppress(FileExistsError):  # another writer has created it just now
                return _created(place, header)
            continue
        try:
            return _existing(entry, os.fstat(place.folder))
        finally:
            os.close(entry)
    raise FileExistsError(errno.EEXIST, "it appears and disappears again and again")


def _existing(entry: int, folder: os.stat_result) -> int:
    """Open a file that exists, by a descriptor of it (O_PATH).

    Raises OSError if it is not a regular file, or another user could have put it into its folder.
    """
    trusted, status = Trusted.here(), os.fstat(entry)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if not trusted.own(status, folder):
        raise PermissionError(errno.EACCES, f"it {trusted.doubt(status)}")
    if status.st_nlink > 1 and not trusted.keep(folder):
        # Without fs.protected_hardlinks any user can give one of our files another name there.
        raise PermissionError(errno.EACCES, f"it {trusted.doubt(status)}")
    return os.open(f"/proc/self/fd/{entry}", os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _created(place: Place, header: bytes) -> int:
    """Make the file appear with its header in it. Raises FileExistsError if it exists by now."""
    temporary = f".scoperun-{os.urandom(8).hex()}.tmp"
    fd = _new(place, temporary, header)
    try:
        os.link(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder, follow_symlinks=False)
    except OSError as error:
        os.close(fd)
        if error.errno not in _NO_LINKS:
            raise
        return _new(place, place.name, header)  # for a moment it has no header
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place.folder)
    return fd


def _new(place: Place, name: str, header: bytes) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, _OWNERS_ALONE, dir_fd=place.folder)
    try:
        with suppress(OSError):  # some file systems have no modes, e.g. vfat
            os.fchmod(fd, _OWNERS_ALONE)  # whatever the umask is
        with _locked(fd):
            _write(fd, _missing(fd, header))
    except BaseException:
        os.close(fd)
        os.unlink(name, dir_fd=place.folder)
        raise
    return fd


def _missing(fd: int, header: bytes) -> bytes:
    """Return what is missing before a line: in an empty file the header, else the end of another program's line."""
    size = os.fstat(fd).st_size
    if size == 0:
        return header
    if not _is_open_line(fd):
        return b""
    # Another run might be writing it: a long line is seen page by page. So it is waited for a moment.
    time.sleep(_MOMENT)
    return b"\n" if os.fstat(fd).st_size == size and _is_open_line(fd) else b""


def _is_open_line(fd: int) -> bool:
    """Tell whether the last line of a file that is not empty does not end."""
    try:
        with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) not in {b"\n", b""}
    except OSError:  # we may only write to it
        return False


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    """Keep other runs of ours from writing the header meanwhile; a lock of another program is not waited for long."""
    import fcntl  # noqa: PLC0415  rarely needed

    from scoperun.console.locks import is_locked  # noqa: PLC0415  as above

    is_locked(fd, within=_PATIENCE)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _write(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    if written < len(data):
        _take_back(fd, written)
        raise OSError(errno.ENOSPC, "only a part of the line could be written")


def _take_back(fd: int, written: int) -> None:
    """Remove what was just written, unless another writer has added to it: the next line would continue it."""
    end = os.lseek(fd, 0, os.SEEK_CUR)
    if os.fstat(fd).st_size == end:
        os.ftruncate(fd, end - written)
