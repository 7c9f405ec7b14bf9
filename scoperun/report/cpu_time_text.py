"""The limit on processor time as text. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.verdict import CPU_TIME, Verdict
from scoperun.spec.sizes import format_time

if TYPE_CHECKING:
    from scoperun.report.report import Report


def cpu_time_sentence(report: Report) -> str | None:
    """Return what was used of the limit that ended the scope; None if it was not the limit on processor time."""
    limit, weightiest = report.limits.cpu_time, report.evidence[0]
    if report.verdict is not Verdict.TIMEOUT or limit is None or weightiest.source != CPU_TIME:
        return None
    return f"the scope used {_used(report, weightiest.value)} of processor time, and its limit is {format_time(limit)}"


def _used(report: Report, at_the_stop: str | int | None) -> str:
    """Return the use at the end, or that at the stop if the counters were gone at the end.

    at_the_stop: microseconds. The two parts of the use at the end are rounded down.
    """
    then = int(at_the_stop or 0) / 1e6
    if report.cpu.user is not None and report.cpu.system is not None:
        return format_time(max(report.cpu.user + report.cpu.system, then))
    return f"at least {format_time(then)}"
