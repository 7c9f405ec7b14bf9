"""Settling: what is read of a scope once its command has ended, before it is let go."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scoperun import events
from scoperun.errors import BusUnavailable, ManagerError
from scoperun.io.kernel_log import KernelLogUnreadable
from scoperun.io.wait import process_ended
from scoperun.kernel_log import concerning, parse
from scoperun.limits import KEEPER_TASKS
from scoperun.report import may_be_oom
from scoperun.request import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.feed import Feed
    from scoperun.io.cgroup import Cgroup
    from scoperun.io.keeper import Keeper
    from scoperun.io.kernel_log import KernelLog
    from scoperun.io.manager import Manager
    from scoperun.io.memory_watch import MemoryWatch
    from scoperun.kernel_log import KernelReport
    from scoperun.report import Start
    from scoperun.request import RunRequest
    from scoperun.scope import ScopeRequest

UNANSWERED = (BusUnavailable, ManagerError)
"""What a question to systemd may raise: once the command runs, none of it is the command's concern."""

_LOG_TIMEOUT = 2.0
"""Seconds that journald is given to have written what the kernel said before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where what is known of a scope that stands is read from."""

    cgroup: Cgroup
    keeper: Keeper
    memory: MemoryWatch
    kernel_log: KernelLog
    systemd: Manager


class Settling:
    """One scope after its command's end; nothing of it is left afterwards but what lives on in it."""

    def __init__(self, run: RunRequest, request: ScopeRequest, sources: Sources, feed: Feed, start: Start) -> None:
        """Take the scope as it was started."""
        self._run = run
        self._request = request
        self._start = start
        self._cgroup = sources.cgroup
        self._keeper = sources.keeper
        self._memory = sources.memory
        self._kernel_log = sources.kernel_log
        self._systemd = sources.systemd
        self._feed = feed

    async def settle(self, enough: asyncio.Event) -> None:
        """Read what the scope leaves behind, let it end, and read what systemd and the kernel say of it.

        enough: when set, ends a wait for what the command left behind.
        """
        counters = self._read_counters()
        is_stopping = bool(counters.processes) and self._run.kill_leftovers and await self._stop_leftovers()
        if counters.processes and (is_stopping or self._run.wait):
            await self._emptied_or_enough(enough)
            counters = self._read_counters()
        self._keeper.close()
        await self._hear_the_end(counters)
        if may_be_oom(self._start, self._feed.invocation):
            self._feed.take(await self._read_kernel_log())

    async def _stop_leftovers(self) -> bool:
        """Have systemd stop the scope, and tell whether it does; its Result= will not be about the command then."""
        with suppress(*UNANSWERED):
            self._feed.take(await self._systemd.read(self._start.invocation_id))
            self._feed.take(events.StopRequested())
            await self._systemd.stop(self._request)
            return True
        return False

    async def _hear_the_end(self, counters: events.Counters) -> None:
        """Wait until the scope has ended, unless something lives on in it, and let go of it."""
        with suppress(*UNANSWERED):
            if not counters.processes or await self._is_stopping(counters):
                await self._feed.until(lambda invocation: invocation.over, within=self._systemd.timeout)
        with suppress(*UNANSWERED):  # it may answer though it announced nothing
            self._feed.take(await self._systemd.read(self._start.invocation_id))
        self._feed.catch_up()
        with suppress(*UNANSWERED):
            await self._systemd.unref(self._request)

    async def _is_stopping(self, counters: events.Counters) -> bool:
        """Tell whether systemd ends the scope though processes are left in it."""
        if self._feed.invocation.stopping or not counters.oom_kill:
            return self._feed.invocation.stopping
        # It may not have noticed yet what we have read already.
        properties = await self._systemd.read(self._start.invocation_id)
        return properties.oom_policy in {"stop", "kill"}

    def _read_counters(self) -> events.Counters:
        counters = self._cgroup.counters(keeper=self._keeper.pid)
        self._feed.catch_up()
        if (counters.oom_kill or 0) > self._feed.invocation.memory.kills_seen:
            self._memory.look()  # the kill came too late to have woken us
        if (
            counters.processes is not None or self._feed.invocation.counters is None
        ):  # else it is gone, and was read before
            self._feed.take(counters)
        return counters

    async def _emptied_or_enough(self, enough: asyncio.Event) -> None:
        waits = [asyncio.create_task(self._emptied()), asyncio.create_task(enough.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _emptied(self) -> None:
        """Return when none but the keeper is left in the scope: who is born meanwhile is on the next list."""
        while processes := self._cgroup.processes(keeper=self._keeper.pid):
            for process in processes:
                await process_ended(process.pid)

    async def _read_kernel_log(self) -> events.KernelLogRead:
        """Return what the kernel log says of the scope; as many victims as were counted, or one, are all there is."""
        expected = self._kills_expected()

        def is_enough(records: Sequence[str]) -> bool:
            return sum(len(report.victims) for report in self._reports(records)) >= expected

        try:
            records = await self._kernel_log.read(is_enough, within=_LOG_TIMEOUT)
        except KernelLogUnreadable as error:
            return events.KernelLogRead(reports=None, reason=str(error))
        if reports := tuple(_without(each, self._keeper.pid) for each in self._reports(records)):
            return events.KernelLogRead(reports=reports)
        return events.KernelLogRead(reports=(), reason="the kernel log says nothing of this scope")

    def _kills_expected(self) -> int:
        """Return how many victims the kernel will have named, the keeper among them if the scope died as a whole."""
        invocation = self._feed.invocation
        if invocation.counters is not None and invocation.counters.oom_kill is not None:
            return invocation.counters.oom_kill
        died_whole = invocation.properties is not None and invocation.properties.oom_policy == "kill"
        last_seen = invocation.memory.last.tasks if invocation.memory.last else ()
        return len(last_seen) + KEEPER_TASKS if died_whole else 1

    def _reports(self, records: Sequence[str]) -> tuple[KernelReport, ...]:
        reports = parse(map(printable, records), page_size=os.sysconf("SC_PAGE_SIZE"))
        pids = {self._start.pid, *self._feed.invocation.memory.pids}
        return concerning(reports, cgroup=self._start.cgroup or "", pids=pids)


def _without(report: KernelReport, pid: int) -> KernelReport:
    """Return a report without the keeper, which is none of the command's processes."""
    return replace(
        report,
        victims=tuple(victim for victim in report.victims if victim.pid != pid),
        tasks=tuple(task for task in report.tasks if task.pid != pid),
    )
