"""Opens files at places that others can write to: only regular ones, because opening a device can do something."""

from __future__ import annotations

import os
import stat


def opened(path: str, *, follow: bool) -> int:
    """Return a descriptor to read a regular file with; raise OSError if it is not one or cannot be opened.

    follow: if the last part of the path is a symbolic link, take what that names.
    """
    found = os.open(path, os.O_PATH | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    try:
        if not stat.S_ISREG(os.fstat(found).st_mode):
            raise OSError(f"{path} is not a regular file")
        return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(found)
