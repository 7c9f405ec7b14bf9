"""How many descriptors this process may still have: what cannot be opened looks like what is not there."""

from __future__ import annotations

import os
from contextlib import ExitStack

_OWN = 64
"""More than a run takes, with the streams of whoever started it."""

_PIPES = 4
"""What is read at the end, with journalctl's help, takes fewer descriptors than so many pipes."""

_LOOP = 2
"""An epoll and a pair of sockets."""


def to_spare() -> int:
    """Return how many may be held for as long as a command runs, less than 1 if none: a quarter of what is left."""
    return (os.sysconf("SC_OPEN_MAX") - _OWN) // 4


def see_room_to_read() -> None:
    """Raise OSError if too few are left for what is read at the end."""
    _see_room_for(_PIPES)


def see_room_for_loop() -> None:
    """Raise OSError if too few are left for an event loop; when asyncio finds that out, it says more on stderr."""
    _see_room_for(_LOOP)


def _see_room_for(pipes: int) -> None:
    with ExitStack() as room:
        for _ in range(pipes):
            for fd in os.pipe():
                room.callback(os.close, fd)
