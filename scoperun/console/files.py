"""Files that are written whole or not at all, in the place that was found before the command started.

Every file that this program writes is a Destination. The place is held from then on, because a command that runs as
another user can put links and FIFOs there meanwhile; and what cannot be written is known hours earlier.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from scoperun.console.paths import Place, Trusted, others_write, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

_OWNERS_ALONE = 0o600
"""The mode of a new file: there is a command line in it."""


class Destination:
    """A file that will be written; close it.

    A regular file is replaced, so that its readers see the old text or all of the new. Its mode is kept if it belongs
    to us or to the folder's owner. A link is followed, and a FIFO or a character device written to, if it is root's or
    ours.
    """

    def __init__(self, path: str) -> None:
        """Find the place; raise OSError if nothing could be written there."""
        self._path = path
        self._place = _place(path)

    @property
    def may_wait(self) -> bool:
        """Whether somebody else decides how long writing takes, e.g. the reader of a FIFO."""
        return _is_special(self._place)

    def write(self, text: str) -> None:
        """Write `text`; raise OSError."""
        try:
            _write_to(self._place, text)
        except FileNotFoundError:  # the folder was removed meanwhile: if there is another one, that will do
            place = _place(self._path)
            self._place.close()
            self._place = place
            _write_to(place, text)

    def begin(self) -> int:
        """Put an empty file there, and return a descriptor to write to it bit by bit; raise OSError.

        There is none for a FIFO or a device: a write to those may have to wait for somebody else.
        """
        if self.may_wait:
            raise OSError(errno.EINVAL, "it is a FIFO or a device, which can keep its writer waiting")
        fd = None
        try:
            with _replacing(self._place) as fd:
                pass
        except BaseException:
            if fd is not None:
                os.close(fd)
            raise
        return fd

    def close(self) -> None:
        """Let go of the place."""
        self._place.close()

    def __enter__(self) -> Self:
        """Hold it for the length of a with statement."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()


def _place(path: str) -> Place:
    trusted = Trusted.here()
    place = _found(path, trusted)
    try:
        _check(place, trusted)
    except BaseException:
        place.close()
        raise
    if not _is_special(place):
        place.release_entry()
    return place


def _hold_open(place: Place) -> None:
    """Write to a pipe from now on: its reader leaves when nothing does, and the command might have ended by then."""
    writer = os.open(f"/proc/self/fd/{place.entry}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    place.release_entry()
    place.entry, place.is_open = writer, True
    os.set_blocking(writer, True)


def _found(path: str, trusted: Trusted) -> Place:
    with suppress(FileNotFoundError):
        place = walk(path, trusted)
        if place.status is not None:
            return place
        place.close()
    # A link that leads nowhere is replaced: nobody knows that it would have led to what was meant.
    return walk(path, trusted, follow_last=False)


def _is_special(place: Place) -> bool:
    mode = place.status.st_mode if place.status else 0
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _check(place: Place, trusted: Trusted) -> None:
    """Raise OSError if nothing can be written there, or should not."""
    status, folder = place.status, os.fstat(place.folder)
    if _is_special(place):
        _check_special(place, trusted)
        return
    if status and stat.S_ISDIR(status.st_mode):
        raise _error(errno.EISDIR)
    if status and not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise OSError(errno.EINVAL, "it is a socket or a block device")
    if status and folder.st_mode & stat.S_ISVTX and not {0, status.st_uid, folder.st_uid} & {os.geteuid()}:
        raise _error(errno.EPERM)  # only their owners replace files there, as in /tmp
    if place.entry is not None and _mount(place.entry) != _mount(place.folder):
        raise OSError(errno.EBUSY, "it is a mount point, which no other file can replace")
    _try(place)


def _try(place: Place) -> None:
    """See that a file can be made there: access(2) knows nothing of Landlock, or of root in /proc."""
    try:
        temporary, fd = _temporary(place)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:  # a disk that is full now need not be so at the end
            return
        raise
    os.close(fd)
    os.unlink(temporary, dir_fd=place.folder)


def _check_special(place: Place, trusted: Trusted) -> None:
    assert place.status is not None  # noqa: S101  it is there
    if not trusted.own(place.status, os.fstat(place.folder)):
        raise PermissionError(errno.EACCES, f"it is a FIFO or a device that {trusted.doubt(place.status)}")
    if not os.access(f"/proc/self/fd/{place.entry}", os.W_OK, effective_ids=True):
        raise _error(errno.EACCES)
    if stat.S_ISCHR(place.status.st_mode):
        _try_device(place)
    elif place.is_nameless:
        _hold_open(place)


def _try_device(place: Place) -> None:
    """See that it can be opened: the device itself may be missing, or the terminal that /dev/tty stands for."""
    os.close(os.open(f"/proc/self/fd/{place.entry}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _mount(fd: int) -> str:
    """Return the number of the mount that what is open belongs to; see proc_pid_fdinfo(5)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as file:
        return next(line for line in file if line.startswith("mnt_id:"))


def _write_to(place: Place, text: str) -> None:
    if _is_special(place):
        _write(_opened(place), text)
        return
    with _replacing(place) as fd:
        _write(fd, text)


@contextmanager
def _replacing(place: Place) -> Iterator[int]:
    """Give a new file, which the caller closes; without an error it is put in its place at the end of the context."""
    temporary, fd = _temporary(place)
    try:
        _set_mode(fd, place)
        yield fd
        os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place.folder)
        raise


def _opened(place: Place) -> int:
    """Open a FIFO or a device; this waits for a reader of the FIFO."""
    assert place.entry is not None  # noqa: S101  it is held
    if place.is_open:
        return os.dup(place.entry)
    return os.open(f"/proc/self/fd/{place.entry}", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)


def _temporary(place: Place) -> tuple[str, int]:
    """Make a file beside the one that is meant; return its name and a descriptor."""
    name = f".scoperun-{os.urandom(8).hex()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return name, os.open(name, flags, _OWNERS_ALONE, dir_fd=place.folder)


def _set_mode(fd: int, place: Place) -> None:
    """Give a new file its mode, whatever the umask says, and never to a group that the file before was not for."""
    mode, before = _OWNERS_ALONE, place.status
    if before and _decides(before, os.fstat(place.folder)):
        mode = before.st_mode & 0o666
        if before.st_gid != os.fstat(fd).st_gid:
            try:
                os.fchown(fd, -1, before.st_gid)
            except OSError:
                mode &= ~0o070
    with suppress(OSError):  # a file system may know no modes, as vfat
        os.fchmod(fd, mode)


def _decides(before: os.stat_result, folder: os.stat_result) -> bool:
    """Tell whether the mode of a file is for the one that replaces it.

    In a common folder others may have left it there, be it as a hard link to one of ours that everybody may read.
    """
    is_left = others_write(folder) and before.st_nlink > 1
    return stat.S_ISREG(before.st_mode) and before.st_uid in {os.geteuid(), folder.st_uid} and not is_left


def _write(fd: int, text: str) -> None:
    # Not through a file object: that would write again what was broken off when it is closed, and wait again for it.
    try:
        write_all(fd, text)
    finally:
        os.close(fd)


def write_all(fd: int, text: str) -> None:
    """Write all of `text` to a descriptor; raise OSError."""
    rest = memoryview(text.encode())
    while rest:
        rest = rest[os.write(fd, rest) :]
