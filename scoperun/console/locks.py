"""A lock on a file, which other programs can hold: the wait for it has an end."""

from __future__ import annotations

import fcntl
import time

_MOMENT = 0.05
"""Seconds between two attempts: flock(2) has no time limit of its own."""


def is_locked(fd: int, *, within: float) -> bool:
    """Lock a file for us, and tell whether that was possible within so many seconds. Raises OSError."""
    last = time.monotonic() + within
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last:
                return False
            time.sleep(_MOMENT)
        else:
            return True
