"""Waiting for a file descriptor in the running loop, and holding processes by one."""

from __future__ import annotations

import os
import select
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

LAST_MOMENT = 1.0
"""Seconds in which what was killed is dead, unless a debugger or a disk that hangs holds it: that might be for ever."""


async def readable(fd: int) -> None:
    """Return when `fd` has something to read, its other end is closed, or, if a pidfd, its process has ended."""
    import asyncio  # noqa: PLC0415  what waits has it already, and what only forks does without

    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def process_ended(pid: int) -> None:
    """Return when the process `pid` has ended, which may be any process of this user."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await readable(pidfd)
    finally:
        os.close(pidfd)


def has_ended(pidfd: int) -> bool:
    """Tell whether a process is dead, whether or not its parent or its debugger has taken note."""
    return _is_readable(pidfd, within=0)


def bury(pidfd: int, *, within: float = LAST_MOMENT) -> None:
    """Leave no zombie of a child that is dead within so many seconds, unless a debugger has not taken note yet.

    For the end of all: nothing else is heard meanwhile.
    """
    if _is_readable(pidfd, within=within):
        with suppress(ChildProcessError):  # another part of this program has waited for it
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)


def _is_readable(fd: int, *, within: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(within * 1000))


@contextmanager
def held(pids: Iterable[int]) -> Iterator[dict[int, int]]:
    """Give a pidfd of each of these processes that is there: its number may become another's, a pidfd cannot."""
    pidfds: dict[int, int] = {}
    try:
        for pid in pids:
            with suppress(OSError):  # it has ended, or is in another PID namespace
                pidfds[pid] = os.pidfd_open(pid)
        yield pidfds
    finally:
        for pidfd in pidfds.values():
            os.close(pidfd)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
