"""What the report says about an OOM: the kernel's own report where it can be read, else what was seen. No I/O."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scoperun.evidence.events import Task
from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.last_seen import Victim
from scoperun.evidence.oom_limit import Limit, LimitOf, unit_of
from scoperun.evidence.shared_memory import sharers
from scoperun.evidence.verdict import Evidence, counted_by_oomd, killed_by_kernel, oom_kills
from scoperun.record import dataclass
from scoperun.report.oomd_report import monitored_unit, oomd_evidence, oomd_report, processes_killed
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.evidence.kernel_report import KernelReport, KernelTask, KernelVictim
    from scoperun.report.ended_run import EndedRun
    from scoperun.report.oomd_report import OomdReport


_WITHOUT_CGROUP = {
    "CONSTRAINT_NONE": Limit(of=LimitOf.HOST),
    "CONSTRAINT_CPUSET": Limit(of=LimitOf.UNKNOWN),  # some nodes of the machine are full
    "CONSTRAINT_MEMORY_POLICY": Limit(of=LimitOf.UNKNOWN),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Oom:
    """What is known about an OOM; None is what is not known.

    kills: how many processes were killed; if a cgroup was killed as a whole, how many the kernel log names. The kernel
        counts only one of several processes that share one memory; the others are added if they are known.
    policy: the OOMPolicy= that took effect then.
    limit_of, limit_unit: whose limit the last kill was for; for systemd-oomd the unit whose memory pressure it was.
    limit: that limit in bytes at that time.
    has_other_limits: not all kills were for that limit; used by the text only.
    needed: bytes of memory and swap that the scope had at the last kill and that were not enough; None also if the kill
        was not for the scope's own limit.
    victims: the processes killed, fewer than `kills` if not all are known; None for systemd-oomd, which names none.
    tasks: the processes in the scope as last seen before the last kill; if none were seen, those in the kernel log.
    kernel_log: the kernel's reports on it.
    kernel_log_reason: why reports are missing.
    oomd: the kill by systemd-oomd, None if limit_of is something else.
    """

    kills: int | None
    policy: str | None
    limit_of: LimitOf
    limit_unit: str | None
    limit: int | None
    has_other_limits: bool
    needed: int | None
    victims: tuple[Victim, ...] | None
    tasks: tuple[Task, ...] | None
    kernel_log: tuple[KernelReport, ...] | None
    kernel_log_reason: str | None
    oomd: OomdReport | None = None


def oom(run: EndedRun) -> Oom:
    """Return what is known about the OOM of a run that had one."""
    log, before = run.invocation.kernel_log, run.invocation.memory.before
    properties = run.invocation.properties
    limit, victims = _limit(run), _victims(run)
    is_oomds = limit.of is LimitOf.SYSTEMD_OOMD
    if is_oomds:
        kills, victims = processes_killed(run), ()  # it names none
    elif _is_group_kill(run):
        kills = _victim_count_in_whole_log(run)
    else:
        victims, uncounted = _with_sharers(victims, run)
        kills = uncounted + counted if (counted := oom_kills(run.traces)) else None
    return Oom(
        kills=kills or None,
        policy=properties.oom_policy if properties else None,
        limit_of=limit.of,
        limit_unit=limit.unit,
        limit=_bytes(limit, run),
        has_other_limits=_has_other_limits(run),
        needed=_needed(limit, run),
        victims=victims or None,
        tasks=(before and before.tasks) or _tasks_in_log(run) or None,
        kernel_log=(log and log.reports) or None,
        kernel_log_reason=log.reason if log else None,
        oomd=oomd_report(run) if is_oomds else None,
    )


def oom_evidence(run: EndedRun) -> list[Evidence]:
    """Return the evidence for the limit and the victims."""
    log = run.invocation.kernel_log
    evidence = [Evidence(source="kernel log victims", value=log.victim_count)] if log else []
    for name, count in run.invocation.memory.limits.rises(run.counters).items():
        if count != 0 or name == run.start.cgroup:
            evidence.append(Evidence(source=f"{unit_of(name)} memory.events.local oom", value=count))
    return [*oomd_evidence(run), *evidence]


def _limit(run: EndedRun) -> Limit:
    """Return whose limit the last kill was for: by the kernel log if it has the last kill, else by the counters."""
    limits = [_limit_in_log(report, run) for report in run.reports_of_kills]
    last, counted = limits[-1] if limits else None, _counted_limit(run)
    if last is not None and (_has_last_kill(run) or (set(limits) == {last} and last.of is counted.of)):
        return last
    return counted


def _counted_limit(run: EndedRun) -> Limit:
    if counted_by_oomd(run.traces) and not killed_by_kernel(run.traces):
        return Limit(of=LimitOf.SYSTEMD_OOMD, unit=monitored_unit(run))
    return run.invocation.memory.limits.reached(run.counters)


def _has_last_kill(run: EndedRun) -> bool:
    """Tell whether the kernel log has as many kills as were counted; under OOMPolicy=kill one report covers all."""
    log, properties = run.invocation.kernel_log, run.invocation.properties
    if log is None or log.is_complete or (properties is not None and properties.oom_policy == "kill"):
        return log is not None
    counts = (run.counters.oom_kill, properties.oom_kills if properties else None)
    known = [count for count in counts if count is not None]
    has_all_seen = (run.traces.kills_in_log or 0) >= max([*known, run.traces.kills_seen])
    return has_all_seen and (bool(known) or log.is_whole)


def _limit_in_log(report: KernelReport, run: EndedRun) -> Limit | None:
    """Return whose limit it was by the report, UNKNOWN if LimitOf has no word for it, None if it does not say."""
    if report.sysrq:
        return Limit(of=LimitOf.UNKNOWN)
    if report.oom_memcg is None:
        return _WITHOUT_CGROUP.get(report.constraint or "")
    if report.oom_memcg == run.start.cgroup:
        return Limit(of=LimitOf.SCOPE, unit=run.start.unit)
    if report.oom_memcg.startswith(f"{run.start.cgroup}/"):
        return Limit(of=LimitOf.SCOPE, unit=report.oom_memcg.removeprefix(f"{run.start.cgroup}/"))
    return Limit(of=LimitOf.SLICE, unit=unit_of(report.oom_memcg))


def _has_other_limits(run: EndedRun) -> bool:
    """Tell whether the kills were for more than one limit, by the kernel log or by the counters."""
    logged = run.reports_of_kills
    if len({(each.sysrq, each.oom_memcg, each.constraint) for each in logged}) > 1:
        return True
    events = run.counters.memory_events or {}
    kills, is_group = events.get("oom_kill", 0), bool(events.get("oom_group_kill"))
    if kills < 2 or is_group or sum(len(each.victims) for each in logged) >= kills:
        return False
    _, *above = run.invocation.memory.limits.rises(run.counters).values() or [0]
    reached = [count for count in (events.get("oom", 0), *above) if count]
    return len(reached) > 1 or 0 < sum(reached) < kills


def _bytes(limit: Limit, run: EndedRun) -> int | None:
    """Return the limit in bytes at the last kill: by the kernel log, else as it was seen then."""
    if log := _log_of_limit(limit, run):
        return log.limit
    if limit != Limit(of=LimitOf.SCOPE, unit=run.start.unit):
        return None
    limit_then = run.invocation.memory.limits.own_limit(run.peak("memory_peak"))
    return None if limit_then == INFINITY else limit_then  # the limit was lifted since


def _needed(limit: Limit, run: EndedRun) -> int | None:
    """Return the bytes that were not enough: the scope's limit plus its swap in use.

    The swap is what the kernel log says, or what was seen just before.
    """
    if limit != Limit(of=LimitOf.SCOPE, unit=run.start.unit):
        return None
    memory = _bytes(limit, run)
    if log := _log_of_limit(limit, run):
        swap = log.swap_usage
    else:
        before, killings = run.invocation.memory.before, run.invocation.memory.killings
        swap = before.swap_current if before and killings and killings[-1].was_just_seen else None
    return None if memory is None else memory + (swap or 0)


def _log_of_limit(limit: Limit, run: EndedRun) -> KernelReport | None:
    reports = [each for each in run.kernel_reports if _limit_in_log(each, run) == limit and each.limit is not None]
    return reports[-1] if reports else None


def _victim_count_in_whole_log(run: EndedRun) -> int | None:
    log = run.invocation.kernel_log
    return log.victim_count if log and log.is_complete else None


def _is_group_kill(run: EndedRun) -> bool:
    """Tell whether a cgroup was killed as a whole: then the kernel counts some processes twice, and the keeper too."""
    events, properties = run.counters.memory_events or {}, run.invocation.properties
    is_logged = any(report.oom_group for report in run.kernel_reports)
    return bool(events.get("oom_group_kill") or run.traces.groups_above or is_logged) or (
        properties is not None and properties.oom_policy == "kill"
    )


def _victims(run: EndedRun) -> tuple[Victim, ...]:
    """Return the known victims, each once, from the best source that names it."""
    log = [_victim_in_log(victim) for report in run.kernel_reports for victim in report.victims]
    is_whole = _victim_count_in_whole_log(run) is not None
    kills = oom_kills(run.traces)
    seen = run.invocation.memory.name_victims(run.end)
    if is_whole or (kills is not None and len(log) >= kills):
        return tuple(log)
    named = {victim.pid for victim in log}
    return (*log, *(victim for victim in seen if victim.pid not in named))


def _with_sharers(victims: tuple[Victim, ...], run: EndedRun) -> tuple[tuple[Victim, ...], int]:
    """Return the victims and the processes that shared their memory, and how many of all these were not counted."""
    found = {victim.pid: victim for victim in victims}
    counted = {victim.pid for report in run.kernel_reports for victim in report.victims}
    uncounted: set[int] = set()
    for memory in (*_memories_in_log(run), *_memories_seen(run)):
        one = next((pid for pid in found if pid in memory), None)
        if one is not None:
            uncounted |= memory.keys() - {one} - counted
            found |= {pid: victim for pid, victim in memory.items() if pid not in found}
    return tuple(found.values()), len(uncounted)


def _memories_in_log(run: EndedRun) -> Iterator[dict[int, Victim]]:
    """Yield each victim in the log with the processes that shared its memory, by PID."""
    seen = {run.start.pid, *run.invocation.memory.pids}
    for report in run.kernel_reports:
        is_below = is_within(report.oom_memcg, run.start.cgroup or "")
        for victim in report.victims:
            others = [task for task in sharers(report, victim) if _may_have_been_killed(task.pid, run)]
            ours = {task.pid: _sharer_in_log(task) for task in others if is_below or task.pid in seen}
            yield {victim.pid: _victim_in_log(victim)} | ours


def _memories_seen(run: EndedRun) -> Iterator[dict[int, Victim]]:
    """Yield the processes that disappeared when a kill was counted, a dict by PID for each memory."""
    end = run.end
    for killing in run.invocation.memory.killings:
        for memory in killing.memories(end):
            yield {victim.pid: victim for victim in killing.victims([memory], end)}


def _may_have_been_killed(pid: int, run: EndedRun) -> bool:
    """Tell whether a process can have been killed: it is not known to have ended another way or to have survived."""
    memory = run.invocation.memory
    statuses = {each.task.pid: each.status for killing in memory.killings for each in killing.ended}
    status = run.exited.status if pid == run.start.pid else statuses.get(pid)
    is_alive = memory.after is not None and pid in {task.pid for task in memory.after.tasks}
    return not is_alive and status in {None, -signal.SIGKILL}


def _tasks_in_log(run: EndedRun) -> tuple[Task, ...]:
    """Return the last table of the scope's processes in the log that came with the scope's memory.stat."""
    tables = [report.tasks for report in run.kernel_reports if report.oom_memcg == run.start.cgroup and report.stat]
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


def _sharer_in_log(task: KernelTask) -> Victim:
    return Victim(pid=task.pid, name=task.name, rss=task.rss, anon=task.rss_anon, source="kernel log")


def _victim_in_log(victim: KernelVictim) -> Victim:
    rss = victim.anon_rss + victim.file_rss + (victim.shmem_rss or 0)
    return Victim(pid=victim.pid, name=victim.name, rss=rss, anon=victim.anon_rss, source="kernel log")
