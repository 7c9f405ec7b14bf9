"""Turns what was learned about an invocation into the report on it. No I/O."""

from __future__ import annotations

from math import inf
from signal import SIGKILL
from typing import TYPE_CHECKING

from scoperun.evidence.events import Counters
from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.verdict import Traces, Verdict, counted_by_oomd, decide, killed_by_kernel, oom_killed
from scoperun.printable import utf8
from scoperun.record import replace
from scoperun.report.report import Cpu, Io, Memory, Report
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import Process, WorkloadExited
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.start import Start
    from scoperun.evidence.verdict import Evidence
    from scoperun.report.oom_report import Oom
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.report.soft_pressure_report import SoftPressureReport
    from scoperun.report.timeline_report import TimelineReport
    from scoperun.spec.limits import LimitsInForce

_NOTICEABLE = (0.05, 0.05)
"""Seconds, and share of the whole, by which two clocks for the same processor time can differ."""


def conclude(command: tuple[str, ...], start: Start, invocation: Invocation) -> Report:
    """Return the report on an invocation that has ended, or about which no more events will come."""
    exited, counters = _exited(invocation), invocation.counters or Counters()
    traces = _traces(start, invocation)
    verdict, evidence = decide(traces)
    limits = _limits_at_the_end(start, invocation)
    oom, oom_evidence = _oom(start, invocation, limits, traces) if verdict is Verdict.OOM_KILL else (None, ())
    return Report(
        scoperun=__version__,
        systemd=start.systemd,
        kernel=start.kernel,
        manager=start.manager,
        unit=start.unit,
        invocation_id=start.invocation_id,
        slice=start.slice,
        cgroup=start.cgroup,
        left_scope=_left_scope(start, exited),
        command=tuple(map(utf8, command)),
        cwd=start.cwd,
        pid=start.pid,
        started=start.started.isoformat(timespec="milliseconds"),
        runtime=None if exited.late else _runtime(start, exited),
        verdict=verdict,
        result=traces.result,
        exit_code=exited.status if exited.status is not None and exited.status >= 0 else None,
        signal=-exited.status if exited.status is not None and exited.status < 0 else None,
        limits=limits,
        limits_changed=_limits_changed(start, invocation),
        effective_memory_max=start.effective_memory_max,
        memory=_memory(invocation),
        soft_memory=_soft_memory(start, invocation),
        soft_pressure=_soft_pressure(start, invocation),
        oom=oom,
        cpu=_cpu(counters, exited),
        cpu_time_checks=None if start.limits.cpu_time is None else invocation.cpu_time_checks,
        timeline=_timeline(start, invocation),
        tasks_peak=counters.tasks_peak,
        tasks_refused=counters.tasks_refused,
        io=_io(counters),
        pressure=counters.pressure,
        left_running=_left_running(invocation),
        evidence=(*evidence, *oom_evidence),
        timed_out=_timed_out(verdict, start, invocation, limits),
        unread_log=log.reason if verdict is Verdict.UNKNOWN and (log := invocation.kernel_log) else None,
    )


def _exited(invocation: Invocation) -> WorkloadExited:
    assert invocation.exit is not None  # noqa: S101  the caller waited for it
    return invocation.exit


def _oom(start: Start, invocation: Invocation, limits: LimitsInForce, traces: Traces) -> tuple[Oom, Sequence[Evidence]]:
    """Return what is known about the OOM, and the evidence for it."""
    from scoperun.report.ended_run import EndedRun  # noqa: PLC0415  only runs with an OOM need these
    from scoperun.report.oom_report import oom, oom_evidence  # noqa: PLC0415

    run = EndedRun(start=start, invocation=invocation, limits=limits, traces=traces)
    return oom(run), oom_evidence(run)


def kernel_may_have_killed(start: Start, invocation: Invocation) -> bool | None:
    """Tell whether the kernel log can tell more about this scope.

    True: the kernel killed a process in it. False: it did not, or there is nothing to explain. None: not known, and
    only the log can tell.
    """
    # Without a memory controller, only a SIGKILL needs an explanation.
    traces = _traces(start, invocation)
    match oom_killed(traces):
        case True:
            return bool(killed_by_kernel(traces)) or not counted_by_oomd(traces)
        case None if traces.status == -SIGKILL or traces.memory_accounted:
            return None
        case _:
            return False


def oomd_has_killed(start: Start, invocation: Invocation) -> bool:
    """Tell whether systemd-oomd has killed the scope, or a cgroup in it, as far as is known."""
    return bool(counted_by_oomd(_traces(start, invocation)))


