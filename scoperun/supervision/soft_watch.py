"""The watch on a soft limit: tell the command that it has passed it, and kill it if that was of no use.

The limit is MemoryHigh=, since the kernel says when that is passed. But above it the kernel also slows the command
down, without swap to a crawl in which it can do nothing about it: so MemoryHigh= is lifted as soon as the command is
told, and set again when what it needs has gone below.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.events import (
    MemorySnapshot,
    SoftMemoryKilled,
    SoftMemoryPassed,
    SoftMemoryRestored,
    SoftMemoryTold,
)
from scoperun.kernel.wait import held, readable
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.supervision.killing import kill_all
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.spec.soft_memory import SoftMemory
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit

_DEFAULT_TIMEOUT_STOP = 90.0
"""systemd's own TimeoutStopSec=, for when it does not say what it is."""

_TELLING = 1.0
"""Seconds that systemd has at the least to send the signal: who is killed first cannot be told any more."""


class SoftWatch:
    """The watch on one scope; whatever systemd does not answer is left undone."""

    def __init__(self, soft: SoftMemory, unit: Unit, scope: ScopeCgroup, feed: Feed) -> None:
        """Take the scope as it was started."""
        self._soft = soft
        self._unit = unit
        self._scope = scope
        self._feed = feed
        self._not_killing = asyncio.Event()
        self._not_killing.set()

    async def run(self) -> None:
        """Respond each time that the limit is passed, until there is a report."""
        answered = time.monotonic()
        async for event in self._feed.watch():
            if isinstance(event, MemorySnapshot) and event.at >= answered and self._is_passed(event):
                await self._respond(event)
                answered = time.monotonic()  # what was seen meanwhile has had its answer

    async def not_killing(self) -> None:
        """Return when a kill that has begun is done: who reads the scope before finds some of the dying."""
        await self._not_killing.wait()

    async def let_go(self) -> None:
        """Leave what lives on in the scope as one who was told: nobody will tell it any more."""
        with suppress(*UNANSWERED):
            await self._set_high(INFINITY)

    def _is_passed(self, snapshot: MemorySnapshot) -> bool:
        return (snapshot.needed or 0) > self._soft.limit

    async def _respond(self, passed: MemorySnapshot) -> None:
        self._feed.put(SoftMemoryPassed(at=passed.at, memory=passed.needed or 0))
        telling = asyncio.create_task(self._tell(passed.at))
        try:
            kill_after = await self._kill_after()
            await asyncio.sleep(passed.at + kill_after - time.monotonic())
            await asyncio.wait([telling], timeout=passed.at + _TELLING - time.monotonic())
        finally:
            telling.cancel()
        now = self._scope.snapshot()
        if now is not None and self._is_passed(now):
            await self._kill()
        elif now is not None:
            await self._restore()

    async def _tell(self, at: float) -> None:
        """Send the signal, and only then lift MemoryHigh=: until then it holds the command back from its hard limit."""
        with suppress(*UNANSWERED):
            await self._unit.kill(self._soft.signal)
            self._feed.put(SoftMemoryTold(at=at))
        with suppress(*UNANSWERED):
            await self._set_high(INFINITY)

    async def _restore(self) -> None:
        with suppress(*UNANSWERED):
            await self._set_high(self._soft.limit)
            self._feed.put(SoftMemoryRestored())

    async def _kill_after(self) -> float:
        """Return the seconds from the signal to the kill; a drop-in may have put others in place of those asked for."""
        with suppress(*UNANSWERED):
            return await self._unit.timeout_stop()
        asked = self._unit.request.timeout_stop
        return _DEFAULT_TIMEOUT_STOP if asked is None else asked

    async def _kill(self) -> None:
        self._not_killing.clear()
        try:
            with suppress(*UNANSWERED, TimeoutError):
                async with asyncio.timeout(self._unit.timeout):
                    await self._kill_all()
        finally:
            self._not_killing.set()

    async def _kill_all(self) -> None:
        """Kill all but the keeper, which systemd would kill too: its counters prove that this is no OOM kill."""
        while pids := self._pids():
            with held(pids) as pidfds:
                # A number that is still on the list once its process is held was not given to another since.
                inside = [pidfds[pid] for pid in self._pids() if pid in pidfds]
                if not all(map(_killed, inside)) or not inside:
                    await kill_all(self._unit, self._scope.cgroup)
                self._feed.put(SoftMemoryKilled())
                for pidfd in inside:
                    await readable(pidfd)

    def _pids(self) -> list[int]:
        return [process.pid for process in self._scope.processes() or ()]

    async def _set_high(self, limit: int) -> None:
        high = Property(name="MemoryHigh", signature="t", value=limit)
        await self._unit.set_properties((high,))


def _killed(pidfd: int) -> bool:
    """Kill a process, and tell whether that was permitted."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True
