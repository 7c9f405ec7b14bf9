"""The order of `scopectl watch`: woken by a kill, it waits a moment for what else is said, and then tells.

1. The trigger wakes: the count above all units has risen. Which units have counted more is read at once: systemd
   removes a unit's cgroup, and its count, as soon as no process is left in it.
2. For a moment the manager's announcements are gathered.
3. The kernel's log is read, where it may be read, and then the counts once more.
4. evidence/session_kills.py concludes, and what it returns is told.

With no kill and no unit that starts or ends, nothing wakes it.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.ctl.desktop_apps import app_name
from scoperun.ctl.kill_counts import KillCounts
from scoperun.ctl.reported_scopes import ReportedScopes
from scoperun.ctl.watch_log import NewReports
from scoperun.ctl.watch_texts import Told
from scoperun.errors import ScoperunError
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.evidence.session_kills import KillTraces, Session, are_placed, session_kills
from scoperun.kernel.kill_trigger import KillTrigger
from scoperun.kernel.log import KernelLog
from scoperun.kernel.unit_cgroups import manager_cgroup
from scoperun.kernel.unit_kills import UnitKills
from scoperun.systemd import unit_files
from scoperun.systemd.unit_results import UnitResults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scoperun.evidence.kernel_report import KernelReport
    from scoperun.evidence.session_kills import SessionKill
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.unit_kills import Rise
    from scoperun.systemd.manager import Manager
    from scoperun.systemd.unit_results import Heard

GATHERING = 1.0
"""Seconds for which announcements are gathered after a kill."""

_LONGEST = 5.0
"""Seconds after which it is concluded and told even if processes are killed again and again."""

_BEFORE = 2.0
"""Seconds before a kill was noticed in which it can have happened."""

_SAME_KILL = 120.0
"""Seconds within which a unit's result can be about a kill that was told of: a scope has 90 s to stop in."""

_SETTLED = 5.0
"""Seconds after which no result is about a kill from before the watch began, but for units that had it already."""

_OOM_KILL = "oom-kill"


async def top_of(manager: Manager) -> tuple[Cgroup, Cgroup]:
    """Return the cgroup of the user's slice, which has the sessions too, and the manager's own, which can be both."""
    own = manager_cgroup(await manager.control_group())
    above = os.path.dirname(own.name)
    is_users = os.path.basename(above).startswith("user-") and above.endswith(".slice")
    return (manager_cgroup(above) if is_users else own), own


