"""What a run used and which limits held it back, in words. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.report.names import limit_of, setter
from scoperun.report.oom_text import composition, page_cache
from scoperun.spec.sizes import INFINITY, format_size, format_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scoperun.report.report import Report
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.report.soft_pressure_report import SoftPressureReport

_NOTICEABLE = 0.05
"""Seconds, and share of the runtime, above which the report says that the command was held back."""

_WAITED = {"memory": (0.1, 0.1), "disks": (1.0, 0.5), "a processor": (1.0, 0.5)}
"""Seconds, and share of the runtime, from which the report says that the command waited for something.

Every command waits for disks and processors, and one that starts may do little else.
"""
_NOTICEABLE_USE = 1 << 20
"""Bytes read and written above which the report mentions disks."""

_SETTINGS = {"memory_max": "MemoryMax=", "memory_swap_max": "MemorySwapMax="}

_NO_CONTROLLER = "this scope has no memory controller: limits on memory were not enforced"


def usage(report: Report) -> str:
    """Return `213ms, CPU 200ms, memory 10.2M of 20M`, for a report of one line."""
    return f"{time(report)}, memory {_peak(report)}"


def ratio(report: Report) -> str:
    """Return the peak of memory and its limit: `10.2M/20M`, `10.2M/infinity`, `unknown/20M`."""
    return f"{_size(report.memory.peak)}/{_size(report.limits.memory_max)}"


def time(report: Report) -> str:
    """Return `213ms, CPU 200ms`."""
    runtime = duration(report)
    if report.cpu.user is None or report.cpu.system is None:
        return runtime
    return f"{runtime}, CPU {format_time(report.cpu.user + report.cpu.system)}"


def duration(report: Report) -> str:
    """Return how long the command ran."""
    return "time unknown" if report.runtime is None else format_time(report.runtime)


def memory(report: Report) -> str:
    """Return the peaks of memory and swap with their limits, and after an OOM what the memory consisted of."""
    if report.limits.memory_max is None:
        return f"unknown; {_NO_CONTROLLER}"
    parts = [f"peak {_peak(report)}"]
    if report.oom is not None:
        if report.limits.memory_swap_max == 0 and not report.memory.swap_peak:
            parts.append("no swap allowed")
        parts += [f"of it {uses}"] if (uses := composition(report, report.oom)) else []
        is_kernels = report.oom.oomd is None  # systemd-oomd kills all of a cgroup at once
        parts += [f"{report.oom.kills} OOM kills"] if is_kernels and (report.oom.kills or 0) > 1 else []
    return ", ".join(parts)


def disk(report: Report) -> str:
    """Return `12M read, 3M written`; empty if that is not known or little, e.g. what was read to start the command."""
    use = report.io
    if use is None or use.read + use.written < _NOTICEABLE_USE:
        return ""
    parts = [(use.read, "read"), (use.written, "written")]
    return ", ".join(f"{format_size(size)} {what}" for size, what in parts if size)


def noticeable(report: Report, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what also has to be said of a run that ended well, each after its label."""
    return [*_soft(report, names), *_reached(report, names), *_waited(report), *_beyond(report)]


def unenforced(report: Report) -> list[tuple[str, str]]:
    """Return that limits on memory were not enforced, if that is so."""
    return [("memory", _NO_CONTROLLER)] if report.limits.memory_max is None else []


