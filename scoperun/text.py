"""The report in words, for a person at a terminal. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.oom_text import oom_rows, oom_sentence, page_cache, process_names, processes
from scoperun.sizes import INFINITY, format_size, format_time
from scoperun.verdict import KERNEL_COUNT, OOMD_COUNT, Verdict, signal_name

if TYPE_CHECKING:
    from scoperun.report import Report

_LABEL_WIDTH = 10


def report_text(report: Report) -> str:
    """Return the report as lines for stderr: one if the run ended well, a handful if not."""
    if report.verdict is Verdict.SUCCESS:
        left = f"; {_left_running(report)}" if report.left_running else ""
        return f"scoperun: {report.unit}: success; {_runtime(report)}; memory {_memory(report)}{left}"
    rows = [
        ("Scope", _scope(report)),
        ("Verdict", f"{report.verdict}: {_in_words(report)}"),
        *(oom_rows(report, report.oom) if report.oom else []),
        ("Memory", _memory(report)),
        ("Runtime", _runtime(report)),
    ]
    if report.left_running:
        rows.append(("Running", _left_running(report)))
    return "\n".join(f"{label:>{_LABEL_WIDTH}}: {value}" for label, value in rows)


def _left_running(report: Report) -> str:
    left = report.left_running or ()
    return f"{processes(len(left))} left in the scope: {process_names(left)}"


def _scope(report: Report) -> str:
    invocation = f"; invocation {report.invocation_id}" if report.invocation_id else ""
    return report.unit + invocation


def _in_words(report: Report) -> str:
    ended = _ended(report)
    match report.verdict:
        case Verdict.OOM_KILL:
            return oom_sentence(report) + ("" if _command_is_victim(report) else f"; the command {ended}")
        case Verdict.TIMEOUT:
            return f"{_timeout(report)}; the command {ended}"
        case Verdict.RESOURCES:
            return f"systemd could not keep the scope running; the command {ended}"
        case Verdict.UNKNOWN:
            return f"the command {ended}; {_missing(report)}"
        case _:
            return f"the command {ended}"


def _command_is_victim(report: Report) -> bool:
    victims = (report.oom and report.oom.victims) or ()
    return report.pid in {victim.pid for victim in victims}


def _ended(report: Report) -> str:
    if report.signal is not None:
        return f"was killed by signal {report.signal} ({signal_name(report.signal)})"
    return f"exited with status {report.exit_code}"


def _timeout(report: Report) -> str:
    limit = report.limits.runtime_max
    if limit is None or not report.timed_out:
        return "it did not stop when it was told to"
    return f"it ran for longer than {format_time(limit)}"


def _missing(report: Report) -> str:
    values = {evidence.source: evidence.value for evidence in report.evidence}
    missing = ", ".join(source for source, value in values.items() if value is None)
    what = "time" if values.get(KERNEL_COUNT) == values.get(OOMD_COUNT) == 0 else "memory"
    return f"whether it ran out of {what} is not known, for want of {missing or 'evidence'}"


def _memory(report: Report) -> str:
    if report.limits.memory_max is None:
        return "unknown, and limits on it were not enforced: the scope has no memory controller"
    parts = [f"peak {_size(report.memory.peak)}{_of(report.limits.memory_max)}"]
    if cached := _page_cache(report):
        parts.append(f"{format_size(cached)} of it page cache at the end")
    if report.memory.swap_peak:
        parts.append(f"swap peak {format_size(report.memory.swap_peak)}{_of(report.limits.memory_swap_max)}")
    if report.oom is not None and report.oom.kills is not None:
        parts.append(f"OOM kills {report.oom.kills}")
    return ", ".join(parts)


def _page_cache(report: Report) -> int:
    """Return the page cache of a scope that lived at its limit, in bytes: the peak counts it, and it is no need."""
    peak, limit, stat = report.memory.peak, report.limits.memory_max, report.memory.stat or {}
    if report.oom or peak is None or limit is None or peak < limit:
        return 0
    return page_cache(stat) or 0


def _size(size: int | None) -> str:
    return "unknown" if size is None else format_size(size)


def _of(limit: int | None) -> str:
    return "" if limit in {None, INFINITY} else f" of {format_size(limit)}"


def _runtime(report: Report) -> str:
    runtime = format_time(report.runtime)
    if report.cpu.user is None or report.cpu.system is None:
        return runtime
    return f"{runtime}, CPU time {format_time(report.cpu.user + report.cpu.system)}"
