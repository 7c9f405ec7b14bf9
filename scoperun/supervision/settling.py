"""Settling: what is read about a scope after its command has ended and before it is released."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from scoperun.evidence import events
from scoperun.evidence.kernel_report import KernelLogUnreadable
from scoperun.kernel.log import kernel_clock
from scoperun.kernel.wait import LAST_MOMENT, process_ended
from scoperun.record import replace
from scoperun.report.conclusion import kernel_may_have_killed, oomd_has_killed, systemd_may_know_more
from scoperun.supervision.killing import kill_all
from scoperun.supervision.leftovers import first_of, see_to_leftovers
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.process.keeper import Keeper
    from scoperun.supervision.handles import Handles

_SILENCE = 2.0
"""Seconds without a new record after which the kernel log is complete; journald learns of a kill later than we do."""

_SILENCE_OF_NOTHING = 0.3
"""The same if it is unknown whether the kernel killed anything."""


_LAST_WORDS_WITHIN = 5.0
"""Seconds that systemd has for what it still has to say, once a signal has ended the wait."""

_OOMD_KILLS_WITHIN = 1.0
"""Seconds within which systemd-oomd kills the keeper once it has killed the command in the same cgroup."""

_OOMD_KILLED_ENDS_WITHIN = 10.0
"""Seconds within which every process ends that it has killed: one that waits for a disk ends when it has the page."""


class Settling:
    """One scope after its command has ended. Only processes that live on in the scope are left afterwards."""

    def __init__(self, handles: Handles, enough: asyncio.Event) -> None:
        """Take a run whose command has ended; `enough`, when set, ends a wait for what the command left behind."""
        self._handles = handles
        self._unit = handles.unit
        self._scope = handles.scope
        self._keeper = handles.keeper
        self._feed = handles.feed
        self._enough = enough
        self._gives_up_at = 0.0
        self._oomd_marks = OomdMarks(handles.scope, handles.keeper)

    async def settle(self) -> None:
        """Read the counters, let the scope end, and read what systemd and the kernel log say about it."""
        exited = self._feed.invocation.exit
        await self._oomd_marks.look(was_killed=exited is not None and exited.status == -signal.SIGKILL)
        counters = self._read_counters()
        if counters.processes and await see_to_leftovers(self._handles, self._enough):
            counters = self._read_counters_again(counters)
        self._keeper.end()
        await self._hear_the_end(counters)
        has_killed = kernel_may_have_killed(self._handles.start, self._feed.invocation)
        if has_killed is not False:
            self._feed.put(await read_kernel_log(self._handles, has_killed=has_killed))
        if oomd_has_killed(self._handles.start, self._feed.invocation):
            from scoperun.supervision.oomd import read_oomd  # noqa: PLC0415  few runs are killed by systemd-oomd

            self._feed.put(await read_oomd(self._handles))

    async def _hear_the_end(self, counters: events.Counters) -> None:
        """Wait until the scope has ended, unless processes live on in it, read its properties, and release it."""
        with suppress(*UNANSWERED):
            if not counters.processes:
                await first_of(self._over(within=self._unit.timeout), self._given_up())
            elif await self._is_stopping(counters):
                await first_of(self._stopped(), self._enough.wait())
        await first_of(self._read_and_unref(), self._given_up())
        await kill_what_outlived(self._handles)
        self._feed.put(events.LeftRunning(await self._left()))

    async def _over(self, *, within: float) -> None:
        await self._feed.until(lambda invocation: invocation.over, within=within)

    async def _given_up(self) -> None:
        """Return some time after a signal that ends the wait, or soon if the keeper is held, e.g. by a debugger."""
        await self._enough.wait()
        if not await self._keeper.ends_within(LAST_MOMENT):
            return
        now = time.monotonic()
        self._gives_up_at = self._gives_up_at or now + _LAST_WORDS_WITHIN
        await asyncio.sleep(self._gives_up_at - now)

    async def _stopped(self) -> None:
        """Return when systemd has stopped the scope: SIGTERM, SIGKILL after TimeoutStopSec=, and then it gives up."""
        timeout_stop = await self._unit.timeout_stop()
        await self._over(within=2 * timeout_stop + self._unit.timeout)

    async def _left(self) -> tuple[events.Process, ...] | None:
        """Return the processes in the scope, with the keeper if it does not end; None if the scope is gone."""
        processes = self._scope.processes()
        if processes is None or await self._keeper.ends_within(LAST_MOMENT):
            return processes
        return (*processes, self._keeper.process)

    async def _read_and_unref(self) -> None:
        try:
            await self._read_then_unref()
        finally:
            if self._unit.is_ours:  # systemd did not answer, and is not waited for any more
                self._unit.post_unref()

    async def _read_then_unref(self) -> None:
        if self._feed.invocation.left_active is None:  # it might have to be asked for, as long as the unit is loaded
            await self._read_properties()
            await self._unref()
        else:
            await asyncio.gather(self._read_properties(), self._unref())  # systemd handles them in this order

    async def _read_properties(self) -> None:
        if not systemd_may_know_more(self._feed.invocation):
            return
        with suppress(*UNANSWERED):  # systemd might answer although it announced nothing
            self._feed.put(await self._unit.read())
            if self._feed.invocation.result == "timeout" and self._feed.invocation.left_active is None:
                for left_active in await self._unit.left_active():
                    self._feed.put(left_active)

    async def _unref(self) -> None:
        with suppress(*UNANSWERED):
            await self._unit.unref()

    async def _is_stopping(self, counters: events.Counters) -> bool:
        """Tell whether systemd is stopping the scope although processes are left in it."""
        if not self._feed.invocation.stopping:
            self._feed.put(await self._unit.state())
        if self._feed.invocation.stopping or not counters.oom_kill:
            return self._feed.invocation.stopping
        # systemd might not have noticed yet the OOM kill that we have read.
        properties = await self._unit.read()
        if properties.oom_policy == "kill" and properties.oom_kills is not None:  # since 259
            groups = self._scope.cgroup.own_events().get("oom_group_kill")
            if groups is not None:  # then systemd looks at nothing else
                return groups > 0
        return properties.oom_policy in {"stop", "kill"} and not self._is_hidden_from_systemd(counters)

    def _is_hidden_from_systemd(self, counters: events.Counters) -> bool:
        """Tell whether systemd hears nothing of the kills: all were in cgroups below, and those are counted alone."""
        return counters.counts_alone and not (self._scope.cgroup.table("memory.events") or {}).get("oom_kill")

    def _read_counters(self) -> events.Counters:
        """Read the counters, feed them, and return them."""
        counters = self._scope.counters()
        counters = self._oomd_marks.judged(replace(counters, keeper_killed=self._keeper.was_killed))
        if (counters.oom_kill or 0) > self._feed.invocation.memory.kills_seen:
            self._handles.memory.look()  # the kill came too late to wake the watch
        self._feed.put(counters)
        return counters

    def _read_counters_again(self, before: events.Counters) -> events.Counters:
        """Read the counters again after the leftovers were stopped or waited for.

        If systemd has to kill the rest after our stop, it kills the keeper too, and the counters are gone. Then those
        from before stand, but without peaks and sums, which can have grown since.
        """
        counters = self._read_counters()
        if counters.processes is None and self._feed.invocation.stop_requested:
            self._feed.put(events.without_totals(before))
        return counters


class OomdMarks:
    """The marks of systemd-oomd on a scope whose command has ended. A mark is true only if the marked were killed."""

    def __init__(self, scope: ScopeCgroup, keeper: Keeper) -> None:
        """Take a scope and its keeper."""
        self._scope = scope
        self._keeper = keeper
        self._true: Sequence[events.OomdMark] = ()
        self._forged: Sequence[events.OomdMark] = ()

    async def look(self, *, was_killed: bool) -> None:
        """Look for marks, and wait until the processes of the marked cgroups have ended, if systemd-oomd killed them.

        By then the cgroups can be gone, so the marks are read first. The mark on the scope is forged if the keeper
        lives on. It is not believed either if the command ended by itself: systemd might have killed the keeper.

        was_killed: SIGKILL ended the command.
        """
        marks = self._scope.oomd_marks() or ()
        if not was_killed and (own := [mark for mark in marks if mark.cgroup == self._scope.cgroup.name]):
            self._forged = [replace(mark, pids=(self._keeper.pid,)) for mark in own]
            return
        pids = {pid for mark in marks for pid in mark.pids}
        has_begun = await _ended(pids & {self._keeper.pid}, within=_OOMD_KILLS_WITHIN)
        if has_begun and await _ended(pids, within=_OOMD_KILLED_ENDS_WITHIN):
            self._true = [replace(mark, pids=()) for mark in marks]
        elif pids:
            self._forged = marks

    def judged(self, counters: events.Counters) -> events.Counters:
        """Return counters with what was found out about the marks, if the scope is gone.

        In a removed cgroup no process lives, so it no longer shows that a mark is forged.
        """
        if counters.oomd_forged:
            self._forged = counters.oomd_marks or ()
        found = self._true or self._forged
        return replace(counters, oomd_marks=found) if counters.processes is None and found else counters


async def kill_what_outlived(handles: Handles) -> None:
    """Kill processes that systemd has given up killing: a user's systemd may not signal what sudo(8) runs."""
    processes, known = handles.scope.processes(), handles.invocation
    if not processes or not known.given_up:
        return
    with suppress(*UNANSWERED):
        properties = await handles.unit.read()  # by its invocation ID: another scope might have the name by now
        if properties.kills_all:
            await kill_all(handles.unit, handles.scope.cgroup)
            await _ended([process.pid for process in processes], within=LAST_MOMENT)


