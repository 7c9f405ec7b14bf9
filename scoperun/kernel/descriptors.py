"""How many descriptors this process may still open. Checked because a failed open looks like a missing file."""

from __future__ import annotations

import os
from contextlib import ExitStack

_OWN = 64
"""More descriptors than a run needs, with the streams that it inherited."""

_PIPES = 4
"""Pipes that have more descriptors than the reading at the end of a run needs, journalctl included."""

_LOOP = 2
"""Pipes that have at least as many descriptors as an event loop: an epoll and a pair of sockets."""


def to_spare() -> int:
    """Return how many descriptors may be held while a command runs, a quarter of what is left; below 1 if none."""
    return (os.sysconf("SC_OPEN_MAX") - _OWN) // 4


def see_room_to_read() -> None:
    """Raise OSError if too few descriptors are left for the reading at the end of a run."""
    _see_room_for(_PIPES)


def see_room_for_loop() -> None:
    """Raise OSError if too few descriptors are left for an event loop; asyncio itself would print more to stderr."""
    _see_room_for(_LOOP)


def _see_room_for(pipes: int) -> None:
    with ExitStack() as room:
        for _ in range(pipes):
            for fd in os.pipe():
                room.callback(os.close, fd)
