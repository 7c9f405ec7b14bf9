"""The watch on processor time: stop the scope when its processes have used up, all together, what they may use.

The kernel has no such limit and no notice for a cgroup. But processor time cannot be used faster than there are
processors, so the watch sleeps until the earliest moment at which all can be used up, reads what was used by then, and
sleeps again. While less and less is left these moments come closer, but never less than 100 ms after each other.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.events import CpuTimeChecked, CpuTimeUsedUp
from scoperun.kernel.cpu_time import soonest, used
from scoperun.supervision.killing import kill_all
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.supervision.handles import Handles

_SHORTEST = 0.1
"""Seconds between two looks at least. So the scope uses at most that much too much on each processor."""


class CpuWatch:
    """The watch on one scope."""

    def __init__(self, handles: Handles, limit: float) -> None:
        """Begin with a run whose command does not run yet. limit: seconds."""
        self._handles = handles
        self._limit = limit
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Stop the scope when its time is used up; return then, or when the scope is gone."""
        cgroup = self._handles.scope.cgroup
        now = used(cgroup)
        while now is not None and now < self._limit:
            await self._sleep(soonest(cgroup, self._limit - now))
            now = used(cgroup)
            self._handles.feed.put(CpuTimeChecked(used=now))
        if now is not None and self._is_on():
            await self._stop(now)

    def look_again(self) -> None:
        """Look again now: a changed CPUQuota= can change the earliest moment."""
        self._changed.set()

    async def _sleep(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(seconds, _SHORTEST)):
                await self._changed.wait()
        self._changed.clear()

    def _is_on(self) -> bool:
        """Tell whether the limit is still to be kept: the run is not over, and nothing else is ending the scope."""
        known = self._handles.invocation
        if known.stopping or known.ended:
            return False
        waits = self._handles.run.wait and not known.awaited_leftovers
        return waits or not self._handles.workload.ended

    async def _stop(self, now: float) -> None:
        """Have systemd stop the scope as it does when RuntimeMaxSec= is over; kill it if systemd does not."""
        self._handles.feed.put(CpuTimeUsedUp(used=now))
        try:
            await self._handles.unit.stop()
        except UNANSWERED:
            with suppress(*UNANSWERED):
                await kill_all(self._handles.unit, self._handles.scope.cgroup)
