"""The last resort at a soft limit: kill the processes of a scope that a signal has not helped."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.kernel.wait import held, readable
from scoperun.supervision.killing import kill_all
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.systemd.unit import Unit

_DEFAULT_TIMEOUT_STOP = 90.0
"""systemd's default TimeoutStopSec=, in seconds, for when systemd does not answer."""

TELLING = 1.0
"""Seconds that systemd always has to send the signal, before a kill makes the signal pointless."""


class LastResort:
    """The kill of one scope's processes."""

    def __init__(self, unit: Unit, scope: ScopeCgroup) -> None:
        """Take the scope as systemd and as the kernel know it."""
        self._unit = unit
        self._scope = scope
        self._not_killing = asyncio.Event()
        self._not_killing.set()

    async def not_killing(self) -> None:
        """Wait for a kill that has begun. To read the scope earlier would find some of the dying processes."""
        await self._not_killing.wait()

    async def kill_after(self) -> float:
        """Return the seconds from the signal to the kill: TimeoutStopSec= in force, which a drop-in can override."""
        with suppress(*UNANSWERED):
            return await self._unit.timeout_stop()
        asked = self._unit.request.timeout_stop
        return _DEFAULT_TIMEOUT_STOP if asked is None else asked

    async def kill(self, killed: Callable[[], None]) -> None:
        """Kill all processes; call `killed` each time that some were."""
        self._not_killing.clear()
        try:
            with suppress(*UNANSWERED, TimeoutError):
                async with asyncio.timeout(self._unit.timeout):
                    await self._kill_all(killed)
        finally:
            self._not_killing.set()

    async def _kill_all(self, killed: Callable[[], None]) -> None:
        """Kill all processes but the keeper, whose counters prove that this is not an OOM kill.

        systemd would kill the keeper too. So it is asked only if we cannot kill the processes ourselves.
        """
        while pids := self._pids():
            with held(pids) as pidfds:
                # A PID that is still listed after its pidfd was opened has not been reused in between.
                inside = [pidfds[pid] for pid in self._pids() if pid in pidfds]
                if not all(map(_killed, inside)) or not inside:
                    await kill_all(self._unit, self._scope.cgroup)
                killed()
                for pidfd in inside:
                    await readable(pidfd)

    def _pids(self) -> list[int]:
        return [process.pid for process in self._scope.processes() or ()]


def _killed(pidfd: int) -> bool:
    """Kill a process; tell whether that was permitted."""
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True
