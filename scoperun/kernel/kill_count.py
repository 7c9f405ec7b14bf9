"""How many processes of a cgroup the kernel's OOM killer has killed, as last seen while the cgroup was there.

The count is gone with the cgroup, which systemd removes as soon as no process lives in it. So a kill that ends the last
process can be missed: a count of 0 proves nothing, unlike any other. Never polls.
"""

from __future__ import annotations

import asyncio
import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.kernel.cgroup import Cgroup

_PAUSE = 0.05
"""Seconds between two looks: at its limit a cgroup changes the file a hundred times a second."""


class KillCount:
    """The count of one cgroup; kills: None if it cannot be read."""

    def __init__(self, fd: int | None) -> None:
        """fd: its memory.events, None if it has none."""
        self.kills: int | None = None
        self._fd = fd
        self._epoll: select.epoll | None = None
        self._pause: asyncio.TimerHandle | None = None
        if fd is not None:
            self._epoll = select.epoll()
            self._epoll.register(fd, select.EPOLLPRI)
            self.look()

    def look(self) -> bool:
        """Read the count, unless the cgroup is gone; tell whether it was there."""
        if self._fd is None:
            return False
        try:
            words = os.pread(self._fd, 4096, 0).split()
        except OSError:
            return False
        counts = dict(zip(words[::2], words[1::2], strict=False))
        self.kills = max(int(counts.get(b"oom_kill", 0)), self.kills or 0)
        return True

    def listen(self) -> None:
        """Look again at each change."""
        if self._epoll is not None and not self._epoll.closed:
            asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._woken)

    def close(self) -> None:
        """Stop listening."""
        if self._pause is not None:
            self._pause.cancel()
        if self._epoll is not None and not self._epoll.closed:
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())
            self._epoll.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _woken(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._epoll is not None  # noqa: S101  it has woken us
        loop.remove_reader(self._epoll.fileno())
        self._epoll.poll(0)
        if self.look():
            self._pause = loop.call_later(_PAUSE, self.listen)


@contextmanager
def counting(cgroup: Cgroup | None) -> Iterator[KillCount]:
    """Give the count of a cgroup, which is kept up to date during the context; one that knows nothing for None."""
    count = KillCount(None if cgroup is None else _opened(f"{cgroup.path}/memory.events"))
    try:
        count.listen()
        yield count
    finally:
        count.close()


def _opened(file: str) -> int | None:
    try:
        return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
