"""Waiting for a file descriptor in the running loop, and holding processes by one."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Iterator


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
