"""Waiting for a file descriptor in the running loop, and holding processes by their pidfds."""

from __future__ import annotations

import os
import select
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator

LAST_MOMENT = 1.0
"""Seconds within which a killed process is dead, unless a debugger or a hung disk holds it, perhaps forever."""


async def readable(fd: int) -> None:
    """Return when `fd` has something to read, its other end is closed, or, for a pidfd, its process has ended."""
    import asyncio  # noqa: PLC0415  code that only forks does not need it

    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(fd, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(fd)


async def process_ended(pid: int) -> None:
    """Return when process `pid` has ended, which need not be our child. Raises OSError if it cannot be held."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await readable(pidfd)
    finally:
        os.close(pidfd)


async def reaped(pidfd: int, *, within: float) -> None:
    """Return when the parent of a process has waited for it, or after so many seconds; kernels before 6.15 do not say.

    An epoll reports that (EPOLLHUP) without being asked for an event; asyncio would also ask for EPOLLIN, which is
    there already.
    """
    import asyncio  # noqa: PLC0415  as in readable()

    with select.epoll() as epoll, suppress(TimeoutError):
        epoll.register(pidfd, 0)
        async with asyncio.timeout(within):
            await readable(epoll.fileno())


def has_ended(pidfd: int) -> bool:
    """Tell whether a process is dead, even if its parent or its debugger has not waited for it yet."""
    return _is_readable(pidfd, within=0)


def bury(pidfd: int, *, within: float = LAST_MOMENT) -> None:
    """Reap a child that is dead within so many seconds, unless its debugger has not waited for it yet.

    This blocks the event loop, so it is only for the end of a run.
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
    """Give a pidfd of each of these processes that exists. A PID can be reused, a pidfd cannot."""
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
