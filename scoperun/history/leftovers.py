"""Files of the history that a process did not complete, because it was killed."""

from __future__ import annotations

import os
import re
import stat
import time
from contextlib import suppress

OLD = 3600.0
"""Seconds after which no process can be at work on such a file; it takes far less than one."""

_TEMPORARY = re.compile(r"\.(?:[0-9a-f]{32}\.tmp|history-[0-9a-f]{16}\.tmp(?:-wal|-shm|-journal)?)")


def remove(folder: int) -> None:
    """Remove such files that have not been written to for an hour; what cannot be removed stays.

    folder: a descriptor of the history's folder, which can be O_PATH.
    """
    with suppress(OSError):
        for name in filter(_TEMPORARY.fullmatch, os.listdir(f"/proc/self/fd/{folder}")):
            with suppress(OSError):
                _remove_if_old(folder, name)


def _remove_if_old(folder: int, name: str) -> None:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime > OLD:
        os.unlink(name, dir_fd=folder)
