"""What the report says of an OOM: the kernel's own report where it may be read, else what was seen. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass
from scoperun.events import Counters, Task
from scoperun.oom import LastWords, Limit, LimitOf, Victim, unit_of
from scoperun.sizes import INFINITY
from scoperun.verdict import Evidence, counted_by_oomd, killed_by_kernel, oom_kills, other_kills

if TYPE_CHECKING:
    from scoperun.events import WorkloadExited
    from scoperun.invocation import Invocation
    from scoperun.kernel_report import KernelReport, KernelTask, KernelVictim
    from scoperun.verdict import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Oom:
    """An OOM, as far as it is known; None is what is not.

    kills: processes that were killed; if a cgroup was killed as a whole, those that the kernel log names.
    policy: the OOMPolicy= that followed.
    limit_of, limit_unit: whose limit the last kill was for. limit: its bytes at that time.
    victims: those killed, fewer than `kills` where not all are known.
    tasks: who was in the scope, as last seen before the last kill; if nobody was, as the kernel log has them.
    kernel_log: the kernel's reports of it. kernel_log_reason: why there are none.
    """

    kills: int | None
    policy: str | None
    limit_of: LimitOf
    limit_unit: str | None
    limit: int | None
    victims: tuple[Victim, ...] | None
    tasks: tuple[Task, ...] | None
    kernel_log: tuple[KernelReport, ...] | None
    kernel_log_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OomTraces:
    """What an OOM left behind, beside the traces of the verdict. cgroup: the scope's; pid: the command's."""

    traces: Traces
    invocation: Invocation
    exited: WorkloadExited
    cgroup: str | None
    unit: str
    pid: int

    @property
    def counters(self) -> Counters:
        """The counters that were read at the end, or none of them."""
        return self.invocation.counters or Counters()

    @property
    def kernel_reports(self) -> tuple[KernelReport, ...]:
        """The kernel's reports on this scope, none if its log may not be read."""
        log = self.invocation.kernel_log
        return (log and log.reports) or ()


def oom(traces: OomTraces) -> Oom:
    """Return what is known of an OOM that happened."""
    log, before = traces.invocation.kernel_log, traces.invocation.memory.before
    properties = traces.invocation.properties
    limit, victims = _limit(traces), _victims(traces)
    kills = _victims_in_whole_log(traces) if _is_group_kill(traces) else oom_kills(traces.traces)
    return Oom(
        kills=kills or None,
        policy=properties.oom_policy if properties else None,
        limit_of=limit.of,
        limit_unit=limit.unit,
        limit=_bytes(limit, traces),
        victims=victims or None,
        tasks=(before and before.tasks) or _tasks_in_log(traces) or None,
        kernel_log=(log and log.reports) or None,
        kernel_log_reason=log.reason if log else None,
    )


def oom_evidence(traces: OomTraces) -> list[Evidence]:
    """Return what the limit and the victims rest on."""
    log = traces.invocation.kernel_log
    evidence = [Evidence(source="kernel log victims", value=log.victims)] if log else []
    for name, count in traces.invocation.memory.rises(traces.counters).items():
        if count != 0 or name == traces.cgroup:
            evidence.append(Evidence(source=f"{unit_of(name)} memory.events.local oom", value=count))
    return evidence


def _limit(traces: OomTraces) -> Limit:
    limits = [_limit_in_log(report, traces) for report in traces.kernel_reports]
    if limits and limits[-1].of is not LimitOf.UNKNOWN:
        return limits[-1]
    if counted_by_oomd(traces.traces) and not killed_by_kernel(traces.traces):
        return Limit(of=LimitOf.SYSTEMD_OOMD, unit=traces.unit)
    return traces.invocation.memory.limit(traces.counters)


def _limit_in_log(report: KernelReport, traces: OomTraces) -> Limit:
    if report.constraint is None or traces.cgroup is None:
        return Limit(of=LimitOf.UNKNOWN)
    if report.oom_memcg is None:
        return Limit(of=LimitOf.UNKNOWN if report.constraint == "CONSTRAINT_MEMCG" else LimitOf.HOST)
    if report.oom_memcg == traces.cgroup:
        return Limit(of=LimitOf.SCOPE, unit=traces.unit)
    if report.oom_memcg.startswith(f"{traces.cgroup}/"):
        return Limit(of=LimitOf.SCOPE, unit=report.oom_memcg.removeprefix(f"{traces.cgroup}/"))
    return Limit(of=LimitOf.SLICE, unit=unit_of(report.oom_memcg))


def _bytes(limit: Limit, traces: OomTraces) -> int | None:
    """Return how much the limit was at the last kill: by the kernel's log, else as it was seen after the kill."""
    if log := _log_of_limit(limit, traces):
        return log.limit
    if limit != Limit(of=LimitOf.SCOPE, unit=traces.unit):
        return None
    seen = traces.invocation.memory.after or traces.invocation.memory.last
    in_the_end = traces.counters.limits.memory_max if traces.counters.limits else None
    limit_then = in_the_end if seen is None or seen.limit is None else seen.limit
    return None if limit_then == INFINITY else limit_then  # it was lifted since


def _log_of_limit(limit: Limit, traces: OomTraces) -> KernelReport | None:
    reports = [
        each for each in traces.kernel_reports if _limit_in_log(each, traces) == limit and each.limit is not None
    ]
    return reports[-1] if reports else None


def _victims_in_whole_log(traces: OomTraces) -> int | None:
    log = traces.invocation.kernel_log
    return log.victims if log and log.is_complete else None


def _is_group_kill(traces: OomTraces) -> bool:
    """Tell whether a cgroup was killed as a whole: the kernel counts some of those twice, and the keeper with them."""
    events, properties = traces.counters.memory_events or {}, traces.invocation.properties
    return bool(events.get("oom_group_kill")) or (properties is not None and properties.oom_policy == "kill")


def _victims(traces: OomTraces) -> tuple[Victim, ...]:
    """Return the victims that are known, each once, by the best source that names it."""
    log = [_victim_in_log(victim) for report in traces.kernel_reports for victim in report.victims]
    is_whole = _victims_in_whole_log(traces) is not None
    properties = traces.invocation.properties
    policy = properties.oom_policy if properties else None
    kills = oom_kills(traces.traces)
    last = LastWords(
        pid=traces.pid,
        exited=traces.exited,
        policy=policy,
        tasks_peak=traces.counters.tasks_peak,
        keeper_killed=traces.counters.keeper_killed,
        kills=other_kills(traces.traces),
    )
    seen = traces.invocation.memory.victims(last)
    if is_whole or (kills is not None and len(log) >= kills):
        return tuple(log)
    named = {victim.pid for victim in log}
    return (*log, *(victim for victim in seen if victim.pid not in named))


def _tasks_in_log(traces: OomTraces) -> tuple[Task, ...]:
    """Return the last table of the scope's processes that came with its memory.stat."""
    tables = [report.tasks for report in traces.kernel_reports if report.oom_memcg == traces.cgroup and report.stat]
    return tuple(map(_task_in_log, tables[-1])) if tables else ()


def _task_in_log(task: KernelTask) -> Task:
    return Task(
        pid=task.pid,
        name=task.name,
        rss=task.rss,
        anon=task.rss_anon,
        swap=task.swap,
        oom_score_adj=task.oom_score_adj,
    )


def _victim_in_log(victim: KernelVictim) -> Victim:
    rss = victim.anon_rss + victim.file_rss + (victim.shmem_rss or 0)
    return Victim(pid=victim.pid, name=victim.name, rss=rss, anon=victim.anon_rss, source="kernel log")
