"""Settling: what is read of a scope once its command has ended, before it is let go."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence import events
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.kernel.log import kernel_clock
from scoperun.kernel.wait import LAST_MOMENT, process_ended
from scoperun.record import replace
from scoperun.report.conclusion import kernel_may_have_killed
from scoperun.supervision.killing import kill_all
from scoperun.supervision.leftovers import first_of, see_to_leftovers
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scoperun.supervision.handles import Handles

_SILENCE = 2.0
"""Seconds of silence after which nothing more is expected of journald, which hears of a kill later than we."""

_SILENCE_OF_NOTHING = 0.3
"""The same where there need not have been one."""


_OOMD_KILLS_WITHIN = 1.0
"""Seconds in which systemd-oomd, which has killed one process of a cgroup, has killed the others."""


class Settling:
    """One scope after its command's end; nothing of it is left afterwards but what lives on in it."""

    def __init__(self, handles: Handles, enough: asyncio.Event) -> None:
        """Take a run whose command has ended; `enough`, when set, ends a wait for what the command left behind."""
        self._handles = handles
        self._unit = handles.unit
        self._scope = handles.scope
        self._keeper = handles.keeper
        self._feed = handles.feed
        self._enough = enough
        self._oomd_marks: Sequence[events.OomdMark] = ()

    async def settle(self) -> None:
        """Read what the scope leaves behind, let it end, and read what systemd and the kernel say of it."""
        self._oomd_marks = await self._killed_by_oomd()
        counters = self._read_counters()
        if counters.processes and await see_to_leftovers(self._handles, self._enough):
            counters = self._read_counters_again(counters)
        self._keeper.end()
        await self._hear_the_end(counters)
        has_killed = kernel_may_have_killed(self._handles.start, self._feed.invocation)
        if has_killed is not False:
            self._feed.put(await read_kernel_log(self._handles, _SILENCE if has_killed else _SILENCE_OF_NOTHING))

    async def _killed_by_oomd(self) -> Sequence[events.OomdMark]:
        """Return the marks of systemd-oomd on cgroups whose processes end with the command, if a kill ended that.

        Only then does a mark prove something, and by then the cgroup may be gone, and the mark with it.
        """
        exited = self._feed.invocation.exit
        if exited is None or exited.status != -signal.SIGKILL:
            return ()
        marks = self._scope.oomd_marks() or ()
        pids = {pid for mark in marks for pid in mark.pids}
        return [replace(mark, pids=()) for mark in marks] if await _ended(pids, within=_OOMD_KILLS_WITHIN) else ()

    async def _hear_the_end(self, counters: events.Counters) -> None:
        """Wait until the scope has ended, unless something lives on in it, and let go of it."""
        with suppress(*UNANSWERED):
            if not counters.processes:
                await first_of(self._over(within=self._unit.timeout), self._given_up())
            elif await self._is_stopping(counters):
                await first_of(self._stopped(), self._enough.wait())
        await asyncio.gather(self._read_properties(), self._unref())  # systemd answers one after the other
        await kill_what_outlived(self._handles)
        self._feed.put(events.LeftRunning(await self._left()))

    async def _over(self, *, within: float) -> None:
        await self._feed.until(lambda invocation: invocation.over, within=within)

    async def _given_up(self) -> None:
        """Return once a signal has ended the wait for a keeper that does not end, e.g. because a debugger holds it."""
        await self._enough.wait()
        if await self._keeper.ends_within(LAST_MOMENT):
            await asyncio.get_running_loop().create_future()  # systemd is about to say so

    async def _stopped(self) -> None:
        """Return when systemd is done with stopping the scope: SIGTERM, SIGKILL, and it gives up in the end."""
        timeout_stop = await self._unit.timeout_stop()
        await self._over(within=2 * timeout_stop + self._unit.timeout)

    async def _left(self) -> tuple[events.Process, ...] | None:
        """Return what lives in the scope; the keeper too, if that does not end."""
        processes = self._scope.processes()
        if processes is None or await self._keeper.ends_within(LAST_MOMENT):
            return processes
        return (*processes, self._keeper.process)

    async def _read_properties(self) -> None:
        with suppress(*UNANSWERED):  # it may answer though it announced nothing
            self._feed.put(await self._unit.read())
            if self._feed.invocation.result == "timeout" and self._feed.invocation.left_active is None:
                for left_active in await self._unit.left_active():
                    self._feed.put(left_active)

    async def _unref(self) -> None:
        with suppress(*UNANSWERED):
            await self._unit.unref()

    async def _is_stopping(self, counters: events.Counters) -> bool:
        """Tell whether systemd ends the scope though processes are left in it."""
        if not self._feed.invocation.stopping:
            self._feed.put(await self._unit.state())
        if self._feed.invocation.stopping or not counters.oom_kill:
            return self._feed.invocation.stopping
        # It may not have noticed yet what we have read already.
        properties = await self._unit.read()
        return properties.oom_policy in {"stop", "kill"}

    def _read_counters(self) -> events.Counters:
        """Read the counters."""
        counters = self._scope.counters()
        counters = replace(counters, keeper_killed=self._keeper.was_killed)
        if counters.oomd_marks is None and self._oomd_marks:  # the cgroup is gone
            counters = replace(counters, oomd_marks=self._oomd_marks)
        if (counters.oom_kill or 0) > self._feed.invocation.memory.kills_seen:
            self._handles.memory.look()  # the kill came too late to have woken us
        self._feed.put(counters)
        return counters

    def _read_counters_again(self, before: events.Counters) -> events.Counters:
        """Read the counters when what was left has been waited for.

        systemd kills the keeper too where it has to kill the rest after our stop. Then those from before stand, but
        for the most that was used, and for sums: there may have been more since.
        """
        counters = self._read_counters()
        if counters.processes is None and self._feed.invocation.stop_requested:
            self._feed.put(events.without_totals(before))
        return counters


async def kill_what_outlived(handles: Handles) -> None:
    """Kill what lives on though systemd has given up killing it: it may not send signals to what sudo(8) runs."""
    processes, known = handles.scope.processes(), handles.invocation
    if not processes or not (known.failed or (known.ended and known.stop_requested)):
        return
    with suppress(*UNANSWERED):
        properties = await handles.unit.read()  # by its invocation: the name might be another scope's by now
        if properties.kills_all:
            await kill_all(handles.unit, handles.scope.cgroup)
            await _ended([process.pid for process in processes], within=LAST_MOMENT)


async def read_kernel_log(handles: Handles, silence: float) -> events.KernelLogRead:
    """Return what the kernel log says of the scope until it has named all, or been silent for so many seconds."""
    from scoperun.evidence.membership import membership  # noqa: PLC0415  a run without an OOM does without these
    from scoperun.evidence.scope_log import ScopeLog  # noqa: PLC0415

    invocation = handles.invocation
    ours = membership(handles.start, invocation, keeper=handles.keeper.pid, clock=kernel_clock())
    log = ScopeLog(ours, invocation, page_size=os.sysconf("SC_PAGE_SIZE"))
    since = invocation.memory.killings[0].since if invocation.memory.killings else None
    try:
        was_all = await handles.kernel_log.read(log.take, within=silence, since=since)
    except KernelLogUnreadable as error:
        return events.KernelLogRead(reports=None, reason=str(error))
    return log.found(was_all=was_all)


async def _ended(pids: Iterable[int], *, within: float) -> bool:
    """Wait until these processes have ended, and tell whether they have in so many seconds."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(within):
            for pid in pids:
                await process_ended(pid)
            return True
    return False
