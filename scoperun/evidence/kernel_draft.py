"""A report of the kernel while it is being read, and the reliable part of it at the end. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scoperun.evidence.kernel_report import KernelReport, is_within
from scoperun.record import dataclass, field, replace
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scoperun.evidence.kernel_report import KernelTask, KernelVictim

# printk cuts a record off at 1024 bytes, including up to 48 of its own; /dev/kmsg returns 8 KiB at most.
CUT_OFF = 960
LONGEST = 8192

_OF_CGROUP = re.compile(r",(oom_memcg|global_oom,task_memcg)=(?=/)")


@dataclass(slots=True)
class Draft:
    """A report as far as it has been read.

    at: the time of the last record.
    message: the words with which the record of a kill begins, the same throughout a report.
    summary: the text between constraint and pid, which names the cgroups.
    threads: the process of each thread in the table, both by PID.
    victims_by_pid: the victims by the PID that the kernel names.
    """

    at: float | None = None
    sysrq: bool = False
    is_mixed: bool = False
    is_over: bool = False
    sacrifices: bool = False
    invoked_by: str | None = None
    constraint: str | None = None
    message: str | None = None
    summary: str = ""
    chosen: int | None = None
    oom_group: str | None = None
    counters: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    stat_of: str | None = None
    stat: dict[str, int] = field(default_factory=dict)
    columns: list[str] | None = None
    threads: dict[int, int] = field(default_factory=dict)
    tasks: list[KernelTask] = field(default_factory=list)
    victims_by_pid: dict[int, KernelVictim] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)

    def awaits(self, pid: int, message: str | None) -> bool:
        """Tell whether a kill of `pid`, whose record begins with `message`, belongs to this report."""
        if self.oom_group is not None:
            return not self.victims_by_pid or message == self.message
        is_chosen = self.chosen is not None and self.chosen in {pid, self.threads.get(pid)}
        return self.is_over and not self.victims_by_pid and (self.sacrifices or is_chosen)


def finished(draft: Draft, *, page_size: int) -> KernelReport:
    """Return the reliable part of the report; page_size: bytes."""
    oom_memcg, task_memcg = _cgroups(draft)
    report = KernelReport(
        at=draft.at,
        sysrq=draft.sysrq,
        constraint="CONSTRAINT_MEMCG" if oom_memcg else draft.constraint,  # 5.0 and 5.1 say CONSTRAINT_NONE there
        oom_memcg=oom_memcg,
        task_memcg=task_memcg,
        chosen=draft.chosen,
        oom_group=draft.oom_group,
        victims=tuple(draft.victims_by_pid.values()),
        records=tuple(draft.records),
    )
    return replace(report, **_details(draft, page_size)) if _is_of_one_piece(draft, report) else report


def _is_of_one_piece(draft: Draft, report: KernelReport) -> bool:
    """Tell whether the details before the summary belong to the kill after it."""
    if draft.is_mixed:
        return False
    if draft.chosen is None:
        return True
    is_same_cgroup = draft.stat_of in {None, report.oom_memcg}
    return is_same_cgroup and (not draft.tasks or draft.chosen in {*draft.threads, *draft.threads.values()})


def _details(draft: Draft, page_size: int) -> dict[str, Any]:
    usage, limit, failcnt = draft.counters.get("memory", (None, None, None))
    swap_usage, swap_limit, swap_failcnt = draft.counters.get("swap", (None, None, None))
    return {
        "invoked_by": draft.invoked_by,
        "usage": usage,
        "limit": _limit(limit, page_size),
        "failcnt": failcnt,
        "swap_usage": swap_usage,
        "swap_limit": _limit(swap_limit, page_size),
        "swap_failcnt": swap_failcnt,
        "stat": draft.stat,
        "tasks": tuple(draft.tasks),
        "victims": tuple(_of_process(victim, draft) for victim in draft.victims_by_pid.values()),
    }


def _limit(limit: int | None, page_size: int) -> int | None:
    """Return INFINITY for PAGE_COUNTER_MAX (include/linux/page_counter.h), which the kernel writes for no limit."""
    return INFINITY if limit is not None and limit >= (2**63 - 1) // page_size * page_size else limit


def _of_process(victim: KernelVictim, draft: Draft) -> KernelVictim:
    """Return the victim with its process's pid: the kernel names a thread that is left, the table has both."""
    return replace(victim, pid=draft.threads.get(victim.pid, victim.pid))


def _cgroups(draft: Draft) -> tuple[str | None, str | None]:
    """Return oom_memcg and task_memcg from the summary, None for one that is not there or is ambiguous.

    Names of cgroups and processes can look like the next field; then other records decide where each field ends.
    """
    found = _OF_CGROUP.search(draft.summary)
    if found is None:
        return None, None
    processes: Iterable[KernelTask | KernelVictim] = (*draft.tasks, *draft.victims_by_pid.values())
    names = {process.name for process in processes if process.pid == draft.chosen}
    cgroups, _ = _only(_splits(draft.summary[found.end() :], ",task="), lambda _, name: name in names)
    if found[1] != "oom_memcg":
        return None, cgroup_path(cgroups)
    oom_memcg, task_memcg = _only(
        _splits(cgroups, ",task_memcg="),
        lambda oom, task: task.startswith("/") and (oom == draft.stat_of if draft.stat_of else is_within(task, oom)),
    )
    return cgroup_path(oom_memcg), cgroup_path(task_memcg)


def _splits(text: str, mark: str) -> list[tuple[str, str]]:
    """Return every way to split `text` at `mark`."""
    ends = [found.start() for found in re.finditer(re.escape(mark), text)]
    return [(text[:end], text[end + len(mark) :]) for end in ends]


def _only(splits: list[tuple[str, str]], is_right: Callable[[str, str], bool]) -> tuple[str, str]:
    """Return the only split, or the only one that is right; else two empty strings."""
    found = splits if len(splits) == 1 else [split for split in splits if is_right(*split)]
    return found[0] if len(found) == 1 else ("", "")


def cgroup_path(text: str) -> str | None:
    """Return the path of a cgroup, None if `text` is not one or printk cut it off."""
    return text if text.startswith("/") and len(text) < CUT_OFF else None
