"""A scope that stands: let the command run in it, see both end, and say how.

Imported while systemd starts the scope, with what only this needs.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from scoperun.errors import ScopeFailed, ScoperunError
from scoperun.evidence.start import Start
from scoperun.kernel import vmstat
from scoperun.kernel.cgroup import NOWHERE, cgroup_of
from scoperun.kernel.descriptors import see_room_to_read
from scoperun.kernel.log import KernelLog
from scoperun.kernel.memory_watch import watching
from scoperun.kernel.scope_cgroup import ScopeCgroup
from scoperun.printable import utf8
from scoperun.record import replace
from scoperun.report.conclusion import conclude
from scoperun.supervision.enforcement import check_limits
from scoperun.supervision.killing import kill_all
from scoperun.supervision.settling import Settling, Sources
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.process.processes import Processes
    from scoperun.report.report import Report
    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.request import RunRequest
    from scoperun.spec.scope import ScopeRequest, StartedScope
    from scoperun.supervision.feed import Feed
    from scoperun.supervision.soft_watch import SoftWatch
    from scoperun.systemd.manager import Manager


class Standing:
    """The scope of one run, from the moment that systemd has started it.

    start: what was known when the command began; set by `begin`. tasks: what goes on beside the command.
    """

    start: Start

    def __init__(
        self, run: RunRequest, started: StartedScope, processes: Processes, systemd: Manager, feed: Feed
    ) -> None:
        """Take the scope as it was started; raises ScoperunError if its limits are not in force."""
        self._run = run
        self._started = started
        self._request = started.request
        self._workload = processes.workload
        self._keeper = processes.keeper
        self._systemd = systemd
        self._feed = feed
        self._version: str | None = None
        self.tasks: list[asyncio.Task[None]] = []
        self._open = ExitStack()
        self._soft_watch: SoftWatch | None = None
        self._scope = self._seen_scope()

    def _seen_scope(self) -> ScopeCgroup:
        commands = cgroup_of(self._workload.pid)
        cgroup = commands.of_unit(self._request.unit)
        # The counters of another cgroup say nothing of the command.
        kills = vmstat.oom_kills() if commands.counts_alone else None
        scope = ScopeCgroup(cgroup or NOWHERE, self._keeper.pid, kills)
        if self._run.require_limits:
            if cgroup is None:
                raise ScopeFailed(
                    f"Failed to start scope {self._request.unit!r}: the command is still in {commands.name}"
                )
            check_limits(self._request.properties, scope)
        return scope

    @property
    def is_inside(self) -> bool:
        """The command is in its scope."""
        return self._scope.cgroup is not NOWHERE

    async def begin(self) -> None:
        """Let the command run, watched from its first instruction."""
        if self._request.is_delegated and self._scope.cgroup != NOWHERE:
            self._give_keeper_a_leaf()
        self._sources = self._open_sources()
        if self._run.soft_memory is not None:
            from scoperun.supervision.soft_watch import SoftWatch  # noqa: PLC0415  the usual command does without

            self._soft_watch = SoftWatch(self._run.soft_memory, self._request, self._sources, self._feed)
            self.tasks.append(asyncio.create_task(self._soft_watch.run()))
        self.start = await self.release()

    def _give_keeper_a_leaf(self) -> None:
        from scoperun.process.keeper_leaf import keeper_leaf  # noqa: PLC0415  the usual command does without

        try:
            self._open.enter_context(keeper_leaf(self._scope.cgroup.path, keeper=self._keeper.pid))
        except OSError as error:
            raise ScoperunError(f"cannot make a cgroup below the scope (Delegate=): {error.strerror}") from None

    def _open_sources(self) -> Sources:
        """Begin to listen to the kernel, before there is anything to hear."""
        try:
            memory = self._open.enter_context(watching(self._scope, give=self._feed.put))
            kernel_log = self._open.enter_context(KernelLog.open())
            see_room_to_read()
        except OSError as error:
            raise ScoperunError(f"cannot watch the scope: {error.strerror}") from None
        return Sources(
            scope=self._scope, keeper=self._keeper, memory=memory, kernel_log=kernel_log, systemd=self._systemd
        )

    async def release(self) -> Start:
        """Let the command run; return what was known when it began."""
        limits = self._limits()
        started, monotonic = datetime.datetime.now(datetime.UTC), time.monotonic()
        await self._workload.release(self._started.invocation_id)
        self.tasks.append(asyncio.create_task(self._learn_version()))
        return Start(
            systemd=None,
            kernel=os.uname().release,
            unit=self._request.unit,
            invocation_id=self._started.invocation_id,
            slice=self._scope.cgroup.slice,
            cgroup=self._scope.cgroup.name or None,
            manager="system" if self._run.system else "user",
            pid=self._workload.pid,
            cwd=_working_directory(self._run.context.working_directory),
            started=started,
            monotonic=monotonic,
            asked=self._started.asked,
            limits=limits,
            soft_memory=self._run.soft_memory,
        )

    def _limits(self) -> LimitsInForce:
        return replace(self._scope.limits(), runtime_max=self._started.runtime_max)

    async def _learn_version(self) -> None:
        """Ask while the command runs: neither its start nor its report waits for that."""
        with suppress(*UNANSWERED):
            self._version = await self._systemd.version()

    def see_changed(self, changes: ScopeRequest) -> None:
        """See that the kernel holds the scope to limits that were changed; raise LimitNotEnforced if not."""
        if self._run.require_limits:
            check_limits(changes.properties, self._scope)

    async def settle(self, enough: asyncio.Event) -> None:
        """Once the command has ended, read what there is to know of the scope, and let it end.

        enough: when set, ends a wait for what the command left behind.
        """
        if self._soft_watch is not None:
            await self._soft_watch.not_killing()
        await self._settling().settle(enough)

    def _settling(self) -> Settling:
        return Settling(self._run, self._request, self._sources, self._feed, self.start)

    async def kill_what_outlived(self) -> None:
        """Kill what lives on though systemd has given up killing it; see Settling."""
        await self._settling().kill_what_outlived()

    async def kill_all(self) -> None:
        """Kill every process of the scope, the keeper included."""
        await kill_all(self._systemd, self._request, self._scope.cgroup)

    async def let_go(self) -> None:
        """Leave what lives on in the scope without its soft limit."""
        if self._soft_watch is not None and not self._feed.invocation.over:
            await self._soft_watch.let_go()

    def report(self) -> Report:
        """Return how the command ended; the scope has settled."""
        return conclude(self._run.command, replace(self.start, systemd=self._version), self._feed.invocation)

    def close(self) -> None:
        """Watch nothing any more; the tasks have ended."""
        self._open.close()


def _working_directory(wanted: str | None) -> str | None:
    with suppress(OSError):  # ours was removed
        return utf8(os.path.realpath(wanted or ""))  # not normpath: link/.. is not beside the link
    return None
