"""Asking the kernel's log about a scope whose command has ended; most runs do without."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.events import KernelLogRead
from scoperun.io.kernel_log import kernel_clock
from scoperun.kernel_report import KernelLogUnreadable, names_the_whole_group, without
from scoperun.membership import Membership
from scoperun.scope_log import ScopeLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.invocation import Invocation
    from scoperun.io.kernel_log import KernelLog
    from scoperun.kernel_report import KernelRecord, KernelReport
    from scoperun.report import Start


class LogReading:
    """One reading of the log, for one scope. keeper: its PID, which is no victim for the report."""

    def __init__(self, start: Start, invocation: Invocation, *, keeper: int) -> None:
        """Take what is known of the scope without the log."""
        self._invocation = invocation
        self._keeper = keeper
        membership = Membership(
            command=start.pid,
            keeper=keeper,
            began=start.monotonic,
            exited=invocation.exit,
            losses=invocation.looks.losses(invocation.counters),
            clock=kernel_clock(),
        )
        self._log = ScopeLog(membership, cgroup=start.cgroup or "", page_size=os.sysconf("SC_PAGE_SIZE"))

    async def read(self, log: KernelLog, *, silence: float) -> KernelLogRead:
        """Return what the log says until it has named all, or been silent for so many seconds."""
        # Before the first kill that was counted there is nothing to read, and a log may be long.
        since = self._invocation.looks.first_kill
        try:
            was_all = await log.read(self._take, within=silence, since=since)
        except KernelLogUnreadable as error:
            return KernelLogRead(reports=None, reason=str(error))
        is_complete = self._names_all()
        return KernelLogRead(
            reports=tuple(without(report, pid=self._keeper) for report in self._reports),
            reason=None if is_complete else self._what_is_missing(was_all=was_all),
            is_complete=is_complete,
            keeper_named=self._names_keeper(),
        )

    def _take(self, records: Sequence[KernelRecord]) -> bool:
        self._log.take(records)
        return self._names_all()

    @property
    def _reports(self) -> tuple[KernelReport, ...]:
        counters = self._invocation.counters
        return self._log.reports(counters.oom_kill if counters else None)

    def _names_all(self) -> bool:
        """Tell whether the kernel has named as many victims as there must be."""
        properties, counters = self._invocation.properties, self._invocation.counters
        reports = self._reports
        others = [without(report, pid=self._keeper) for report in reports]
        if properties is not None and properties.oom_policy == "kill":
            named, most = sum(len(report.victims) for report in others), counters.tasks_peak if counters else None
            return any(map(names_the_whole_group, others)) or (most is not None and named >= most)
        counted = self._counts()
        return bool(counted) and sum(len(report.victims) for report in reports) >= max(*counted, 1)

    def _counts(self) -> list[int]:
        """Return the numbers of kills that were counted in the end, and while the command ran if there are any."""
        properties, counters = self._invocation.properties, self._invocation.counters
        counts = (counters.oom_kill if counters else None, properties.oom_kills if properties else None)
        counted = [count for count in counts if count is not None]
        return counted and [*counted, self._invocation.memory.kills_seen]

    def _names_keeper(self) -> bool:
        return any(victim.pid == self._keeper for report in self._reports for victim in report.victims)

    def _what_is_missing(self, *, was_all: bool) -> str | None:
        """Return why the log does not name all that were killed, as far as that is known."""
        reports = self._reports
        nothing = "" if reports else ", and what was read says nothing of this scope"
        if not was_all:
            return f"the kernel log goes on and on, and was not read to its end{nothing}"
        if self._log.has_gaps:
            return f"the kernel log was overwritten in parts before it was read{nothing}"
        if reports:
            return None
        if any(self._counts()) or self._invocation.memory.kills_seen:
            return "the kernel's report on this scope is not in its log, or not yet"
        return "the kernel log says nothing of this scope"
