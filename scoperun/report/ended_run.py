"""A run that has ended: everything that the report on its OOM is made from. No I/O.

There are three values, each made from the one before: `Traces` is what the verdict rests on, `EndedRun` adds everything
else that is known, and `ScopeEnd` is the part that naming the victims needs in addition to the snapshots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import Counters
from scoperun.evidence.oom_kill import JUST_BEFORE, ScopeEnd
from scoperun.evidence.verdict import other_kills
from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.evidence.events import WorkloadExited
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.kernel_report import KernelReport
    from scoperun.evidence.start import Start
    from scoperun.evidence.verdict import Traces
    from scoperun.spec.limits import LimitsInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """A run from its start to its end.

    start: what was learned about the scope once it existed.
    invocation: what is known from its events.
    limits: the limits at the end.
    traces: what the verdict rests on.
    """

    start: Start
    invocation: Invocation
    limits: LimitsInForce
    traces: Traces

    @property
    def exited(self) -> WorkloadExited:
        """How the command ended."""
        assert self.invocation.exit is not None  # noqa: S101  reports are made after the end
        return self.invocation.exit

    @property
    def counters(self) -> Counters:
        """The counters that were read at the end; each is None if they were not read."""
        return self.invocation.counters or Counters()

    @property
    def kernel_reports(self) -> tuple[KernelReport, ...]:
        """The kernel's reports on this scope, none if its log could not be read."""
        log = self.invocation.kernel_log
        return (log and log.reports) or ()

    @property
    def reports_of_kills(self) -> list[KernelReport]:
        """The reports that tell of a kill, including the keeper's.

        There are others: instead of killing, the kernel can let a process finish that is ending already.
        """
        log = self.invocation.kernel_log
        return [each for each in self.kernel_reports if each.victims or (log and each in log.of_keeper)]

    @property
    def end(self) -> ScopeEnd:
        """How the scope ended: what naming its victims needs."""
        properties = self.invocation.properties
        return ScopeEnd(
            pid=self.start.pid,
            exited=self.exited,
            policy=properties.oom_policy if properties else None,
            tasks_peak=self.counters.tasks_peak,
            keeper_killed=self.counters.keeper_killed,
            other_kills=other_kills(self.traces),
            most=self._most(),
            ended_with_scope=self._ended_with_scope(),
        )

    def peak(self, name: str) -> int | None:
        """Return the peak of this name in bytes: from the counters, else from systemd; None if not known."""
        return _first_number((getattr(self.counters, name), getattr(self.invocation.properties, name, None)))

    def _most(self) -> int | None:
        """Return the most bytes of memory and swap that the scope can have had, by its peaks or its limits."""
        memory = _first_number((self.peak("memory_peak"), self.limits.memory_max))
        swap = _first_number((self.peak("memory_swap_peak"), self.limits.memory_swap_max))
        return None if memory is None or swap is None else memory + swap

    def _ended_with_scope(self) -> bool:
        """Tell whether the command can have ended with all other processes, when systemd saw the scope end."""
        exited, scope_ended = self.exited, self.invocation.left_active
        if self.traces.left_scope or self.invocation.awaited_leftovers or exited.late:
            return False
        return scope_ended is None or scope_ended - exited.at <= JUST_BEFORE


def _first_number(numbers: Iterable[int | None]) -> int | None:
    return next((number for number in numbers if number is not None and number != INFINITY), None)
