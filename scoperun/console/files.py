"""Files that are written whole or not at all, in a place that was opened before the command started.

Every file that this program writes is a Destination. It holds its folder open from the start, because a command that
runs as another user could put links and FIFOs into the path meanwhile. A file that cannot be written is refused before
the command starts, and not hours later.
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
"""The mode of a new file, if no other is asked for: only its owner reads it, because it has a command line in it."""


class Destination:
    """A file that will be written; the caller closes it.

    A regular file is replaced, so that readers see either the old text or the whole new one. Its mode is kept if it
    belongs to our user or to the folder's owner. A link is followed, and a FIFO or a character device written to, if it
    belongs to root or to our user.

    is_written: `write` has written it.
    """

    is_written = False

    def __init__(self, path: str, *, mode: int = _OWNERS_ALONE) -> None:
        """Find the place and check it. Raises OSError if a file could not be written there.

        mode: of a new file.
        """
        self._path = path
        self._mode = mode
        self._place = _place(path)

    @property
    def may_wait(self) -> bool:
        """Whether a write can block: on the reader of a FIFO, or on a device."""
        return _is_special(self._place)

    def write(self, text: str | bytes) -> None:
        """Write `text`, in UTF-8, or bytes, as the whole content of a regular file. Raises OSError."""
        try:
            _write_to(self._place, text, self._mode)
        except FileNotFoundError:  # the folder was removed meanwhile: use a new one at the same path
            place = _place(self._path)
            self._place.close()
            self._place = place
            _write_to(place, text, self._mode)
        self.is_written = True

    def begin(self) -> int:
        """Put an empty file there, and return a descriptor to write to it bit by bit, which the caller closes.

        Raises OSError, also for a FIFO or a device, because a write to these can block.
        """
        draft = self.draft()
        try:
            draft.appear()
        except BaseException:
            draft.close()
            raise
        return draft.fd

    def draft(self) -> Draft:
        """Make an empty file that is not at its path yet, to write to it bit by bit. Raises OSError as `begin` does."""
        if self.may_wait:
            raise OSError(errno.EINVAL, "it is a FIFO or a device, which can keep its writer waiting")
        return Draft(self._place, self._mode)

    def close(self) -> None:
        """Close the folder and what is held of the file."""
        self._place.close()

    def __enter__(self) -> Self:
        """Return the destination; the end of the with statement closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class Draft:
    """A new file beside its path, which the caller closes; what is at the path stays there until it appears.

    fd: a descriptor to write to it.
    """

    def __init__(self, place: Place, mode: int) -> None:
        """Make it. Raises OSError."""
        self._place = place
        self._name, self.fd = _temporary(place)
        self._has_appeared = False
        _set_mode(self.fd, place, mode)

    def appear(self) -> None:
        """Put it at its path. Raises OSError."""
        os.rename(self._name, self._place.name, src_dir_fd=self._place.folder, dst_dir_fd=self._place.folder)
        self._has_appeared = True

    def close(self) -> None:
        """Close it, and remove it if it has not appeared."""
        os.close(self.fd)
        if not self._has_appeared:
            with suppress(OSError):
                os.unlink(self._name, dir_fd=self._place.folder)


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
    """Open a pipe for writing now: its reader sees the end of file when the command, the last writer, has ended."""
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
    # A link that leads nowhere is replaced: we cannot tell whether its target is what the user meant.
    return walk(path, trusted, follow_last=False)


def _is_special(place: Place) -> bool:
    mode = place.status.st_mode if place.status else 0
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _check(place: Place, trusted: Trusted) -> None:
    """Raise OSError if a file cannot or should not be written there."""
    status, folder = place.status, os.fstat(place.folder)
    if _is_special(place):
        _check_special(place, trusted)
        return
    if status and stat.S_ISDIR(status.st_mode):
        raise _error(errno.EISDIR)
    if status and not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise OSError(errno.EINVAL, "it is a socket or a block device")
    if status and folder.st_mode & stat.S_ISVTX and not {0, status.st_uid, folder.st_uid} & {os.geteuid()}:
        raise _error(errno.EPERM)  # sticky, like /tmp: only owners replace files there
    if place.entry is not None and _mount(place.entry) != _mount(place.folder):
        raise OSError(errno.EBUSY, "it is a mount point, which no other file can replace")
    _try(place)


