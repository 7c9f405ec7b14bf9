"""Settling: what is read of a scope once its command has ended, before it is let go."""

from __future__ import annotations

import asyncio
import functools
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun import events
from scoperun.dataclass import dataclass, replace
from scoperun.io.kernel_log import KernelLogUnreadable
from scoperun.io.manager import UNANSWERED
from scoperun.io.wait import process_ended
from scoperun.kernel_report import concerning, names_the_whole_group, without
from scoperun.printable import utf8
from scoperun.report import kernel_may_have_killed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from scoperun.feed import Feed
    from scoperun.io.cgroup import Cgroup
    from scoperun.io.keeper import Keeper
    from scoperun.io.kernel_log import KernelLog
    from scoperun.io.manager import Manager
    from scoperun.io.memory_watch import MemoryWatch
    from scoperun.kernel_report import KernelReport
    from scoperun.report import Start
    from scoperun.request import RunRequest
    from scoperun.scope import ScopeRequest

_SILENCE = 2.0
"""Seconds of silence after which nothing more is expected of journald, which hears of a kill later than we."""

_SILENCE_OF_NOTHING = 0.3
"""The same where there need not have been one."""


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
            self._feed.take(events.Emptied(time.monotonic()))
            counters = self._read_counters(keep_last=is_stopping)
        self._keeper.close()
        await self._hear_the_end(counters, enough)
        has_killed = kernel_may_have_killed(self._start, self._feed.invocation)
        if has_killed is not False:
            self._feed.take(await self.read_kernel_log(_SILENCE if has_killed else _SILENCE_OF_NOTHING))

    async def _stop_leftovers(self) -> bool:
        """Have systemd stop the scope, and tell whether it does; its Result= will not be about the command then."""
        with suppress(*UNANSWERED):
            self._feed.take(await self._systemd.read(self._start.invocation_id))
            self._feed.take(events.StopRequested())
            await self._systemd.stop(self._request)
            return True
        return False

    async def _hear_the_end(self, counters: events.Counters, enough: asyncio.Event) -> None:
        """Wait until the scope has ended, unless something lives on in it, and let go of it."""
        over = functools.partial(self._feed.until, lambda invocation: invocation.over, within=self._systemd.timeout)
        with suppress(*UNANSWERED):
            if not counters.processes:
                await over()
            elif await self._is_stopping(counters):
                await _first_of(over(), enough.wait())
        await asyncio.gather(self._read_properties(), self._unref())  # systemd answers one after the other
        self._feed.catch_up()

    async def _read_properties(self) -> None:
        with suppress(*UNANSWERED):  # it may answer though it announced nothing
            self._feed.take(await self._systemd.read(self._start.invocation_id))

    async def _unref(self) -> None:
        with suppress(*UNANSWERED):
            await self._systemd.unref(self._request)

    async def _is_stopping(self, counters: events.Counters) -> bool:
        """Tell whether systemd ends the scope though processes are left in it."""
        if self._feed.invocation.stopping or not counters.oom_kill:
            return self._feed.invocation.stopping
        # It may not have noticed yet what we have read already.
        properties = await self._systemd.read(self._start.invocation_id)
        return properties.oom_policy in {"stop", "kill"}

    def _read_counters(self, *, keep_last: bool = False) -> events.Counters:
        """Read the counters; those from before stand where the scope is gone since, if `keep_last`."""
        counters = self._cgroup.counters(keeper=self._keeper.pid)
        counters = replace(counters, keeper_killed=self._keeper.was_killed)
        self._feed.catch_up()
        if (counters.oom_kill or 0) > self._feed.invocation.memory.kills_seen:
            self._memory.look()  # the kill came too late to have woken us
            self._feed.catch_up()
        if counters.processes is not None or not keep_last:
            self._feed.take(counters)
        return counters

    async def _emptied_or_enough(self, enough: asyncio.Event) -> None:
        # The third takes in what is announced meanwhile, and never returns.
        with suppress(OSError):  # who cannot be waited for is not waited for
            await _first_of(self._emptied(), enough.wait(), self._feed.until(lambda _: False))

    async def _emptied(self) -> None:
        """Return when none but the keeper is left in the scope: who is born meanwhile is on the next list."""
        while processes := self._cgroup.processes(keeper=self._keeper.pid):
            for process in processes:
                await process_ended(process.pid)

    async def read_kernel_log(self, silence: float) -> events.KernelLogRead:
        """Return what the kernel log says of the scope until it has named all, or been silent for so many seconds."""

        def is_enough(records: Sequence[str]) -> bool:
            return self._names_all(self._reports(records))

        try:
            records = await self._kernel_log.read(is_enough, within=silence)
        except KernelLogUnreadable as error:
            return events.KernelLogRead(reports=None, reason=str(error))
        if reports := self._reports(records):
            return events.KernelLogRead(
                reports=self._without_keeper(reports),
                is_complete=self._names_all(reports),
                keeper_named=self._names_keeper(reports),
            )
        return events.KernelLogRead(reports=(), reason="the kernel log says nothing of this scope")

    def _names_all(self, reports: Sequence[KernelReport]) -> bool:
        """Tell whether the kernel has named as many victims as there must be."""
        properties, counters = self._feed.invocation.properties, self._feed.invocation.counters
        others = self._without_keeper(reports)
        named = sum(len(report.victims) for report in others)
        if properties is not None and properties.oom_policy == "kill":
            most = counters.tasks_peak if counters else None
            return any(map(names_the_whole_group, others)) or (most is not None and named >= most)
        counts = (counters.oom_kill if counters else None, properties.oom_kills if properties else None)
        counted = [count for count in counts if count is not None]
        expected = max(*counted, self._feed.invocation.memory.kills_seen, 1)
        return bool(counted) and named + self._names_keeper(reports) >= expected

    def _reports(self, records: Sequence[str]) -> tuple[KernelReport, ...]:
        from scoperun.kernel_log import parse  # noqa: PLC0415  a run without an OOM does without its patterns

        reports = parse(map(utf8, records), page_size=os.sysconf("SC_PAGE_SIZE"))
        pids = {self._start.pid, self._keeper.pid, *self._feed.invocation.memory.pids}
        return concerning(reports, cgroup=self._start.cgroup or "", pids=pids)

    def _without_keeper(self, reports: Sequence[KernelReport]) -> tuple[KernelReport, ...]:
        return tuple(without(report, pid=self._keeper.pid) for report in reports)

    def _names_keeper(self, reports: Sequence[KernelReport]) -> bool:
        return any(victim.pid == self._keeper.pid for report in reports for victim in report.victims)


async def _first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of them returns, or raises what is raised then, and give up the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
