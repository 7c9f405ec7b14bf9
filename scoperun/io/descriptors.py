"""How many descriptors this process may still have: what cannot be opened looks like what is not there."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack

_OWN = 64
"""More than a run takes, with the streams of whoever started it."""

_PIPES = 4
"""What is read at the end, with journalctl's help, takes fewer descriptors than so many pipes."""


def to_spare() -> int:
    """Return how many may be held for as long as a command runs, less than 1 if none: a quarter of what is left."""
    return (resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _OWN) // 4


def see_room_to_read() -> None:
    """Raise OSError if too few are left for what is read at the end."""
    with ExitStack() as room:
        for _ in range(_PIPES):
            for fd in os.pipe():
                room.callback(os.close, fd)
