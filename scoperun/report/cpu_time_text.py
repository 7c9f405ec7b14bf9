"""The limit on processor time as text. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.verdict import CPU_TIME, Verdict
from scoperun.spec.sizes import format_time

if TYPE_CHECKING:
    from scoperun.report.report import Report


def is_out_of_cpu_time(report: Report) -> bool:
    """Tell whether the limit on processor time ended the scope."""
    is_limited = report.verdict is Verdict.TIMEOUT and report.limits.cpu_time is not None
    return is_limited and report.evidence[0].source == CPU_TIME


def cpu_time_use(report: Report) -> str:
    """Return what was used of the limit, e.g. `used 1.100s of 1s`; nothing if the limit did not end the scope."""
    if not is_out_of_cpu_time(report):
        return ""
    used = _used(report, report.evidence[0].value)
    return f"used {used} of {format_time(report.limits.cpu_time or 0)}"


def _used(report: Report, at_the_stop: str | int | None) -> str:
    """Return the use at the end, or that at the stop if the counters were gone at the end.

    at_the_stop: microseconds. The two parts of the use at the end are rounded down.
    """
    then = int(at_the_stop or 0) / 1e6
    if report.cpu.user is not None and report.cpu.system is not None:
        return format_time(max(report.cpu.user + report.cpu.system, then))
    return f"at least {format_time(then)}"
