"""supervise(): the one coroutine that knows the order, from the request to the report."""

from __future__ import annotations

import asyncio
import datetime
import os
import signal
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from scoperun import events
from scoperun.dataclass import dataclass
from scoperun.enforcement import check_limits
from scoperun.errors import BusLost, InvalidValue, ManagerError, ScopeFailed, ScoperunError
from scoperun.feed import Feed
from scoperun.invocation import Invocation
from scoperun.io import manager
from scoperun.io.cgroup import NOWHERE, Cgroup, cgroup_of
from scoperun.io.descriptors import see_room_to_read
from scoperun.io.kernel_log import KernelLog
from scoperun.io.memory_watch import watching
from scoperun.report import Report, Start, conclude
from scoperun.request import printable
from scoperun.scope import ScopeRequest, generated_unit_name, live_properties, scope_request
from scoperun.settling import UNANSWERED, Settling, Sources
from scoperun.soft_watch import SoftWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.io.manager import Manager
    from scoperun.io.processes import Processes
    from scoperun.limits import Limits
    from scoperun.request import RunRequest


async def supervise(
    run: RunRequest,
    processes: Processes,
    *,
    on_start: Callable[[Start], None] = lambda _: None,
    enough: asyncio.Event | None = None,
) -> Report:
    """Run the held workload in a scope of its own and return how it ended.

    on_start is called when the command runs; enough, when set, ends a wait for what the command left behind.
    """
    async with supervised(run, processes, enough or asyncio.Event()) as supervision:
        on_start(supervision.start)
        return await supervision.report()


@asynccontextmanager
async def supervised(run: RunRequest, processes: Processes, enough: asyncio.Event) -> AsyncIterator[Supervision]:
    """Run the held workload in a scope of its own for the length of the context.

    Whatever breaks it off, an error, a cancellation, or its end before there is a report, ends the workload and leaves
    nothing of the scope.
    """
    feed = Feed()
    async with manager.connect(os.environ, feed.put, system=run.system) as systemd:
        supervision = Supervision(run, processes, systemd, feed, enough)
        async with supervision.listening():
            try:
                await supervision.begin()
                yield supervision
            finally:
                if not supervision.is_over:
                    await supervision.abandon()


@dataclass(frozen=True, slots=True)
class _Scope:
    """The scope once it stands."""

    cgroup: Cgroup
    invocation_id: str
    asked: float


