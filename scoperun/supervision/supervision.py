"""Supervision: a run that has begun, until its report."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from scoperun.errors import InvalidValue
from scoperun.record import replace
from scoperun.report.conclusion import conclude
from scoperun.spec.scope import live_properties
from scoperun.supervision.enforcement import check_limits
from scoperun.supervision.killing import kill_all
from scoperun.supervision.leftovers import stop
from scoperun.supervision.settling import Settling, kill_what_outlived
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.evidence.events import Event, Sampled
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.start import Start
    from scoperun.report.report import Report
    from scoperun.spec.limits import Limits
    from scoperun.supervision.cpu_watch import CpuWatch
    from scoperun.supervision.guard import Guard
    from scoperun.supervision.handles import Handles
    from scoperun.supervision.pressure_watch import PressureWatch
    from scoperun.supervision.soft_watch import SoftWatch
    from scoperun.supervision.tasks import Tasks
    from scoperun.supervision.timeline import Timeline


class Supervision:
    """A run to watch and control. Leaving the context before there is a report kills everything in the scope.

    enough: when set, ends a wait for what the command left behind.
    guard: of a scope that ends with this process; None for others.
    parent_has_ended: the scope was stopped, because a process has ended with which it was to end.
    """

    def __init__(self, handles: Handles, tasks: Tasks, enough: asyncio.Event, guard: Guard | None = None) -> None:
        """Take a run whose scope is started."""
        self.enough = enough
        self.guard = guard
        self.parent_has_ended = False
        self._handles = handles
        self._tasks = tasks
        self._soft_watch = self._watched_softly()
        self._pressure_watch = self._watched_for_pressure()
        self._cpu_watch = self._watched_for_cpu_time()
        self._timeline: Timeline | None = None
        self._version: str | None = None
        self._is_over = False
        self._end: asyncio.Task[None] | None = None
        self._report: Report | None = None

    def _watched_softly(self) -> SoftWatch | None:
        handles = self._handles
        if handles.run.soft_memory is None:
            return None
        from scoperun.supervision.soft_watch import SoftWatch  # noqa: PLC0415  most commands do not need it

        soft_watch = SoftWatch(handles.run.soft_memory, handles.unit, handles.scope, handles.feed)
        self._tasks.start(soft_watch.run())
        return soft_watch

    def _watched_for_pressure(self) -> PressureWatch | None:
        handles = self._handles
        if handles.pressure is None or handles.run.soft_pressure is None:
            return None
        from scoperun.supervision.pressure_watch import PressureWatch  # noqa: PLC0415  most commands do not need it

        watch = PressureWatch(handles.run.soft_pressure, handles.pressure, handles.unit, handles.scope)
        self._tasks.start(watch.run(handles.feed))
        return watch

    def _watched_for_cpu_time(self) -> CpuWatch | None:
        limit = self._handles.start.limits.cpu_time
        if limit is None:
            return None
        from scoperun.supervision.cpu_watch import CpuWatch  # noqa: PLC0415  most commands do not need it

        cpu_watch = CpuWatch(self._handles, limit)
        self._tasks.start(cpu_watch.run())
        return cpu_watch

    def _begun_timeline(self, interval: float) -> Timeline:
        from scoperun.supervision.timeline import Timeline  # noqa: PLC0415  most commands do not need it

        timeline = Timeline(self._handles.scope.cgroup, self._handles.feed, interval)
        self._tasks.start(timeline.run())
        return timeline

    async def __aenter__(self) -> Self:
        """Return the supervision."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill what still runs, unless the scope has settled: what still runs then is meant to live on."""
        if self._timeline is not None:
            self._timeline.close()
        if self._is_over:
            return
        if self._end is not None:
            self._end.cancel()
            await asyncio.wait([self._end])
        with suppress(*UNANSWERED):
            # If the bus was lost, nothing says that the scope has ended; and what systemd says can be wrong.
            if not self._handles.invocation.over or self._handles.scope.holds_keeper:
                await kill_all(self._handles.unit, self._handles.scope.cgroup)

    def begin(self, exited: asyncio.Task[None]) -> None:
        """Begin to wait for the end of the command, which runs by now. exited: done when the command has ended."""
        if self._handles.run.timeline_interval is not None:
            self._timeline = self._begun_timeline(self._handles.run.timeline_interval)
        self._tasks.start(self._learn_version())
        self._end = self._tasks.start(self._to_the_end(exited))

    @property
    def start(self) -> Start:
        """What was known when the command began."""
        return self._handles.start

    @property
    def command(self) -> tuple[str, ...]:
        """The words of the command."""
        return self._handles.run.command

    @property
    def invocation(self) -> Invocation:
        """What is known about the run so far."""
        return self._handles.invocation

    @property
    def keeper_killed(self) -> bool:
        """Whether something has killed the keeper."""
        return self._handles.keeper.was_killed

    @property
    def runs_on(self) -> bool:
        """Whether the command runs, or something that it has left in the scope."""
        return not self.invocation.exited or bool(self._handles.scope.processes())

    @property
    def guard_was_lost(self) -> bool:
        """Whether systemd stops the scope because its guard was killed."""
        return self.guard is not None and self.guard.was_lost

    async def report(self) -> Report:
        """Wait for the end of the run and return how the command ended; the same each time."""
        assert self._end is not None  # noqa: S101  `begin` was called
        await asyncio.shield(self._end)
        if self._report is None:
            start = replace(self.start, systemd=self._version)
            self._report = conclude(self.command, start, self._handles.invocation)
        return self._report

    async def _to_the_end(self, exited: asyncio.Task[None]) -> None:
        """Wait for the end of the command, let the scope settle, and end the watches."""
        self._tasks.start(self._kill_what_outlives())
        try:
            await exited
            if self._timeline is not None:
                self._timeline.look()
            for watch in (self._soft_watch, self._pressure_watch):
                if watch is not None:
                    await watch.not_killing()
            await Settling(self._handles, self.enough).settle()
            self._is_over = True
            if self._soft_watch is not None and not self._handles.invocation.over:
                await self._soft_watch.let_go()
        finally:
            if self._pressure_watch is not None:
                self._pressure_watch.end()
            if self._timeline is not None:
                self._timeline.close()
            self._handles.feed.end()

    async def _kill_what_outlives(self) -> None:
        """Kill the command if systemd gives up the scope while it runs; its exit is then noticed as usual."""
        await self._handles.feed.until(lambda invocation: invocation.exited or invocation.given_up)
        if not self._handles.invocation.exited:
            await kill_what_outlived(self._handles)

    async def _learn_version(self) -> None:
        """Ask for systemd's version while the command runs: neither its start nor its report waits for the answer."""
        with suppress(*UNANSWERED):
            self._version = await self._handles.unit.manager.version()

    def watch(self) -> AsyncIterator[Event]:
        """Yield each event from now on, until there is a report."""
        return self._handles.feed.watch()

    async def samples(self) -> AsyncIterator[Sampled]:
        """Yield each sample of the timeline from now on, until there is a report."""
        from scoperun.evidence.events import Sampled  # noqa: PLC0415  most commands have no timeline

        async for event in self.watch():
            if isinstance(event, Sampled):
                yield event

    @property
    def is_stopped_after_oom(self) -> bool:
        """Whether systemd is stopping the scope after an OOM kill while the command still runs."""
        known = self._handles.invocation
        return known.result == "oom-kill" and known.stopping and not known.exited

    async def kill_after(self) -> float | None:
        """Return the seconds from a stop to its SIGKILL, math.inf if none is sent, None if systemd does not answer."""
        unit = self._handles.unit
        with suppress(*UNANSWERED):
            properties = await unit.read()
            return await unit.timeout_stop() if properties.send_sigkill else math.inf
        return None

    async def set_limits(self, limits: Limits) -> None:
        """Change limits of the running scope, and check that the kernel holds it to them.

        Raises InvalidValue for a limit that cannot be changed, LimitNotEnforced for one that is not in force, one of
        UNANSWERED if systemd refuses.
        """
        run = self._handles.run
        if run.soft_memory is not None and limits.memory_high is not None:
            raise InvalidValue("memory_high cannot be changed: MemoryHigh= is the soft limit of this scope")
        changes = live_properties(limits)
        await self._handles.unit.set_properties(changes)
        if self._cpu_watch is not None:
            self._cpu_watch.look_again()
        if run.require_limits:
            check_limits(changes, self._handles.scope)

    async def stop(self) -> None:
        """Have systemd stop the scope: SIGTERM to every process, and SIGKILL after TimeoutStopSec=.

        Returns when the stop is queued, or the scope has ended already; `report` waits for the end. Raises one of
        UNANSWERED.
        """
        try:
            if not self._handles.invocation.ended:
                await stop(self._handles)
        except UNANSWERED:
            if not self._handles.invocation.ended:
                raise

    async def stop_or_kill(self) -> None:
        """Do the same; kill every process at once if systemd does not stop the scope."""
        with suppress(*UNANSWERED):
            try:
                await self.stop()
            except UNANSWERED:
                await kill_all(self._handles.unit, self._handles.scope.cgroup)

    async def kill(self, number: int) -> None:
        """Send signal `number` to every process of the scope; the keeper blocks all but SIGKILL."""
        await self._handles.unit.kill(number)

    async def freeze(self) -> None:
        """Suspend every process of the scope until `thaw`."""
        await self._handles.unit.freeze()

    async def thaw(self) -> None:
        """Resume the processes of a frozen scope."""
        await self._handles.unit.thaw()
