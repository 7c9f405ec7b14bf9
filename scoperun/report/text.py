"""The report as text, for a person at a terminal. No I/O."""

from __future__ import annotations

from signal import SIGTERM
from typing import TYPE_CHECKING

from scoperun.evidence.verdict import KERNEL_COUNT, OOMD_COUNT, Verdict
from scoperun.printable import one_line
from scoperun.report.oom_text import oom_rows, oom_sentence, page_cache, process_names, processes
from scoperun.spec.sizes import INFINITY, format_size, format_time
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from scoperun.report.oom_report import Oom
    from scoperun.report.report import Report
    from scoperun.report.soft_memory_report import SoftMemoryReport

_LABEL_WIDTH = 10

_NOTICEABLE = 0.05
"""Seconds, and share of the runtime, above which the report says that the command was held back."""

_MEMORY_SETTINGS = {"memory_max": "MemoryMax=", "memory_swap_max": "MemorySwapMax="}


def report_text(report: Report, *, kill_after: str = "timeout_stop") -> str:
    """Return the report as lines for stderr: one line if the run succeeded, otherwise several.

    kill_after: the caller's name for the time between SIGTERM and SIGKILL, e.g. the field or the option.
    """
    soft = _soft(report.soft_memory, kill_after) if report.soft_memory and report.soft_memory.passed else ""
    if report.verdict is Verdict.SUCCESS:
        parts = [
            f"success; {'runtime ' if report.runtime is None else ''}{_runtime(report)}",
            f"memory {_memory(report)}",
        ]
        parts += [f"soft limit of {soft}"] if soft else []
        parts += [text for _, text in (*_reached(report), *_beyond(report))]
        parts += [_left_running(report)] if report.left_running else []
        return f"scoperun: {one_line(f'{report.unit}: ' + '; '.join(parts))}"
    rows = [
        ("Scope", _scope(report)),
        ("Verdict", f"{report.verdict}: {_in_words(report)}"),
        *([("Command", _end_beside_oom(report))] if _end_is_untold(report) else []),
        *(oom_rows(report, report.oom) if report.oom else []),
        *([("Soft", soft)] if soft else []),
        *_reached(report),
        *_beyond(report),
        ("Memory", _memory(report)),
        ("Runtime", _runtime(report)),
    ]
    if report.left_running:
        rows.append(("Running", _left_running(report)))
    # one_line(): a value with a newline could pass for a row, and names and cgroup paths can contain anything.
    return "\n".join(f"{label:>{_LABEL_WIDTH}}: {one_line(value)}" for label, value in rows)


def kernel_log_text(oom: Oom) -> str:
    """Return the kernel's own records as lines, or why there are none."""
    if oom.kernel_log is None:
        return one_line(f"scoperun: {oom.kernel_log_reason or 'the kernel log was not asked'}")
    return "\n".join(one_line(record) for report in oom.kernel_log for record in report.records)


def _soft(soft: SoftMemoryReport, kill_after: str) -> str:
    """Return `15M passed after 1.200s: SIGTERM sent`."""
    first, told = soft.passed[0], [each for each in soft.passed if each.told]
    if soft.signal is None:
        return f"{format_size(soft.limit)} passed after {format_time(first.at)}"
    times = f" {len(soft.passed)} times, first" if len(soft.passed) > 1 else ""
    sent = "sent" if len(told) == len(soft.passed) else "not sent each time" if told else "could not be sent"
    killed = f"; still above it after {kill_after}: killed" if soft.killed else ""
    return f"{format_size(soft.limit)} passed{times} after {format_time(first.at)}: {soft.signal} {sent}{killed}"


def _reached(report: Report) -> list[tuple[str, str]]:
    """Return the limits that held the command back without killing it, each after its label."""
    rows, limits, throttled = [], report.limits, report.cpu.throttled or 0
    above = (report.memory.events or {}).get("high", 0)
    if above and limits.memory_high not in {None, INFINITY} and report.soft_memory is None:
        rows.append(("High", f"slowed down above MemoryHigh={format_size(limits.memory_high)}, {_times(above)}"))
    if throttled > max(_NOTICEABLE, _NOTICEABLE * (report.runtime or 0)):
        allowed = "" if limits.cpu_quota in {None, INFINITY} else f" of {limits.cpu_quota:g} processors"
        rows.append(("CPU", f"held back for {format_time(throttled)} by the limit{allowed}"))
    if report.tasks_refused:
        is_own = limits.tasks_max not in {None, INFINITY} and (report.tasks_peak or 0) >= limits.tasks_max
        whose = f"the limit of {limits.tasks_max} tasks" if is_own else "a limit on tasks above the scope"
        rows.append(("Tasks", f"{whose} was reached: a process or thread was refused {_times(report.tasks_refused)}"))
    return rows


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _beyond(report: Report) -> list[tuple[str, str]]:
    """Return what escaped the limits of the scope, each after its label."""
    rows = []
    if report.left_scope is not None:
        rows.append(("Left", f"the command left the scope, and its limits with it: it ended in {report.left_scope}"))
    if report.cpu.outside is not None:
        used = f"{format_time(report.cpu.outside)} of processor time was used outside of the scope, beyond its limits"
        rows.append(("Outside", used))
    return rows


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
            return oom_sentence(report)
        case Verdict.TIMEOUT:
            return f"{_timeout(report)}; the command {ended}"
        case Verdict.RESOURCES:
            return f"systemd could not keep the scope running; the command {ended}"
        case Verdict.UNKNOWN:
            return f"the command {ended}; {_missing(report)}"
        case _:
            return f"the command {ended}"


