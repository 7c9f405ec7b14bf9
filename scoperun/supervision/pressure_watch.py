"""The watch on a soft limit on pressure: signal the command when it waits too much, kill it if that does not help.

The kernel tells when the limit is passed, again and again while it is, but not when it no longer is. So the scope
counts as below its limit once the kernel has been silent for longer than it could be otherwise. Only before a kill the
watch itself measures, over one window, how long the scope waits.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.events import (
    SoftPressureKilled,
    SoftPressurePassed,
    SoftPressureRestored,
    SoftPressureTold,
)
from scoperun.kernel.pressure import pressure
from scoperun.supervision.last_resort import TELLING, LastResort
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.kernel.pressure_trigger import PressureTrigger
    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.spec.soft_pressure import SoftPressure
    from scoperun.supervision.feed import Feed
    from scoperun.systemd.unit import Unit

_LATE = 3.0
"""The most seconds by which a notice can come later than one window after the notice before.

The kernel looks at the pressure every 2 seconds (PSI_FREQ in kernel/sched/psi.c), and if the last notice is not quite a
window old then, the next one waits for another look. A busy kernel can be late.
"""


class PressureWatch:
    """The watch on one scope. A step for which systemd gives no answer is skipped."""

    def __init__(
        self, soft: SoftPressure, trigger: PressureTrigger, unit: Unit, scope: ScopeCgroup, *, late: float = _LATE
    ) -> None:
        """Take the limit, the trigger that is set for it, and the scope. late: seconds, see _LATE."""
        self._soft = soft
        self._silence = soft.window + late
        self._trigger = trigger
        self._unit = unit
        self._scope = scope
        self._last_resort = LastResort(unit, scope)
        self._noticed = asyncio.Event()
        self._is_over = False

    async def run(self, feed: Feed) -> None:
        """Respond each time that the limit is passed, until the processes are killed or this is cancelled."""
        self._trigger.listen(self._noticed.set)
        while await self._noticed.wait():
            at = time.monotonic()
            self._noticed.clear()
            feed.put(SoftPressurePassed(at=at))
            is_below = await self._is_below_in_time(at, feed)
            if self._is_over:
                return
            if not is_below:
                await self._last_resort.kill(lambda: feed.put(SoftPressureKilled()))
                return
            self._noticed.clear()
            feed.put(SoftPressureRestored())

    def end(self) -> None:
        """Respond to nothing from now on: what still runs outlives this run."""
        self._is_over = True
        self._trigger.stop()

    async def not_killing(self) -> None:
        """Wait for a kill that has begun."""
        await self._last_resort.not_killing()

    async def _is_below_in_time(self, at: float, feed: Feed) -> bool:
        """Send the signal, if there is one, and wait until the scope is below its limit; tell whether that was in time.

        at: when the limit was passed.
        """
        if self._soft.signal is None:
            await self._below()
            return True
        telling = asyncio.create_task(self._tell(at, self._soft.signal, feed))
        try:
            measuring = at + await self._last_resort.kill_after() - self._soft.window
            with suppress(TimeoutError):
                async with asyncio.timeout(measuring - time.monotonic()):
                    await self._below()
                    return True
            if not await self._waits_as_before():
                return True
            await asyncio.wait([telling], timeout=at + TELLING - time.monotonic())
        finally:
            telling.cancel()
        return False

    async def _tell(self, at: float, number: int, feed: Feed) -> None:
        with suppress(*UNANSWERED):
            await self._unit.kill(number)
            feed.put(SoftPressureTold(at=at))

    async def _below(self) -> None:
        """Return when the scope has been below its limit for one window."""
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(self._silence):
                    await self._noticed.wait()
                self._noticed.clear()

    async def _waits_as_before(self) -> bool:
        """Measure for one window; tell whether the scope waited for its share of it, or more."""
        before, began = self._waited(), time.monotonic()
        await asyncio.sleep(self._soft.window)
        after = self._waited()
        if before is None or after is None:
            return False
        return after - before >= self._soft.share * (time.monotonic() - began)

    def _waited(self) -> float | None:
        waited = pressure(self._scope.cgroup)
        return None if waited is None else waited.memory_some
