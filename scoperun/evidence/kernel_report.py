"""What the kernel reports of an OOM kill, as values, and which of it concerns a cgroup. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass, field, replace

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping


@dataclass(frozen=True, slots=True)
class KernelRecord:
    """What one printk wrote, line feeds included. at: seconds on the log's own clock, None if that was not read."""

    text: str
    at: float | None = None


LOST = KernelRecord("(records of the kernel log were lost here)")
"""What a reader of the log puts where records are missing: nothing after it belongs to what is before it."""


class KernelLogUnreadable(Exception):
    """The kernel log may not be read by this user; the text says in one line why, and what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelTask:
    """A process that could have been killed; sizes in bytes, None where this kernel's table has no such column.

    pid: the process's, whichever of its threads the kernel lists.
    name: of that thread.
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
    """A process that was killed; sizes in bytes, None where this kernel does not print it.

    pid: the process's, or that of the thread that the kernel names if its table does not say whose that is.
    kills: how often the kernel has killed it, and counted that: the one for which a cgroup is killed as a whole, twice.
    record: the kernel's own words.
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
    """One decision of the kernel's OOM killer; None is what it did not say, or not so that it can be relied on.

    at: when, in seconds on the log's own clock, as dmesg shows it.
    sysrq: somebody asked for it with SysRq (`echo f >/proc/sysrq-trigger`), and no memory was short.
    constraint: CONSTRAINT_MEMCG, CONSTRAINT_NONE (the whole machine), CONSTRAINT_CPUSET, CONSTRAINT_MEMORY_POLICY.
    invoked_by: the name of the task that wanted memory.
    oom_memcg: the cgroup whose limit it was.
    task_memcg: the cgroup of `chosen`, the process to be killed, by pid.
    oom_group: the cgroup that was killed as a whole, for its memory.oom.group.
    usage, limit, swap_usage, swap_limit: bytes, of oom_memcg; no limit is INFINITY.
    failcnt, swap_failcnt: times that the limit was hit.
    stat: oom_memcg's memory.stat, bytes and counts; empty if it was not printed.
    tasks: those of oom_memcg, or of the machine; empty if they were not printed.
    victims: in the order of their death; empty if the chosen one was ending already.
    records: the kernel's own words, those that all this was read from.
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
    """Return what the reports say of victims in `cgroup` and below, without any other victim.

    pids: processes known to have been in the cgroup; they are asked where the kernel does not name a victim's cgroup.
    """
    found = (_concerning(report, cgroup, pids) for report in reports)
    return tuple(report for report in found if report is not None)


def names_the_whole_group(report: KernelReport) -> bool:
    """Tell whether a cgroup was killed as a whole and everybody who was in it is named."""
    named = {victim.pid for victim in report.victims}
    return report.oom_group is not None and bool(report.tasks) and all(task.pid in named for task in report.tasks)


def without(report: KernelReport, *, pid: int) -> KernelReport:
    """Return a report without one process."""
    return replace(
        report,
        victims=tuple(victim for victim in report.victims if victim.pid != pid),
        tasks=tuple(task for task in report.tasks if task.pid != pid),
    )


def _concerning(report: KernelReport, cgroup: str, pids: Collection[int]) -> KernelReport | None:
    # The table lists the tasks of oom_memcg and no others. The path of a group kill proves nothing: the kill of
    # somebody else, its own report left out, may follow and looks like one more of the group.
    listed = report.tasks if is_within(report.oom_memcg, cgroup) else ()
    known = {*pids, *(task.pid for task in listed)}
    ours = [victim for victim in report.victims if _is_ours(victim.pid, report, cgroup, known)]
    if not ours and (report.victims or not is_within(report.task_memcg, cgroup)):
        return None
    others = {victim.record for victim in report.victims} - {victim.record for victim in ours}
    records = tuple(record for record in report.records if record not in others)
    return replace(report, victims=tuple(ours), records=records)


def _is_ours(pid: int, report: KernelReport, cgroup: str, known: Collection[int]) -> bool:
    """Tell whether a victim is of `cgroup`: the cgroup that the kernel names for it decides, if it names one.

    One above ours decides nothing: it is the next that has the memory controller, if ours has none.
    """
    if pid == report.chosen and report.task_memcg is not None:
        if is_within(report.task_memcg, cgroup):
            return True
        if not is_within(cgroup, report.task_memcg):
            return False
    return pid in known


def is_within(path: str | None, cgroup: str) -> bool:
    """Tell whether a path is the cgroup's or that of one below it."""
    return bool(path and cgroup) and f"{path}/".startswith(f"{cgroup.rstrip('/')}/")
