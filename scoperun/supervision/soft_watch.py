"""The watch on a soft limit: send the command a signal when it passes the limit, kill it if that does not help.

The limit is MemoryHigh=, because the kernel reports when that is passed. But above MemoryHigh= the kernel also slows
the command down, without swap so much that the command cannot react. So MemoryHigh= is lifted as soon as the signal is
sent, and set again when the memory that the command needs is below the limit. Without a signal it is lifted for good at
the first passing: when the command is below the limit again could only be found out by polling.
"""

from __future__ import annotations

import asyncio
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
from scoperun.spec.properties import Property
from scoperun.spec.sizes import INFINITY
from scoperun.supervision.last_resort import TELLING, LastResort
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.spec.soft_memory import SoftMemory
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit


class SoftWatch:
    """The watch on one scope. A step for which systemd gives no answer is skipped."""

    def __init__(self, soft: SoftMemory, unit: Unit, scope: ScopeCgroup, feed: Feed) -> None:
        """Begin with MemoryHigh= set to the limit, as the scope was started."""
        self._soft = soft
        self._unit = unit
        self._scope = scope
        self._feed = feed
        self._last_resort = LastResort(unit, scope)

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
        """Wait for a kill that has begun."""
        await self._last_resort.not_killing()

    async def let_go(self) -> None:
        """Lift MemoryHigh= from processes that will get no signal, e.g. because they outlive this run."""
        with suppress(*UNANSWERED):
            await self._set_high(INFINITY)

    def _is_passed(self, snapshot: MemorySnapshot) -> bool:
        return (snapshot.needed or 0) > self._soft.limit

    async def _respond(self, passed: MemorySnapshot, signal_number: int) -> None:
        telling = asyncio.create_task(self._tell(passed.at, signal_number))
        try:
            kill_after = await self._last_resort.kill_after()
            await asyncio.sleep(passed.at + kill_after - time.monotonic())
            await asyncio.wait([telling], timeout=passed.at + TELLING - time.monotonic())
        finally:
            telling.cancel()
        now = self._scope.snapshot()
        if now is not None and self._is_passed(now):
            await self._last_resort.kill(lambda: self._feed.put(SoftMemoryKilled()))
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

    async def _set_high(self, limit: int) -> None:
        high = Property(name="MemoryHigh", signature="t", value=limit)
        await self._unit.set_properties((high,))
