"""The watch on a soft limit: send the command a signal when it passes the limit, kill it if that does not help.

The limit is MemoryHigh=, because the kernel reports when that is passed. But above MemoryHigh= the kernel also slows
the command down, without swap so much that the command cannot react. So MemoryHigh= is lifted as soon as the signal is
sent, and set again when the memory that the command needs is below the limit. Without a signal it is lifted for good at
the first passing: when the command is below the limit again could only be found out by polling.
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
"""systemd's default TimeoutStopSec=, in seconds, for when systemd does not answer."""

_TELLING = 1.0
"""Seconds that systemd always has to send the signal, before a kill makes the signal pointless."""


class SoftWatch:
    """The watch on one scope. A step for which systemd gives no answer is skipped."""

    def __init__(self, soft: SoftMemory, unit: Unit, scope: ScopeCgroup, feed: Feed) -> None:
        """Begin with MemoryHigh= set to the limit, as the scope was started."""
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
                self._feed.put(SoftMemoryPassed(at=event.at, memory=event.needed or 0))
                if self._soft.signal is None:
                    await self.let_go()
                    return
                await self._respond(event, self._soft.signal)
                answered = time.monotonic()  # snapshots taken meanwhile belong to the passing just handled

    async def not_killing(self) -> None:
        """Wait for a kill that has begun. To read the scope earlier would find some of the dying processes."""
        await self._not_killing.wait()

    async def let_go(self) -> None:
        """Lift MemoryHigh= from processes that will get no signal, e.g. because they outlive this run."""
        with suppress(*UNANSWERED):
            await self._set_high(INFINITY)

    def _is_passed(self, snapshot: MemorySnapshot) -> bool:
        return (snapshot.needed or 0) > self._soft.limit

    async def _respond(self, passed: MemorySnapshot, signal_number: int) -> None:
        telling = asyncio.create_task(self._tell(passed.at, signal_number))
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

    async def _tell(self, at: float, signal_number: int) -> None:
        """Send the signal, then lift MemoryHigh=, which until then keeps the command away from its hard limit."""
        with suppress(*UNANSWERED):
            await self._unit.kill(signal_number)
            self._feed.put(SoftMemoryTold(at=at))
        with suppress(*UNANSWERED):
            await self._set_high(INFINITY)

    async def _restore(self) -> None:
        with suppress(*UNANSWERED):
            await self._set_high(self._soft.limit)
            self._feed.put(SoftMemoryRestored())

    async def _kill_after(self) -> float:
        """Return the seconds from the signal to the kill: TimeoutStopSec= in force, which a drop-in can override."""
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
        """Kill all processes but the keeper, whose counters prove that this is not an OOM kill.

        systemd would kill the keeper too. So it is asked only if we cannot kill the processes ourselves.
        """
        while pids := self._pids():
            with held(pids) as pidfds:
                # A PID that is still listed after its pidfd was opened has not been reused in between.
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
    """Kill a process; tell whether that was permitted."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True
