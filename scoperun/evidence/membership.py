"""Which of the victims that the kernel names by their PIDs alone were in the scope. No I/O.

After ten reports in five seconds the kernel writes `Killed process PID (NAME)` and leaves out the cgroup. By then a PID
from the scope might belong to a process elsewhere. So a process with this PID and name must have disappeared from the
scope at that time, and a kill must have been counted there. The command and the keeper are our children: no other
process can have their PIDs until we have waited for them.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import concerning, is_within
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from scoperun.evidence.events import WorkloadExited
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.kernel_clock import KernelClock
    from scoperun.evidence.kernel_report import KernelReport
    from scoperun.evidence.start import Start

_JUST_BEFORE = 1.0
"""Seconds after the last snapshot in which its processes might have been killed without another snapshot."""

_KILLED = {None, -signal.SIGKILL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Processes that disappeared from the scope while kills were counted there.

    since, until: the two moments, in seconds on the monotonic clock.
    names: the processes' names by PID; None for a name that was not read.
    """

    since: float
    until: float
    names: Mapping[int, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Which processes were in one scope, and when.

    start: what was learned about the scope once it existed.
    keeper: the keeper's PID.
    exited: the command's end, None if it has not ended.
    losses: the processes that disappeared while kills were counted.
    clock: how the kernel log's clock compares with the monotonic clock.
    """

    start: Start
    keeper: int
    exited: WorkloadExited | None
    losses: Iterable[Loss]
    clock: KernelClock

    def certain(self, report: KernelReport) -> tuple[KernelReport, ...]:
        """Return what a report says about victims that were certainly in the scope."""
        return self._concerning(report, self._children(report))

    def likely(self, report: KernelReport) -> tuple[KernelReport, ...]:
        """Return what a report says about victims that were, or might have been, in the scope."""
        return self._concerning(report, self._children(report) | self._lost(report))

    def _concerning(self, report: KernelReport, pids: Collection[int]) -> tuple[KernelReport, ...]:
        return concerning([report], cgroup=self.start.cgroup or "", pids=pids)

    def _children(self, report: KernelReport) -> set[int]:
        """Return the PIDs of our children; the command's only if it was killed in the scope at that time."""
        return {self.keeper, self.start.pid} if self._was_command_killed(report.at) else {self.keeper}

    def _was_command_killed(self, at: float | None) -> bool:
        exited = self.exited
        if exited is None or at is None or exited.status != -signal.SIGKILL or self.clock.is_after(at, exited.at):
            return False
        return exited.cgroup is None or is_within(exited.cgroup, self.start.cgroup or "")

    def _lost(self, report: KernelReport) -> set[int]:
        """Return the PIDs of the victims that might have disappeared from the scope at that time."""
        names = [loss.names for loss in self.losses if self._is_time_of(loss, report.at)]
        return {
            victim.pid
            for victim in report.victims
            if any(victim.pid in lost and lost[victim.pid] in {victim.name, None} for lost in names)
        }

    def _is_time_of(self, loss: Loss, at: float | None) -> bool:
        return at is not None and self.clock.may_be_between(at, loss.since, loss.until)


def membership(start: Start, invocation: Invocation, *, keeper: int, clock: KernelClock) -> Membership:
    """Return what is known about a scope's processes without the kernel log; keeper: the keeper's PID."""
    losses = _losses(invocation)
    return Membership(start=start, keeper=keeper, exited=invocation.exit, losses=losses, clock=clock)


def _losses(invocation: Invocation) -> list[Loss]:
    """Return the losses that snapshots show, and the one that might have followed the last snapshot."""
    memory, counters = invocation.memory, invocation.counters
    found = [
        Loss(
            since=killing.since,
            until=killing.until,
            names={
                each.task.pid: each.task.name if each.name is None else each.name
                for each in killing.ended
                if each.status in _KILLED
            },
        )
        for killing in memory.killings
    ]
    last, counted = memory.last, counters.oom_kill if counters else None
    if last is not None and (counted is None or counted > last.oom_kill):
        names = {task.pid: task.name for task in last.tasks}
        found.append(Loss(since=last.at, until=last.at + _JUST_BEFORE, names=names))
    return found