class Watch:
    """The watch on one user's units; see `run`."""

    def __init__(self, manager: Manager, top: Cgroup, own: Cgroup, tell: Callable[[Told], None]) -> None:
        """top, own: as of `top_of`. tell: called with what was concluded. Raises ScoperunError, OSError."""
        if top.counts_alone:
            raise ScoperunError(
                "cgroup v2 is mounted with memory_localevents, so the kernel tells of no kill below a slice",
                hint="check: findmnt -t cgroup2",
            )
        self._manager = manager
        self._names = Session(top=top.name, manager=own.name)
        self._tell = tell
        self._folder = unit_files.folder(os.environ, system=False)
        self._trigger = _trigger(top, self._woken)
        self._units = UnitKills(top, own)
        self._results = UnitResults(manager, self._hear)
        self._reported = ReportedScopes(self._folder, own)
        self._left: set[str] = set()
        self._counts = KillCounts(self._trigger.kills, self._risen_units)
        self._heard: dict[str, Heard] = {}
        self._with_result: set[str] = set()
        self._failed: set[str] = set()
        self._told: dict[str, float] = {}
        self._reports = NewReports(self._names, self._wanted)
        self._error: OSError | None = None
        self._gathered = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
        self._began = self._risen = 0.0
        self._unplaced = time.monotonic() - _SAME_KILL + _SETTLED

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until the connection to the bus breaks, or the counts cannot be read; raise BusLost or OSError then.

        ready: called once it is listening.
        """
        with KernelLog.open() as log:
            try:
                await self._begin()
                ready()
                while True:
                    await self._manager.heard(self._gathered)
                    if self._error is not None:
                        raise self._error
                    if not self._gathers_on():
                        await self._conclude(log)
            finally:
                if self._gathering is not None:
                    self._gathering.cancel()
                self._reported.close()
                self._trigger.close()

    async def _begin(self) -> None:
        with suppress(OSError):  # the folder is made with the first transient unit
            self._reported.look(os.listdir(self._folder))
        await self._results.begin()
        self._failed |= await self._results.with_result(_OOM_KILL)  # daemon-reload announces it again
        self._trigger.listen()

    def _woken(self) -> bool:
        """See whether there were kills, and in which of the units that are still there; tell whether that worked."""
        try:
            self._look()
        except OSError as error:
            self._error = error
            self._gathered.set()
        return self._error is None

    def _look(self) -> None:
        """See whether there were more kills: once the count was read, nothing wakes us for these. Raises OSError."""
        if self._counts.look():
            self._risen = time.monotonic()
            self._gather()

    def _risen_units(self) -> Mapping[str, Rise]:
        risen = self._units.look()
        self._reported.look(risen)
        self._left |= risen.keys() & self._reported.names  # as it was at the kill: its scoperun can end any moment
        return risen

    def _hear(self, heard: Heard) -> None:
        """Take an announcement. While the count has not risen, a unit that ends had no kill."""
        if not heard.is_removed:
            self._reported.look([heard.unit])
        if heard.result == _OOM_KILL and heard.unit not in self._failed:
            self._failed.add(heard.unit)
            if time.monotonic() - self._told.get(heard.unit, -_SAME_KILL) >= _SAME_KILL:
                self._with_result.add(heard.unit)
                self._gather()
        elif heard.is_removed or heard.result not in {None, _OOM_KILL}:
            self._failed.discard(heard.unit)
        if self._gathering is None:
            self._woken()
        if self._gathering is not None:
            self._heard[heard.unit] = heard
        elif heard.is_removed:
            self._told.pop(heard.unit, None)

    def _gather(self) -> None:
        if self._gathering is None:
            self._began = time.monotonic()
            self._gathering = asyncio.get_running_loop().call_later(GATHERING, self._gathered.set)

    def _gathers_on(self) -> bool:
        """Wait a little longer if the last kill was just now; tell whether that is so."""
        now = time.monotonic()
        missing = min(self._risen + GATHERING, self._began + _LONGEST) - now
        if missing > 0:
            self._gathering = asyncio.get_running_loop().call_later(missing, self._gathered.set)
        return missing > 0

    async def _conclude(self, log: KernelLog) -> None:
        reports, reason = await self._log_says(log)
        self._gathering = None
        self._counts.settle()
        traces = KillTraces(
            kills=self._counts.kills,
            counted=self._counts.by_unit,
            results=self._with_result,
            ended={unit for unit in self._heard if self._may_have_ended(unit)} | self._units.ended,
            reports=reports,
            left=self._left | self._reported.names,
            is_complete=self._units.is_complete,
            is_quiet=time.monotonic() - self._unplaced >= _SAME_KILL,
        )
        kills = session_kills(traces, self._names)
        for kill in kills:
            self._tell(self._told_of(kill, reason))
            self._miss(kill)
        if not are_placed(traces, self._names):
            self._unplaced = time.monotonic()
        self._rest({*self._counts.by_unit, *(kill.unit for kill in kills if kill.unit is not None)})

    def _miss(self, kill: SessionKill) -> None:
        """Note for which kills the kernel's log can still have a report."""
        named = sum(victim.kills for victim in kill.victims)
        if kill.unit is not None and kill.kills is None:
            self._reports.miss(kill.unit, None)
        elif kill.unit is not None and kill.kills is not None and kill.kills > named:
            self._reports.miss(kill.unit, kill.kills - named)

    def _may_have_ended(self, unit: str) -> bool:
        """Tell whether a unit's own count can be gone; that of a service also if it has started again."""
        return unit not in self._units.names or unit.endswith(".service")

    def _rest(self, units: set[str]) -> None:
        """Begin anew after a conclusion about these units."""
        now = time.monotonic()
        self._told = {unit: at for unit, at in self._told.items() if now - at < _SAME_KILL}
        self._told |= dict.fromkeys(units, now)
        for heard in self._heard.values():
            if heard.is_removed:
                self._told.pop(heard.unit, None)
        self._counts.conclude()
        self._with_result, self._left = set(), set()
        self._look()
        if self._gathering is None:  # else there are more kills, which can be in what has ended
            self._heard = {}
            self._units.forget_ended()

    def _told_of(self, kill: SessionKill, reason: str | None) -> Told:
        unit = kill.unit
        if unit is None:
            return Told(kill=kill, log_reason=reason)
        return Told(
            kill=kill,
            app=app_name(unit, os.environ),
            invocation_id=self._counts.invocations.get(unit),
            is_users=unit not in self._units.beside,
            log_reason=reason,
        )

    async def _log_says(self, log: KernelLog) -> tuple[list[KernelReport] | None, str | None]:
        """Return the kernel's reports of the kills that were counted and not told yet, or None and why."""
        if not self._wanted():  # systemd-oomd's kills are not in the kernel's log
            return None, None
        try:
            return await self._reports.read(log, since=max(self._began - _BEFORE, log.opened)), None
        except KernelLogUnreadable as error:
            return None, str(error)

    def _wanted(self) -> int:
        """Return how many kills are to be looked for in the kernel's log, with those while it is read."""
        if time.monotonic() < self._began + _LONGEST:
            self._look()
        return self._counts.kills


def _trigger(top: Cgroup, look: Callable[[], bool]) -> KillTrigger:
    try:
        return KillTrigger(top, look)
    except FileNotFoundError:
        raise ScoperunError(
            f"the kernel counts no OOM kills in {top.name}: it has no memory controller", hint="scopectl doctor"
        ) from None
