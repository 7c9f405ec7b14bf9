"""Reads a file that decides what is run, and refuses it unless only root or our user could have written it."""

from __future__ import annotations

import errno
import os
import stat

from scoperun.console.paths import ForeignLink, Trusted, others_write, walk
from scoperun.errors import InvalidValue


def read_trusted(path: str) -> bytes:
    """Return the content of the file at `path`.

    Raises InvalidValue if another user could have written it, OSError if it cannot be read.
    """
    trusted, doubts = Trusted.here(), list[InvalidValue]()

    def look(at: str, status: os.stat_result, folder: os.stat_result) -> None:
        if reason := distrust(status, folder, trusted):
            doubts.append(_refusal(at, f"{at} {reason}"))

    try:
        place = walk(path if os.path.isabs(path) else os.path.join(os.getcwd(), path), trusted, look=look)
    except ForeignLink as error:
        raise _refusal(error.filename, str(error.strerror)) from None
    with place:
        if place.status is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if doubts:
            raise doubts[0]
        if stat.S_ISDIR(place.status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(place.status.st_mode):
            raise _refusal(path, f"{path} is not a regular file")
        with open(f"/proc/self/fd/{place.entry}", "rb") as file:
            return file.read()


def distrust(status: os.stat_result, folder: os.stat_result, trusted: Trusted) -> str | None:
    """Return why a component of a path, or the file itself, is not to be trusted; None if it is.

    status: its status. folder: the status of its folder, whose own owner and mode are checked separately.
    """
    if not trusted.own(status, folder):
        return trusted.doubt(status)
    # In a sticky folder users cannot replace the files of others; the mode of a link has no meaning.
    is_safe = stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX)
    return "is writable by others" if others_write(status) and not is_safe else None


def _refusal(path: str, reason: str) -> InvalidValue:
    return InvalidValue(f"refusing to run: {reason}", hint=f"check: ls -ld {path}")