def _try(place: Place) -> None:
    """Make a file there and remove it: access(2) ignores Landlock, and is wrong about root in /proc. Raises OSError."""
    try:
        temporary, fd = _temporary(place)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:  # the disk might have room at the end
            return
        raise
    os.close(fd)
    os.unlink(temporary, dir_fd=place.folder)


def _check_special(place: Place, trusted: Trusted) -> None:
    assert place.status is not None  # noqa: S101  special files exist
    if not trusted.own(place.status, os.fstat(place.folder)):
        raise PermissionError(errno.EACCES, f"it is a FIFO or a device that {trusted.doubt(place.status)}")
    if not os.access(f"/proc/self/fd/{place.entry}", os.W_OK, effective_ids=True):
        raise _error(errno.EACCES)
    if stat.S_ISCHR(place.status.st_mode):
        _try_device(place)
    elif place.is_nameless:
        _hold_open(place)


def _try_device(place: Place) -> None:
    """Open it once: the device can be missing, or the terminal that /dev/tty stands for. Raises OSError."""
    os.close(os.open(f"/proc/self/fd/{place.entry}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC))


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _mount(fd: int) -> str:
    """Return the line with the mount ID of an open file; see proc_pid_fdinfo(5)."""
    with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as file:
        return next(line for line in file if line.startswith("mnt_id:"))


def _write_to(place: Place, text: str | bytes, mode: int) -> None:
    if _is_special(place):
        _write(_opened(place), text)
        return
    with _replacing(place, mode) as fd:
        _write(fd, text)


@contextmanager
def _replacing(place: Place, mode: int) -> Iterator[int]:
    """Yield a descriptor of a new file, which the caller closes; leaving without an error renames it into place."""
    temporary, fd = _temporary(place)
    try:
        _set_mode(fd, place, mode)
        yield fd
        os.rename(temporary, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=place.folder)
        raise


def _opened(place: Place) -> int:
    """Open a FIFO or a device; for a FIFO this waits for a reader."""
    assert place.entry is not None  # noqa: S101  special files are held open
    if place.is_open:
        return os.dup(place.entry)
    return os.open(f"/proc/self/fd/{place.entry}", os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)


def _temporary(place: Place) -> tuple[str, int]:
    """Make a temporary file in the folder; return its name and a descriptor."""
    name = f".scoperun-{os.urandom(8).hex()}.tmp"
    # A job that has it as standard output can also add to it as /dev/stdout: without O_APPEND one overwrites the other.
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return name, os.open(name, flags, _OWNERS_ALONE, dir_fd=place.folder)


def _set_mode(fd: int, place: Place, mode: int) -> None:
    """Set the mode of a new file, regardless of the umask; never give access to another group than the old file did."""
    before = place.status
    if before and _decides(before, os.fstat(place.folder)):
        mode = before.st_mode & 0o666
        if before.st_gid != os.fstat(fd).st_gid:
            try:
                os.fchown(fd, -1, before.st_gid)
            except OSError:
                mode &= ~0o070
    with suppress(OSError):  # some file systems have no modes, e.g. vfat
        os.fchmod(fd, mode)


def _decides(before: os.stat_result, folder: os.stat_result) -> bool:
    """Return whether the file that replaces this one keeps its mode.

    In a folder that others can write to, another user could have put it there, even as a hard link to a file of ours
    that is readable by all.
    """
    is_left = others_write(folder) and before.st_nlink > 1
    return stat.S_ISREG(before.st_mode) and before.st_uid in {os.geteuid(), folder.st_uid} and not is_left


def _write(fd: int, text: str | bytes) -> None:
    # No file object: its close() would retry a write that a signal has interrupted, and block again.
    try:
        write_all(fd, text)
    finally:
        os.close(fd)


def write_all(fd: int, text: str | bytes) -> None:
    """Write all of `text` to a descriptor. Raises OSError."""
    rest = memoryview(text.encode() if isinstance(text, str) else text)
    while rest:
        rest = rest[os.write(fd, rest) :]