def systemd_may_know_more(invocation: Invocation) -> bool:
    """Tell whether the scope's properties can add something to what is known already.

    They cannot if the command was not killed, systemd has announced the scope's end as a success, and the counters,
    with their peaks, were read when no process was left and show no kill.
    """
    exited, counters = invocation.exit, invocation.counters or Counters()
    kills = (counters.oom_kill, counters.oomd_kills, invocation.memory.kills_seen)
    return not (
        exited is not None
        and exited.status != -SIGKILL
        and invocation.final_result == "success"
        and kills == (0, 0, 0)
        and counters.processes == ()
        and None not in {counters.memory_peak, counters.memory_swap_peak}
    )


def _runtime(start: Start, exited: WorkloadExited) -> float:
    """Return the seconds that the command ran; the kernel's clock for its end can be as coarse as a tick."""
    return max(round(exited.at - start.monotonic, 6), 0.0)


def _cpu(counters: Counters, exited: WorkloadExited) -> Cpu:
    """Return the scope's processor time; what the command and its children used beyond that, they used outside."""
    user, system, outside = counters.cpu_user, counters.cpu_system, None
    if exited.cpu is not None and user is not None and system is not None:
        difference = exited.cpu - (user + system)
        outside = round(difference, 6) if difference > max(_NOTICEABLE[0], _NOTICEABLE[1] * exited.cpu) else None
    return Cpu(user=user, system=system, throttled=counters.cpu_throttled, outside=outside)


def _io(counters: Counters) -> Io | None:
    """Return what the scope read and wrote, None if that could not be read."""
    use = counters.io
    if use is None:
        return None
    return Io(
        read=use["rbytes"],
        written=use["wbytes"],
        discarded=use["dbytes"],
        reads=use["rios"],
        writes=use["wios"],
        discards=use["dios"],
    )


def _left_running(invocation: Invocation) -> tuple[Process, ...] | None:
    """Return the processes last seen in the scope; none if it has ended and is gone; None if not known."""
    last, counters = invocation.left_running, invocation.counters or Counters()
    if last is not None and last.processes is not None:
        return last.processes
    return () if invocation.ended else counters.processes


def _left_scope(start: Start, exited: WorkloadExited) -> str | None:
    if start.cgroup is None or exited.cgroup is None or is_within(exited.cgroup, start.cgroup):
        return None
    return exited.cgroup


def _traces(start: Start, invocation: Invocation) -> Traces:
    exited = _exited(invocation)
    groups = invocation.memory.limits.groups_above(invocation.counters or Counters())
    return Traces(
        status=exited.status,
        result=invocation.final_result,
        counters=invocation.counters,
        properties=invocation.properties,
        kills_seen=invocation.memory.kills_seen,
        groups_above=None if groups is None else sum(groups.values()),
        log_victim_count=invocation.kernel_log.victim_count if invocation.kernel_log else None,
        keeper_named=invocation.kernel_log is not None and invocation.kernel_log.keeper_named,
        log_is_whole=invocation.kernel_log is not None and invocation.kernel_log.is_whole,
        ended=invocation.ended,
        memory_accounted=start.limits.memory_max is not None,
        runtime_limited=start.limits.runtime_max is not None or _runtime_max(start, invocation) is not None,
        ended_first=_ended_first(start, invocation, exited),
        noticed_late=exited.late,
        cpu_time=None if invocation.cpu_time_used is None else round(invocation.cpu_time_used * 1e6),
        cpu_time_used_up=invocation.cpu_time_used_up,
        left_scope=_left_scope(start, exited) is not None,
    )


def _ended_first(start: Start, invocation: Invocation, exited: WorkloadExited) -> bool | None:
    """Tell whether the command had ended, and scoperun waited for nothing else, when systemd began to end the scope.

    systemd sends its signals first and notes the time afterwards, so the command might have ended a little before that
    time. But if RuntimeMaxSec= was the reason, it cannot have ended before that was over. None if not known.
    """
    return False if invocation.awaited_leftovers else _ended_before_stop(start, invocation, exited)


def _ended_before_stop(start: Start, invocation: Invocation, exited: WorkloadExited) -> bool | None:
    """Tell whether the command had ended when systemd began to end the scope. None if not known."""
    if invocation.left_active is None or exited.late:
        return None
    limit = _runtime_max(start, invocation)
    return exited.at < invocation.left_active and (limit is None or exited.at - start.counted_from < limit)


