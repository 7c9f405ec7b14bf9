"""Opens files at places that others can write to: only regular ones, because opening a device can do something."""

from __future__ import annotations

import os
import stat


def opened(path: str, *, follow: bool) -> int:
    """Return a descriptor to read a regular file with; raise OSError if it is not one or cannot be opened.

    follow: if the last part of the path is a symbolic link, take what that names.
    """
    return _looked_at_first(path) if follow else _not_a_link(path)


def _looked_at_first(path: str) -> int:
    found = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        _see_that_it_is_regular(found, path)
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)


def _not_a_link(path: str) -> int:
    """Do the same with three system calls less: only a link could lead to a device, since only root can make one.

    A FIFO can be anywhere, and is not waited for.
    """
    found = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        _see_that_it_is_regular(found, path)
    except OSError:
        os.close(found)
        raise
    return found


def _see_that_it_is_regular(found: int, path: str) -> None:
    if not stat.S_ISREG(os.fstat(found).st_mode):
        raise OSError(f"{path} is not a regular file")
