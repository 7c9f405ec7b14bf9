"""What the kernel reports about OOM kills, as values, and the part that concerns one cgroup. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """One record of the kernel log.

    text: what one printk wrote, including line feeds.
    at: seconds on the log's own clock, None if that was not read.
    """

    text: str
    at: float | None = None


LOST = KernelRecord("(records of the kernel log were lost here)")
"""A reader of the log puts this where records are missing: a report before it does not continue after it."""


class KernelLogUnreadable(Exception):
    """The user may not read the kernel log; the text says in one line why, and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTask:
    """A process that the OOM killer could choose; sizes in bytes, None if this kernel's table lacks the column.

    pid: the process's PID, whichever of its threads the kernel lists.
    name: the name of the listed thread.
    uid: the process's user ID.
    total_vm: virtual memory.
    rss: memory in use, of which rss_anon is anonymous, rss_file backed by files, rss_shmem shared.
    pgtables: page tables.
    swap: swap in use.
    oom_score_adj: as in proc(5).
    """

    pid: int
    name: str
    uid: int | None = None
    total_vm: int | None = None
    rss: int | None = None
    rss_anon: int | None = None
    rss_file: int | None = None
    rss_shmem: int | None = None
    pgtables: int | None = None
    swap: int | None = None
    oom_score_adj: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVictim:
    """A process that was killed; sizes in bytes, None if this kernel does not print them.

    pid: the process's PID, or the named thread's if the table does not say to which process that belongs.
    name: the process's name.
    total_vm, anon_rss, file_rss, shmem_rss, uid, pgtables, oom_score_adj: as in KernelTask.
    kills: how often the kernel killed it and counted that: twice for the first victim of a group kill, else once.
    record: the kernel's own record of the kill.
    """

    pid: int
    name: str
    total_vm: int
    anon_rss: int
    file_rss: int
    shmem_rss: int | None = None
    uid: int | None = None
    pgtables: int | None = None
    oom_score_adj: int | None = None
    kills: int = 1
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelReport:
    """One decision of the kernel's OOM killer; None is what the kernel did not say, or not reliably.

    at: when, in seconds on the log's own clock, as dmesg shows it.
    sysrq: the kill was requested with SysRq (`echo f >/proc/sysrq-trigger`), not caused by a shortage of memory.
    constraint: CONSTRAINT_MEMCG, CONSTRAINT_NONE (the whole machine), CONSTRAINT_CPUSET, CONSTRAINT_MEMORY_POLICY.
    invoked_by: the name of the task whose request for memory failed.
    oom_memcg: the cgroup whose limit was reached.
    task_memcg: the cgroup of the process `chosen`.
    chosen: the PID of the process that the kernel chose to kill.
    oom_group: the cgroup that was killed as a whole because of its memory.oom.group.
    usage, limit, swap_usage, swap_limit: bytes, of oom_memcg; no limit is INFINITY.
    failcnt, swap_failcnt: how often the limit was hit.
    stat: oom_memcg's memory.stat, in bytes and counts; empty if it was not printed.
    tasks: the processes of oom_memcg, or of the machine; empty if they were not printed.
    victims: in the order of their kills; empty if the chosen process was ending already.
    records: the kernel's own records, from which all this was read.
    """

    at: float | None = None
    sysrq: bool = False
    constraint: str | None = None
    invoked_by: str | None = None
    oom_memcg: str | None = None
    task_memcg: str | None = None
    chosen: int | None = None
    oom_group: str | None = None
    usage: int | None = None
    limit: int | None = None
    failcnt: int | None = None
    swap_usage: int | None = None
    swap_limit: int | None = None
    swap_failcnt: int | None = None
    stat: Mapping[str, int] = field(default_factory=dict)
    tasks: tuple[KernelTask, ...] = ()
    victims: tuple[KernelVictim, ...] = ()
    records: tuple[str, ...] = ()


def concerning(reports: Iterable[KernelReport], *, cgroup: str, pids: Collection[int]) -> tuple[KernelReport, ...]:
    """Return the reports that concern victims in `cgroup` and below, without any other victim.

    pids: processes known to have been in the cgroup; used if the kernel does not name a victim's cgroup.
    """
    found = (_concerning(report, cgroup, pids) for report in reports)
    return tuple(report for report in found if report is not None)


def names_the_whole_group(report: KernelReport) -> bool:
    """Tell whether a cgroup was killed as a whole and the report names every process that was in it."""
    named = {victim.pid for victim in report.victims}
    return report.oom_group is not None and bool(report.tasks) and all(task.pid in named for task in report.tasks)


def without(report: KernelReport, *, pid: int) -> KernelReport:
    """Return the report without process `pid`."""
    return replace(
        report,
        victims=tuple(victim for victim in report.victims if victim.pid != pid),
        tasks=tuple(task for task in report.tasks if task.pid != pid),
    )


def _concerning(report: KernelReport, cgroup: str, pids: Collection[int]) -> KernelReport | None:
    # The table lists only the tasks of oom_memcg. The path of a group kill proves nothing: the kill of another process,
    # whose own report was left out, can follow it and looks like one more kill of the group.
    listed = report.tasks if is_within(report.oom_memcg, cgroup) else ()
    known = {*pids, *(task.pid for task in listed)}
    ours = [victim for victim in report.victims if _is_ours(victim.pid, report, cgroup, known)]
    if not ours and (report.victims or not is_within(report.task_memcg, cgroup)):
        return None
    others = {victim.record for victim in report.victims} - {victim.record for victim in ours}
    records = tuple(record for record in report.records if record not in others)
    return replace(report, victims=tuple(ours), records=records)


def _is_ours(pid: int, report: KernelReport, cgroup: str, known: Collection[int]) -> bool:
    """Tell whether a victim was in `cgroup`: the cgroup that the kernel names for it decides, if it names one.

    A cgroup above ours decides nothing: if ours lacks the memory controller, the kernel names the next one that has it.
    """
    if pid == report.chosen and report.task_memcg is not None:
        if is_within(report.task_memcg, cgroup):
            return True
        if not is_within(cgroup, report.task_memcg):
            return False
    return pid in known


def is_within(path: str | None, cgroup: str) -> bool:
    """Tell whether `path` is `cgroup` or a cgroup below it."""
    return bool(path and cgroup) and f"{path}/".startswith(f"{cgroup.rstrip('/')}/")