def _timed_out(verdict: Verdict, start: Start, invocation: Invocation, limits: LimitsInForce) -> bool:
    """Tell whether a limit on time ended the command, perhaps after an OOM kill of another process."""
    if verdict is Verdict.OOM_KILL:
        result = invocation.final_result
        is_told = result == "timeout" or (invocation.cpu_time_used_up and result != "oom-kill")
        if not is_told or _ended_before_stop(start, invocation, _exited(invocation)) is not False:
            return False
    elif verdict is not Verdict.TIMEOUT:
        return False
    return _ran_out_of_time(start, invocation, limits)


def _runtime_max(start: Start, invocation: Invocation) -> float | None:
    """Return the limit on time that systemd spoke of last, which a drop-in and daemon-reload can have changed."""
    read = invocation.properties
    if read is None or read.runtime_max is None or not read.is_of_scope:
        return start.limits.runtime_max
    return None if read.runtime_max == inf else read.runtime_max


def _ran_out_of_time(start: Start, invocation: Invocation, limits: LimitsInForce) -> bool:
    """Tell whether the scope was stopped for cpu_time, or by systemd for runtime_max, by when that stop began.

    A stop requested by something else begins earlier, even if it ends after runtime_max.
    """
    began, limit = invocation.left_active, limits.runtime_max
    return invocation.cpu_time_used_up or (
        began is not None and limit is not None and began - start.counted_from >= limit
    )


def _limits_at_the_end(start: Start, invocation: Invocation) -> LimitsInForce:
    """Return the limits as they were last read: at the end, while the command ran, or at the start."""
    counters, last, limits = invocation.counters, invocation.memory.last, start.limits
    if counters is not None and counters.limits is not None:
        limits = replace(counters.limits, cpu_time=start.limits.cpu_time)
    elif last is not None and last.limit is not None:
        limits = replace(start.limits, memory_max=last.limit)
    return replace(limits, runtime_max=_runtime_max(start, invocation))


def _limits_changed(start: Start, invocation: Invocation) -> dict[str, float | None] | None:
    """Return the values at the start of limits that have changed since, None if they could not be read at the end.

    MemoryHigh= is left out if there is a soft limit: then scoperun itself changes it.
    """
    if invocation.counters is None or invocation.counters.limits is None:
        return None
    changed = invocation.counters.limits.changed_from(start.limits)
    if start.soft_memory is not None:
        changed.pop("memory_high", None)
    if _runtime_max(start, invocation) != start.limits.runtime_max:
        changed["runtime_max"] = start.limits.runtime_max
    return changed


def _memory(invocation: Invocation) -> Memory:
    """Return the scope's memory use; systemd keeps the peaks (since 256.3) after the cgroup is gone."""
    counters, properties = invocation.counters or Counters(), invocation.properties
    peak, swap_peak = counters.memory_peak, counters.memory_swap_peak
    if properties:
        peak = properties.memory_peak if peak is None else peak
        swap_peak = properties.memory_swap_peak if swap_peak is None else swap_peak
    before_kill = invocation.memory.before if invocation.memory.killings or counters.memory_stat is None else None
    stat = (before_kill and before_kill.stat) or counters.memory_stat
    return Memory(peak=peak, swap_peak=swap_peak, events=counters.memory_events, stat=stat)


def _soft_memory(start: Start, invocation: Invocation) -> SoftMemoryReport | None:
    if start.soft_memory is None:
        return None
    from scoperun.report.soft_memory_report import soft_memory_report  # noqa: PLC0415  few runs have a soft limit

    return soft_memory_report(start.soft_memory, invocation.soft_memory, began=start.monotonic)


def _soft_pressure(start: Start, invocation: Invocation) -> SoftPressureReport | None:
    if start.soft_pressure is None:
        return None
    from scoperun.report.soft_pressure_report import soft_pressure_report  # noqa: PLC0415  as above

    return soft_pressure_report(start.soft_pressure, invocation.soft_pressure, began=start.monotonic)


def _timeline(start: Start, invocation: Invocation) -> TimelineReport | None:
    if start.timeline_interval is None:
        return None
    from scoperun.report.timeline_report import TimelineReport  # noqa: PLC0415  few runs have a timeline

    return TimelineReport(
        interval=start.timeline_interval,
        last_interval=invocation.sample_interval or start.timeline_interval,
        wakes=invocation.samples,
        largest_anon=invocation.largest_anon,
    )
