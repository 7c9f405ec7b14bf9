"""From what was learned of an invocation to the report on it. No I/O."""

from __future__ import annotations

from signal import SIGKILL
from typing import TYPE_CHECKING

from scoperun.evidence.events import Counters
from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.verdict import Traces, Verdict, counted_by_oomd, decide, killed_by_kernel, oom_killed
from scoperun.printable import utf8
from scoperun.record import replace
from scoperun.report.report import Cpu, Memory, Report
from scoperun.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import Process, WorkloadExited
    from scoperun.evidence.invocation import Invocation
    from scoperun.evidence.start import Start
    from scoperun.evidence.verdict import Evidence
    from scoperun.report.oom_report import Oom
    from scoperun.report.soft_memory_report import SoftMemoryReport
    from scoperun.spec.limits import LimitsInForce

_NOTICEABLE = (0.05, 0.05)
"""Seconds, and share of the whole, by which two clocks for the same processor time may differ."""


def conclude(command: tuple[str, ...], start: Start, invocation: Invocation) -> Report:
    """Return the report on an invocation that has ended, or of which nothing more will be heard."""
    exited, counters = invocation.exit, invocation.counters or Counters()
    assert exited is not None  # noqa: S101  the caller waited for it
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
        exit_code=exited.status if exited.status >= 0 else None,
        signal=-exited.status if exited.status < 0 else None,
        limits=limits,
        limits_changed=_limits_changed(start, invocation),
        memory=_memory(invocation),
        soft_memory=_soft_memory(start, invocation),
        oom=oom,
        cpu=_cpu(counters, exited),
        tasks_peak=counters.tasks_peak,
        tasks_refused=counters.tasks_refused,
        pressure=None,
        left_running=_left_running(invocation),
        evidence=(*evidence, *oom_evidence),
        timed_out=verdict is Verdict.TIMEOUT and _ran_out_of_time(start, invocation, limits),
    )


def _oom(start: Start, invocation: Invocation, limits: LimitsInForce, traces: Traces) -> tuple[Oom, Sequence[Evidence]]:
    """Return what is known of the OOM, and on what evidence."""
    from scoperun.report.ended_run import EndedRun  # noqa: PLC0415  most runs have none, and do without these
    from scoperun.report.oom_report import oom, oom_evidence  # noqa: PLC0415

    run = EndedRun(start=start, invocation=invocation, limits=limits, traces=traces)
    return oom(run), oom_evidence(run)


def kernel_may_have_killed(start: Start, invocation: Invocation) -> bool | None:
    """Tell whether the kernel's log has more to say of this scope: None if of a kill that nothing else tells of."""
    # An end that was no SIGKILL needs no more words where there are no limits on memory.
    traces = _traces(start, invocation)
    match oom_killed(traces):
        case True:
            return bool(killed_by_kernel(traces)) or not counted_by_oomd(traces)
        case None if traces.status == -SIGKILL or traces.memory_accounted:
            return None
        case _:
            return False


def _runtime(start: Start, exited: WorkloadExited) -> float:
    """Return for how long the command ran; the kernel's clock for its end may be as coarse as a tick."""
    return max(round(exited.at - start.monotonic, 6), 0.0)


def _cpu(counters: Counters, exited: WorkloadExited) -> Cpu:
    """Compare the cgroup's clock with the one of the command and of what it waited for, which may have left it."""
    user, system, outside = counters.cpu_user, counters.cpu_system, None
    if exited.cpu is not None and user is not None and system is not None:
        difference = exited.cpu - (user + system)
        outside = round(difference, 6) if difference > max(_NOTICEABLE[0], _NOTICEABLE[1] * exited.cpu) else None
    return Cpu(user=user, system=system, throttled=counters.cpu_throttled, outside=outside)


def _left_running(invocation: Invocation) -> tuple[Process, ...] | None:
    """Return what was in the scope when it was looked at last; a scope that has ended and is gone has nothing."""
    last, counters = invocation.left_running, invocation.counters or Counters()
    if last is not None and last.processes is not None:
        return last.processes
    return () if invocation.ended else counters.processes


def _left_scope(start: Start, exited: WorkloadExited) -> str | None:
    if start.cgroup is None or exited.cgroup is None or is_within(exited.cgroup, start.cgroup):
        return None
    return exited.cgroup


def _traces(start: Start, invocation: Invocation) -> Traces:
    assert invocation.exit is not None  # noqa: S101  the caller waited for it
    groups = invocation.memory.groups_above(invocation.counters or Counters())
    return Traces(
        status=invocation.exit.status,
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
        runtime_limited=start.limits.runtime_max is not None,
        ended_first=_ended_first(start, invocation, invocation.exit),
        noticed_late=invocation.exit.late,
        left_scope=_left_scope(start, invocation.exit) is not None,
    )


def _ended_first(start: Start, invocation: Invocation, exited: WorkloadExited) -> bool | None:
    """Tell whether the command had ended, and nothing else was waited for, when systemd began to end the scope.

    systemd sends its signals first and then says when it began, so that the command may have ended a little before
    that; not before its time was over, if that was the reason. None is not known.
    """
    if invocation.awaited_leftovers:
        return False
    if invocation.left_active is None or exited.late:
        return None
    limit = start.limits.runtime_max
    return exited.at < invocation.left_active and (limit is None or exited.at - start.asked < limit)


def _ran_out_of_time(start: Start, invocation: Invocation, limits: LimitsInForce) -> bool:
    """Tell a stop by runtime_max from one by somebody else, which may take until after it: by when it began.

    systemd's own clock for the scope starts a little later than we asked for it.
    """
    began, limit = invocation.left_active, limits.runtime_max
    return began is not None and limit is not None and began - start.asked >= limit


def _limits_at_the_end(start: Start, invocation: Invocation) -> LimitsInForce:
    """Return the limits as they were read last: at the end, or while the scope was there, or when it began."""
    counters, last = invocation.counters, invocation.memory.last
    if counters is not None and counters.limits is not None:
        return replace(counters.limits, runtime_max=start.limits.runtime_max)
    if last is not None and last.limit is not None:
        return replace(start.limits, memory_max=last.limit)
    return start.limits


def _limits_changed(start: Start, invocation: Invocation) -> dict[str, float | None] | None:
    """Return what the limits were at the start that have changed since; MemoryHigh= of a soft limit changes by us."""
    if invocation.counters is None or invocation.counters.limits is None:
        return None
    changed = invocation.counters.limits.changed_from(start.limits)
    if start.soft_memory is not None:
        changed.pop("memory_high", None)
    return changed


def _memory(invocation: Invocation) -> Memory:
    """Systemd keeps the peaks (since 256.3) when the cgroup is gone."""
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
    from scoperun.report.soft_memory_report import soft_memory_report  # noqa: PLC0415  few runs have one

    return soft_memory_report(start.soft_memory, invocation.soft_memory, began=start.monotonic)
