"""supervise(): the one coroutine that knows the order, from the request to the report."""

from __future__ import annotations

import asyncio
import math
import os
import time
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from scoperun.errors import BusLost, InvalidValue, ManagerError, ScopeFailed, ScoperunError
from scoperun.evidence import events
from scoperun.evidence.invocation import Invocation
from scoperun.spec.scope import ScopeRequest, StartedScope, generated_unit_name, live_properties, scope_request
from scoperun.supervision.feed import Feed
from scoperun.systemd import manager
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.evidence.start import Start
    from scoperun.process.processes import Processes
    from scoperun.report.report import Report
    from scoperun.spec.limits import Limits
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.standing import Standing
    from scoperun.systemd.manager import Manager


async def supervise(run: RunRequest, processes: Processes) -> Report:
    """Run the held workload in a scope of its own and return how it ended."""
    async with supervised(run, processes, asyncio.Event()) as supervision:
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


class Supervision:
    """One run from its start to its report; each step happens at most once."""

    def __init__(
        self, run: RunRequest, processes: Processes, systemd: Manager, feed: Feed, enough: asyncio.Event
    ) -> None:
        """Take what `supervised` has at hand; `enough` ends a wait for what the command left behind."""
        self.is_over = False
        self.enough = enough
        self._run = run
        self._processes = processes
        self._workload = processes.workload
        self._systemd = systemd
        self._feed = feed
        self._tasks: list[asyncio.Task[None]] = []
        self._exit: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None
        self._standing: Standing | None = None
        self._open = ExitStack()
        unit = run.unit or generated_unit_name(run.command[0], os.getpid(), os.urandom(4).hex())
        self._request = scope_request(unit, run.scope_properties(inherited_slice=_inherited_slice(run)))

    @property
    def start(self) -> Start:
        """What was known when the command began."""
        return self._scope.start

    @property
    def _scope(self) -> Standing:
        assert self._standing is not None  # noqa: S101  it has begun
        return self._standing

    async def begin(self) -> None:
        """Start the scope, and let the command run in it."""
        self._standing = await self.start_scope()
        self._open.callback(self._standing.close)
        await self._standing.begin()
        self._end = asyncio.create_task(self._to_the_end())
        self._tasks.append(self._end)

    async def report(self) -> Report:
        """Return how the command ended, once it has."""
        assert self._end is not None  # noqa: S101  it has begun
        await asyncio.shield(self._end)
        return self._scope.report()

    async def _to_the_end(self) -> None:
        try:
            await self._exited()
            await self._scope.settle(self.enough)
            self.is_over = True
            await self._scope.let_go()
        finally:
            self._feed.end()

    async def _exited(self) -> None:
        """Take in events until the command has ended; raise if nobody will ever tell us how."""
        assert self._exit is not None  # noqa: S101  we listen
        taking = asyncio.create_task(self._take_until_exited())
        try:
            await asyncio.gather(self._exit, taking)
        finally:
            taking.cancel()

    async def _take_until_exited(self) -> None:
        await self._feed.until(lambda invocation: invocation.exited or invocation.failed)
        if not self._feed.invocation.exited:
            await self._scope.kill_what_outlived()
            await self._feed.until(lambda invocation: invocation.exited)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Have the end of the command and the loss of the bus queued beside what systemd announces."""

        async def command() -> None:
            self._feed.put(await self._workload.wait())

        async def bus() -> None:
            self._feed.put(events.ConnectionLost(await self._systemd.lost()))

        self._exit = asyncio.create_task(command())
        self._tasks += [self._exit, asyncio.create_task(bus())]
        with self._open:
            try:
                yield
            finally:
                tasks = [*self._tasks, *(self._standing.tasks if self._standing else ())]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def start_scope(self) -> Standing:
        """Have systemd start the scope with both processes in it."""
        pids = [self._workload.pid, self._processes.keeper.pid]
        asked = time.monotonic()
        try:
            self._request = await self._systemd.start(self._request, pids=pids)
        except ManagerError:
            self.is_over = True  # systemd may have announced the unit already, and will never say that it ended
            raise
        try:
            # The kernel mostly takes longer to move the processes than this: time that would be spent waiting.
            from scoperun.supervision.standing import Standing  # noqa: PLC0415
        except OSError as error:  # as of too few descriptors
            await self._until_started()
            raise ScoperunError(f"cannot watch the scope: {error.strerror}") from None
        await self._until_started()
        started = await self._started(asked)
        standing = Standing(self._run, started, self._processes, self._systemd, self._feed)
        if not standing.is_inside:
            await self._see_no_strangers()
        return standing

    async def _see_no_strangers(self) -> None:
        from scoperun.supervision.strangers import see_no_strangers  # noqa: PLC0415  it does not happen

        await see_no_strangers(self._request, self._processes, self._systemd)

    async def _started(self, asked: float) -> StartedScope:
        """Read what systemd made of the request."""
        invocation_id, runtime_max = await asyncio.gather(
            self._systemd.invocation_id(self._request), self._systemd.runtime_max(self._request)
        )
        return StartedScope(request=self._request, invocation_id=invocation_id, asked=asked, runtime_max=runtime_max)

    def watch(self) -> AsyncIterator[events.Event]:
        """Give what happens from now on, until there is a report."""
        return self._feed.watch()

    @property
    def is_stopped_after_oom(self) -> bool:
        """Systemd ends the scope because a process in it ran out of memory, and the command still runs."""
        known = self._feed.invocation
        return known.result == "oom-kill" and known.stopping and not known.exited

    async def kill_after(self) -> float | None:
        """Return the seconds from a stop to its SIGKILL, math.inf if none is sent; None if that is not known."""
        with suppress(*UNANSWERED):
            properties = await self._systemd.read(self.start.invocation_id)
            return await self._systemd.timeout_stop(self._request) if properties.send_sigkill else math.inf
        return None

    async def set_limits(self, limits: Limits) -> None:
        """Change limits of the running scope, and see that the kernel holds it to them."""
        if self._run.soft_memory is not None and limits.memory_high is not None:
            raise InvalidValue("memory_high cannot be changed: MemoryHigh= is the soft limit of this scope")
        changes = ScopeRequest(unit=self._request.unit, properties=live_properties(limits))
        await self._systemd.set_properties(changes)
        self._scope.see_changed(changes)

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
        """End what was started, and see the scope gone if systemd still answers; raise if others are in there."""
        await self._stop_reading()
        with suppress(*UNANSWERED):
            if not self._workload.released and self._is_announced:
                await self._see_no_strangers()
            elif self._workload.released and not self._feed.invocation.over:
                await self._scope.kill_all()
        self._processes.keeper.end()
        self._workload.kill()
        self._feed.catch_up()
        with suppress(*UNANSWERED):
            if self._is_announced:
                await self._feed.until(lambda invocation: invocation.over, within=self._systemd.timeout)
                await self._systemd.unref(self._request)

    @property
    def _is_announced(self) -> bool:
        """The scope is there, and systemd tells us what becomes of it."""
        return self._feed.invocation.active_state is not None and self._systemd.announces

    async def _stop_reading(self) -> None:
        """Have the queue to ourselves."""
        if self._end is not None:
            self._end.cancel()
            await asyncio.wait([self._end])

    async def _until_started(self) -> None:
        """Take in events until the scope stands; raise if it never will."""
        await self._feed.until(lambda invocation: invocation.started, within=self._systemd.timeout)
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


def _inherited_slice(run: RunRequest) -> str | None:
    if not run.slice_inherit:
        return None
    from scoperun.kernel.cgroup import cgroup_of  # noqa: PLC0415  others need it later

    return cgroup_of(os.getpid()).slice_of_manager(system=run.system)