def _end_is_untold(report: Report) -> bool:
    """Tell whether the list of an OOM's victims leaves the command's own end open."""
    victims = (report.oom and report.oom.victims) or ()
    return report.verdict is Verdict.OOM_KILL and report.pid not in {victim.pid for victim in victims}


def _end_beside_oom(report: Report) -> str:
    """Return how the command itself ended when something else in its scope ran out of memory."""
    is_stopped = report.oom is not None and report.oom.policy == "stop" and report.signal == SIGTERM
    return _ended(report) + (", as systemd stops the rest of the scope then (OOMPolicy=stop)" if is_stopped else "")


def _ended(report: Report) -> str:
    if report.signal is not None:
        return f"was killed by signal {report.signal} ({signal_name(report.signal)})"
    return f"exited with status {report.exit_code}"


def _timeout(report: Report) -> str:
    from scoperun.report.cpu_time_text import cpu_time_sentence  # noqa: PLC0415  few runs time out

    if (used_up := cpu_time_sentence(report)) is not None:
        return used_up
    limit = report.limits.runtime_max
    if limit is None or not report.timed_out:
        return "it did not stop when it was told to"
    return f"the scope ran for longer than {format_time(limit)}"


def _missing(report: Report) -> str:
    if report.left_scope is not None:
        return "whether it ran out of memory is not known, because it had left the scope"
    if report.runtime is None and report.result == "timeout":
        return "whether it ran out of time is not known, because scoperun was stopped when it ended"
    values = {evidence.source: evidence.value for evidence in report.evidence}
    missing = ", ".join(source for source, value in values.items() if value is None)
    what = "time" if values.get(KERNEL_COUNT) == values.get(OOMD_COUNT) == 0 else "memory"
    return f"whether it ran out of {what} is not known, for want of {missing or 'evidence'}"


def _memory(report: Report) -> str:
    if report.limits.memory_max is None:
        return "unknown, and limits on it were not enforced: the scope has no memory controller"
    parts = [f"peak {_size(report.memory.peak)}{_of_limit(report, 'memory_max')}"]
    if cached := _page_cache(report):
        parts.append(f"{format_size(cached)} of it page cache at the end")
    if report.memory.swap_peak:
        parts.append(f"swap peak {format_size(report.memory.swap_peak)}{_of_limit(report, 'memory_swap_max')}")
    if report.oom is not None and report.oom.kills is not None:
        parts.append(f"OOM kills {report.oom.kills}")
    return ", ".join(parts)


def _page_cache(report: Report) -> int:
    """Return the page cache in bytes if the peak reached the limit, else 0: the peak counts it, the need does not."""
    peak, limit, stat = report.memory.peak, report.limits.memory_max, report.memory.stat or {}
    if report.oom or peak is None or limit is None or peak < limit:
        return 0
    return page_cache(stat) or 0


def _size(size: int | None) -> str:
    return "unknown" if size is None else format_size(size)


def _of_limit(report: Report, name: str) -> str:
    """Return ` of 20M`; both values if the limit changed, because either might have held at the peak."""
    limit, changed = getattr(report.limits, name), report.limits_changed or {}
    if name in changed:
        return f", {_MEMORY_SETTINGS[name]} {_limit(limit)} at the end, {_limit(changed[name])} at the start"
    return "" if limit in {None, INFINITY} else f" of {format_size(limit)}"


def _limit(limit: float | None) -> str:
    return "unknown" if limit is None else format_size(int(limit))


def _runtime(report: Report) -> str:
    runtime = "not known" if report.runtime is None else format_time(report.runtime)
    if report.cpu.user is None or report.cpu.system is None:
        return runtime
    return f"{runtime}, CPU time {format_time(report.cpu.user + report.cpu.system)}"
