"""Whether a process that the kernel names by its PID alone was one of the scope's. No I/O.

After ten reports in five seconds the kernel says `Killed process PID (NAME)` and no more. A PID that was the scope's
may be that of a process elsewhere by then. So a kill must have been counted in the scope in that time, and a process of
this PID and name must have been there before and not afterwards. The command and the keeper are our children: until we
have asked for their status no other process can have their PIDs.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scoperun.events import Counters, MemorySnapshot, WorkloadExited
    from scoperun.kernel_clock import KernelClock
    from scoperun.kernel_report import KernelVictim

_JUST_BEFORE = 1.0
"""Seconds for which a look at a scope stands where there was no other after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Kills that were counted between two moments of the monotonic clock, and the names of those that went by PID."""

    since: float
    until: float
    names: Mapping[int, str | None]


class Looks:
    """What a row of looks at a scope tells of who went when kills were counted."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._last: MemorySnapshot | None = None
        self._losses: list[Loss] = []

    def feed(self, snapshot: MemorySnapshot) -> None:
        """Take in the next look."""
        if self._last is not None and snapshot.oom_kill > self._last.oom_kill:
            names = {each.task.pid: each.task.name for each in snapshot.ended}
            self._losses.append(Loss(since=self._last.at, until=snapshot.at, names=names))
        self._last = snapshot

    @property
    def first_kill(self) -> float | None:
        """The last moment at which no kill had been counted yet, None if none was seen."""
        return self._losses[0].since if self._losses else None

    def losses(self, counters: Counters | None) -> list[Loss]:
        """Return the losses that were seen, and what may have gone since the last look if nobody knows better."""
        last, counted = self._last, counters.oom_kill if counters else None
        if last is None or (counted is not None and counted <= last.oom_kill):
            return self._losses
        names = {task.pid: task.name for task in last.tasks}
        return [*self._losses, Loss(since=last.at, until=last.at + _JUST_BEFORE, names=names)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """Tells whether a victim that is named by its PID alone was the scope's.

    began: when the command began, on the monotonic clock; exited: its end. clock: the kernel log's.
    """

    command: int
    keeper: int
    began: float
    exited: WorkloadExited | None
    losses: Iterable[Loss]
    clock: KernelClock

    def is_child(self, victim: KernelVictim, at: float | None) -> bool:
        """Tell whether a victim of that time is the command, or the keeper, for certain."""
        if victim.pid == self.command and self.exited is not None:
            return self.exited.status == -signal.SIGKILL and self._is_between(at, self.began, self.exited.at)
        return victim.pid in {self.command, self.keeper} and self._is_between(at, self.began, math.inf)

    def was_lost(self, victim: KernelVictim, at: float | None) -> bool:
        """Tell whether a victim of that time is of those that went when kills were counted."""
        return any(
            victim.pid in loss.names
            and loss.names[victim.pid] in {victim.name, None}
            and self._is_between(at, loss.since, loss.until)
            for loss in self.losses
        )

    def _is_between(self, at: float | None, since: float, until: float) -> bool:
        return at is not None and self.clock.may_be_between(at, since, until)
