"""Wakes when the kernel's OOM killer kills in a cgroup or anywhere below it. Never polls, and never is woken often.

memory.events of a cgroup counts what happens below it too, and an epoll with EPOLLPRI wakes for each change of it. A
workload at its limit changes it a hundred times a second, although nothing is killed.
"""

from __future__ import annotations

import asyncio
import os
import select
import time
from typing import TYPE_CHECKING

from scoperun.kernel.unit_kills import oom_kills

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.kernel.cgroup import Cgroup

BURST = 3
"""Looks that can follow one another at once: the kernel wakes us when the limit is hit, and again for the kill."""

PAUSE = 0.1875
"""Seconds between looks beyond that: together never more than nine in a second, and one more may follow a kill."""


class Pace:
    """When the next look is due, so that there are never more than nine in any second. No clock."""

    def __init__(self) -> None:
        """Begin with a full burst."""
        self._free_at = 0.0

    def took(self, now: float) -> float:
        """Take in that there was a look now; return the seconds until there can be another one."""
        self._free_at = max(self._free_at, now) + PAUSE
        return max(0.0, self._free_at - now - (BURST - 1) * PAUSE)


class KillTrigger:
    """The watch on one cgroup."""

    def __init__(self, cgroup: Cgroup, look: Callable[[], bool]) -> None:
        """Open its memory.events; raise OSError if it has none.

        look: called after a change; it tells whether to go on listening.
        """
        self._look = look
        self._pace = Pace()
        self._rest: asyncio.TimerHandle | None = None
        self._fd = os.open(f"{cgroup.path}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
        self._epoll = select.epoll()
        self._epoll.register(self._fd, select.EPOLLPRI)

    def kills(self) -> int:
        """Return how many processes were killed in the cgroup and below since it was made. Raises OSError."""
        return oom_kills(os.pread(self._fd, 4096, 0))

    def listen(self) -> None:
        """Call `look` at each change from now on, at most nine times a second."""
        self._rest = None
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._woken)

    def close(self) -> None:
        """Stop listening."""
        if self._rest is not None:
            self._rest.cancel()
        asyncio.get_running_loop().remove_reader(self._epoll.fileno())
        self._epoll.close()
        os.close(self._fd)

    def _woken(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._epoll.fileno())
        self._epoll.poll(0)
        if not self._look():
            return
        if pause := self._pace.took(time.monotonic()):
            self._rest = loop.call_later(pause, self.listen)
        else:
            self.listen()