class Supervision:
    """One run from its start to its report; each step happens at most once.

    start: what was known when the command began; set by `begin`.
    """

    start: Start

    def __init__(
        self, run: RunRequest, processes: Processes, systemd: Manager, feed: Feed, enough: asyncio.Event
    ) -> None:
        """Take what `supervised` has at hand; `enough` ends a wait for what the command left behind."""
        self.is_over = False
        self._enough = enough
        self._version: str | None = None
        self._run = run
        self._workload = processes.workload
        self._keeper = processes.keeper
        self._systemd = systemd
        self._feed = feed
        self._tasks: list[asyncio.Task[None]] = []
        self._exit: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None
        self._soft_watch: SoftWatch | None = None
        self._open = ExitStack()
        unit = run.unit or generated_unit_name(run.command[0], os.getpid(), os.urandom(4).hex())
        inherited_slice = cgroup_of(os.getpid()).slice_of_manager(system=run.system) if run.slice_inherit else None
        self._request = scope_request(unit, run.scope_properties(inherited_slice=inherited_slice))

    async def begin(self) -> None:
        """Start the scope, and let the command run in it."""
        self._scope = await self.start_scope()
        self._sources = self._open_sources(self._scope.cgroup)
        if self._run.soft_memory is not None:
            self._soft_watch = SoftWatch(self._run.soft_memory, self._request, self._sources, self._feed)
            self._tasks.append(asyncio.create_task(self._soft_watch.run()))
        self.start = await self.release(self._scope)
        self._end = asyncio.create_task(self._to_the_end())
        self._tasks.append(self._end)

    async def report(self) -> Report:
        """Return how the command ended, once it has."""
        assert self._end is not None  # noqa: S101  it has begun
        await asyncio.shield(self._end)
        return conclude(self._run.command, replace(self.start, systemd=self._version), self._feed.invocation)

    async def _to_the_end(self) -> None:
        try:
            await self._exited()
            if self._soft_watch is not None:
                await self._soft_watch.not_killing()
            settling = Settling(self._run, self._request, self._sources, self._feed, self.start)
            await settling.settle(self._enough)
            self.is_over = True
            if self._soft_watch is not None and not self._feed.invocation.over:
                await self._soft_watch.let_go()
        finally:
            self._feed.end()

    async def _exited(self) -> None:
        """Take in events until the command has ended; raise if nobody will ever tell us how."""
        assert self._exit is not None  # noqa: S101  we listen
        taking = asyncio.create_task(self._feed.until(lambda invocation: invocation.exited))
        try:
            await asyncio.gather(self._exit, taking)
        finally:
            taking.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Have the end of the command and the loss of the bus queued beside what systemd announces."""

        async def command() -> None:
            self._feed.put(await self._workload.wait())

        async def bus() -> None:
            self._feed.put(events.BusLost(await self._systemd.lost()))

        self._exit = asyncio.create_task(command())
        self._tasks += [self._exit, asyncio.create_task(bus())]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._open.close()

    async def start_scope(self) -> _Scope:
        """Have systemd start the scope with both processes in it, and see that its limits are in force."""
        pids = [self._workload.pid, self._keeper.pid]
        asked = time.monotonic()
        try:
            self._request = await self._systemd.start(self._request, pids=pids)
        except ManagerError:
            self.is_over = True  # systemd may have announced the unit already, and will never say that it ended
            raise
        await self._feed.until(lambda invocation: invocation.started, within=self._systemd.timeout)
        self._check_job()
        invocation_id = await self._systemd.invocation_id(self._request)
        cgroup = cgroup_of(self._workload.pid)
        is_inside = f"/{self._request.unit}/" in f"{cgroup.name}/"
        if self._run.require_limits:
            if not is_inside:
                raise ScopeFailed(
                    f"Failed to start scope {self._request.unit!r}: the command is in {cgroup.name} still"
                )
            check_limits(self._request.properties, cgroup)
        if not is_inside:
            cgroup = NOWHERE  # the counters of another cgroup say nothing of the command
        return _Scope(cgroup, invocation_id, asked)

    def _open_sources(self, cgroup: Cgroup) -> Sources:
        """Begin to listen to the kernel, before there is anything to hear."""
        try:
            memory = self._open.enter_context(watching(cgroup, keeper=self._keeper.pid, give=self._feed.put))
            kernel_log = self._open.enter_context(KernelLog.open())
            see_room_to_read()
        except OSError as error:
            raise ScoperunError(f"cannot watch the scope: {error.strerror}") from None
        return Sources(cgroup=cgroup, keeper=self._keeper, memory=memory, kernel_log=kernel_log, systemd=self._systemd)

    async def release(self, scope: _Scope) -> Start:
        """Let the command run; return what was known when it began."""
        limits = replace(scope.cgroup.limits(), runtime_max=self._request.runtime_max)
        started, monotonic = datetime.datetime.now(datetime.UTC), time.monotonic()
        await self._workload.release(scope.invocation_id)
        self._tasks.append(asyncio.create_task(self._learn_version()))
        return Start(
            systemd=None,
            kernel=os.uname().release,
            unit=self._request.unit,
            invocation_id=scope.invocation_id,
            slice=scope.cgroup.slice,
            cgroup=scope.cgroup.name or None,
            manager="system" if self._run.system else "user",
            pid=self._workload.pid,
            cwd=_working_directory(self._run.context.working_directory),
            started=started,
            monotonic=monotonic,
            asked=scope.asked,
            limits=limits,
            soft_memory=self._run.soft_memory,
        )

    async def _learn_version(self) -> None:
        """Ask while the command runs: neither its start nor its report waits for that."""
        with suppress(*UNANSWERED):
            self._version = await self._systemd.version()

    def watch(self) -> AsyncIterator[events.Event]:
        """Give what happens from now on, until there is a report."""
        return self._feed.watch()

    async def set_limits(self, limits: Limits) -> None:
        """Change limits of the running scope, and see that the kernel holds it to them."""
        if self._run.soft_memory is not None and limits.memory_high is not None:
            raise InvalidValue("memory_high cannot be changed: MemoryHigh= is the soft limit of this scope")
        changes = ScopeRequest(unit=self._request.unit, properties=live_properties(limits))
        await self._systemd.set_properties(changes)
        if self._run.require_limits:
            check_limits(changes.properties, self._scope.cgroup)
        in_force = replace(self._scope.cgroup.limits(), runtime_max=self._request.runtime_max)
        self.start = replace(self.start, limits=in_force)

    async def kill(self, number: int) -> None:
        """Send signal `number` to every process of the scope; the keeper blocks all but SIGKILL."""
        await self._systemd.kill(self._request, number)

    async def freeze(self) -> None:
        """Have no process of the scope run, until `thaw`."""
        await self._systemd.freeze(self._request)

    async def thaw(self) -> None:
        """Have the processes of a frozen scope run again."""
        await self._systemd.thaw(self._request)

    async def abandon(self) -> None:
        """End what was started, and see the scope gone if systemd still answers."""
        await self._stop_reading()
        with suppress(*UNANSWERED):
            if self._workload.released and not self._feed.invocation.over:
                await self._systemd.kill(self._request, signal.SIGKILL)
        self._workload.kill()
        self._keeper.close()
        self._feed.catch_up()
        with suppress(*UNANSWERED):
            if self._feed.invocation.active_state is not None:
                await self._feed.until(lambda invocation: invocation.over, within=self._systemd.timeout)
                await self._systemd.unref(self._request)

    async def _stop_reading(self) -> None:
        """Have the queue to ourselves."""
        if self._end is not None:
            self._end.cancel()
            await asyncio.wait([self._end])

    def _check_job(self) -> None:
        match self._feed.invocation:
            case Invocation(job_result="done"):
                return
            case Invocation(job_result=None, bus_lost=reason):
                raise BusLost(f"Failed to start scope {self._request.unit!r}: the bus is lost: {reason}")
            case Invocation(job_result=result):
                raise ScopeFailed(
                    f"Failed to start scope {self._request.unit!r}: its job ended as {result!r}",
                    hint=f"see: journalctl{'' if self._run.system else ' --user'} -u {self._request.unit}",
                )


def _working_directory(wanted: str | None) -> str | None:
    with suppress(OSError):  # ours was removed
        return printable(os.path.realpath(wanted or ""))  # not normpath: link/.. is not beside the link
    return None