def _soft(report: Report, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what happened at soft limits that were passed, each after its label."""
    memory, pressure = report.soft_memory, report.soft_pressure
    if memory is not None and memory.passed:
        yield "soft", _passed(memory, format_size(memory.limit), names.get("soft_memory"), names)
    if pressure is not None and pressure.passed:
        from scoperun.spec.soft_pressure import format_pressure  # noqa: PLC0415  few runs have such a limit

        limit = format_pressure(pressure.share, pressure.window)
        yield "pressure", _passed(pressure, limit, names.get("soft_pressure"), names)


def _passed(soft: SoftMemoryReport | SoftPressureReport, limit: str, name: str | None, names: Mapping[str, str]) -> str:
    """Return `15M passed after 1.200s (--soft-mem 15M): SIGTERM sent`. limit, name: as the user reads them."""
    told = [each for each in soft.passed if each.told]
    times = f" {len(soft.passed)} times, first" if len(soft.passed) > 1 else ""
    passed = f"{limit} passed{times} after {format_time(soft.passed[0].at)}{'' if name is None else f' ({name})'}"
    if soft.signal is None:
        return passed
    sent = "sent" if len(told) == len(soft.passed) else "not sent each time" if told else "could not be sent"
    killed = f"; still above it after {setter('timeout_stop', names)}: killed" if soft.killed else ""
    return f"{passed}: {soft.signal} {sent}{killed}"


def _reached(report: Report, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the limits that held the command back without killing it, each after its label."""
    limits = report.limits
    above = (report.memory.events or {}).get("high", 0)
    if above and limits.memory_high not in {None, INFINITY} and report.soft_memory is None:
        limit = limit_of("memory_high", format_size(limits.memory_high), names)
        yield "slowed", f"{_times(above)}, because it needed more than the high limit{limit}"
    if _is_throttled(report):
        limit = "a limit above this scope"
        if limits.cpu_quota not in {None, INFINITY}:
            limit = f"the limit on processors{limit_of('cpu_quota', f'{limits.cpu_quota:g}', names)}"
        yield "throttled", f"for {format_time(report.cpu.throttled or 0)} by {limit}"
    if report.tasks_refused:
        is_own = limits.tasks_max not in {None, INFINITY} and (report.tasks_peak or 0) >= limits.tasks_max
        limit = (
            f"the limit{limit_of('tasks_max', str(limits.tasks_max), names)}" if is_own else "a limit above this scope"
        )
        yield "tasks", f"{limit} was reached; {_refused(report.tasks_refused)}"


def _waited(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what processes waited for, e.g. `3.100s of 12s for memory`, if that took much of the time.

    For memory and disks the time counts in which a process waited. With more processes than processors, one nearly
    always waits for a processor, so there only the time counts in which no other one ran; a limit on the processor,
    which also causes that, has a row of its own.
    """
    pressure, runtime = report.pressure, report.runtime or 0
    if pressure is None:
        return
    for_processor = None if _is_throttled(report) else pressure.cpu_full
    waited = {"memory": pressure.memory_some, "disks": pressure.io_some, "a processor": for_processor}
    least = {what: max(seconds, share * runtime) for what, (seconds, share) in _WAITED.items()}
    long = [(what, seconds) for what, seconds in waited.items() if seconds is not None and seconds >= least[what]]
    if long:
        (first, seconds), *rest = long
        # Leftovers that --wait waited for can have waited longer than the command ran.
        whole = f" of {format_time(runtime)}" if seconds <= runtime else ""
        texts = [f"{format_time(each)} for {what}" for what, each in rest]
        yield "waited", ", ".join([f"{format_time(seconds)}{whole} for {first}", *texts])


def _is_throttled(report: Report) -> bool:
    return (report.cpu.throttled or 0) > max(_NOTICEABLE, _NOTICEABLE * (report.runtime or 0))


def _refused(count: int) -> str:
    return (
        "a new process or thread was refused" if count == 1 else f"new processes or threads were refused {count} times"
    )


def _beyond(report: Report) -> Iterator[tuple[str, str]]:
    """Yield what escaped the limits of the scope, each after its label."""
    if report.left_scope is not None:
        yield "left", f"the command left this scope and its limits; it ended in {report.left_scope}"
    if report.cpu.outside is not None:
        yield (
            "outside",
            f"{format_time(report.cpu.outside)} of processor time was used outside this scope and its limits",
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _peak(report: Report) -> str:
    """Return `10.2M of 20M, swap 1M of 2M`, with the page cache if the limit was reached without an OOM."""
    parts = [f"{_size(report.memory.peak)}{_of_limit(report, 'memory_max')}"]
    if cached := _page_cache(report):
        parts.append(f"{format_size(cached)} of it page cache")
    if report.memory.swap_peak:
        parts.append(f"swap {format_size(report.memory.swap_peak)}{_of_limit(report, 'memory_swap_max')}")
    return ", ".join(parts)


def _page_cache(report: Report) -> int:
    """Return the page cache in bytes if the peak reached the limit, else 0: the peak counts it, the need does not."""
    peak, limit, stat = report.memory.peak, report.limits.memory_max, report.memory.stat or {}
    if report.oom or peak is None or limit is None or peak < limit:
        return 0
    return page_cache(stat) or 0


def _of_limit(report: Report, field: str) -> str:
    """Return ` of 20M`; both values if the limit changed, because either might have held at the peak."""
    limit, changed = getattr(report.limits, field), report.limits_changed or {}
    if field in changed:
        return f" ({_SETTINGS[field]} was {_size(changed[field])} at the start, {_size(limit)} at the end)"
    return "" if limit in {None, INFINITY} else f" of {format_size(limit)}"


def _size(size: float | None) -> str:
    return "unknown" if size is None else format_size(int(size))