async def read_kernel_log(handles: Handles, *, has_killed: bool | None) -> events.KernelLogRead:
    """Return what the kernel log says about the scope, or why it cannot be read.

    has_killed: whether the kernel has killed in it, None if that is unknown. If it has, and the log does not name every
    victim before it falls silent, it is read once more: journalctl can have started later than that.
    """
    log, killings = handles.kernel_log, handles.invocation.memory.killings
    since = killings[0].since if killings else None
    try:
        found = await _found(handles, partial(log.read, within=_SILENCE if has_killed else _SILENCE_OF_NOTHING), since)
    except KernelLogUnreadable as error:
        return events.KernelLogRead(reports=None, reason=str(error))
    if has_killed and not found.is_complete and log.is_journal:
        with suppress(KernelLogUnreadable):
            found = await _found(handles, log.read_again, since)
    return found


async def _found(handles: Handles, read: Callable[..., Awaitable[bool]], since: float | None) -> events.KernelLogRead:
    """Return what the kernel log says about the scope since a time. read: a method of KernelLog."""
    from scoperun.evidence.membership import membership  # noqa: PLC0415  a run without an OOM does not need these
    from scoperun.evidence.scope_log import ScopeLog  # noqa: PLC0415

    ours = membership(handles.start, handles.invocation, keeper=handles.keeper.pid, clock=kernel_clock())
    log = ScopeLog(ours, handles.invocation, page_size=os.sysconf("SC_PAGE_SIZE"))
    return log.found(was_all=await read(log.take, since=since))


async def _ended(pids: Iterable[int], *, within: float) -> bool:
    """Wait up to `within` seconds for the end of these processes; tell whether all have ended."""
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(within):
            for pid in pids:
                await process_ended(pid)
            return True
    return False
