"""The limit on processor time as text. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.verdict import CPU_TIME
from scoperun.spec.sizes import format_time

if TYPE_CHECKING:
    from scoperun.report.report import Report


def is_out_of_cpu_time(report: Report) -> bool:
    """Tell whether the limit on processor time ended the scope."""
    used, limit = _at_the_stop(report), report.limits.cpu_time
    return report.timed_out and used is not None and limit is not None and used >= int(limit * 1e6)


def cpu_time_use(report: Report) -> str:
    """Return what was used of the limit, e.g. `used 1.100s of 1s`; nothing if the limit did not end the scope."""
    if not is_out_of_cpu_time(report):
        return ""
    used = _used(report, _at_the_stop(report) or 0)
    return f"used {used} of {format_time(report.limits.cpu_time or 0)}"


def _at_the_stop(report: Report) -> int | None:
    """Return the microseconds that were used when that was last read for the limit."""
    return next((int(each.value or 0) for each in report.evidence if each.source == CPU_TIME), None)


def _used(report: Report, at_the_stop: int) -> str:
    """Return the use at the end, or that at the stop if the counters were gone at the end.

    at_the_stop: microseconds. The two parts of the use at the end are rounded down.
    """
    then = at_the_stop / 1e6
    if report.cpu.user is not None and report.cpu.system is not None:
        return format_time(max(report.cpu.user + report.cpu.system, then))
    return f"at least {format_time(then)}"
