"""How one attempt of a job ended. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.verdict import Verdict
from scoperun.record import dataclass, replace

if TYPE_CHECKING:
    from scoperun.evidence.oom_limit import LimitOf
    from scoperun.report.report import Report
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.report.soft_pressure_report import SoftPressureReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that has ended. Sizes are bytes, times seconds; None is what is not known.

    seq: the number of its job. number: its own, from 1. unit: its scope.
    memory: its limit. alone: no other job of the batch ran beside it.
    started, ended: seconds since 1970. runtime: how long it ran.
    verdict: that of the report; None if the command could not be executed.
    exit_status: what scoperun would exit with: 137 for an OOM kill even if the command ended by itself.
    signal: the signal that ended the command.
    limit_of, limit_unit: whose limit was reached, for an OOM kill. limit: that limit then. needed: what was not enough.
    victim: the name of the last process that was killed for memory.
    peak: the most memory that it had.
    was_told_to_end: it was signalled or killed at a soft limit, so that it might have left out work.
    error: why the command could not be executed.
    """

    seq: int
    number: int
    unit: str
    memory: int
    started: float
    ended: float
    alone: bool = False
    runtime: float | None = None
    verdict: Verdict | None = None
    exit_status: int | None = None
    signal: int | None = None
    limit_of: LimitOf | None = None
    limit_unit: str | None = None
    limit: int | None = None
    needed: int | None = None
    victim: str | None = None
    peak: int | None = None
    was_told_to_end: bool = False
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the command did what it was asked for, as far as scoperun can tell."""
        return self.verdict is Verdict.SUCCESS

    @property
    def ran_out(self) -> bool:
        """Whether something in its scope was killed because memory ran out."""
        return self.verdict is Verdict.OOM_KILL


OOM_STATUS = 137
"""What schedulers take for a kill by the kernel: 128 + SIGKILL."""


def reported(report: Report, attempt: Attempt) -> Attempt:
    """Return `attempt`, of which the beginning is known, with what the report says about its end."""
    oom = report.oom
    victims = () if oom is None else oom.victims or ()
    return replace(
        attempt,
        runtime=report.runtime,
        verdict=report.verdict,
        exit_status=OOM_STATUS if report.verdict is Verdict.OOM_KILL else report.exit_status,
        signal=report.signal,
        limit_of=None if oom is None else oom.limit_of,
        limit_unit=None if oom is None else oom.limit_unit,
        limit=None if oom is None else oom.limit,
        needed=None if oom is None else oom.needed,
        victim=victims[-1].name if victims else None,
        peak=report.memory.peak,
        was_told_to_end=any(_told_to_end(soft) for soft in (report.soft_memory, report.soft_pressure)),
    )


def _told_to_end(soft: SoftMemoryReport | SoftPressureReport | None) -> bool:
    """Tell whether a signal was sent at this soft limit, or a kill followed."""
    return soft is not None and (soft.killed or any(each.told for each in soft.passed))
