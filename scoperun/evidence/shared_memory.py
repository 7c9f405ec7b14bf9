"""Finds processes that share one memory, as after vfork(2) or clone(2) with CLONE_VM, by their sizes. No I/O.

The kernel kills all of them, but counts and names only one (__oom_kill_process() in mm/oom_kill.c). No interface that
every user may read tells which they are, and not every kernel has kcmp(2). But their sizes are equal to the byte,
including page tables, and the scope uses only as much memory as one of them. Forked processes differ: a child has fewer
file pages than its parent, and siblings of equal size have their parent beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import Task
    from scoperun.evidence.kernel_report import KernelReport, KernelTask, KernelVictim


def sharers(report: KernelReport, victim: KernelVictim) -> list[KernelTask]:
    """Return the other processes that share a victim's memory, by the kernel's table and statistics."""
    sizes = next((_sizes_in_log(task) for task in report.tasks if task.pid == victim.pid), None)
    anon = report.stat.get("anon")
    if sizes is None or anon is None:
        return []
    alike = [task for task in report.tasks if _sizes_in_log(task) == sizes and task.pid != victim.pid]
    others = sum(task.rss_anon or 0 for task in report.tasks if _sizes_in_log(task) != sizes)
    return alike if abs(anon - others - victim.anon_rss) < victim.anon_rss / 2 else []


def one_each(tasks: Sequence[Task], unread: int) -> list[list[Task]]:
    """Return the processes grouped by memory: those that share one are in one list.

    unread: the bytes that the scope had beyond the sum of its processes' sizes; below 0 if shared memory was added up
        more than once.
    """
    alike: dict[tuple[int | None, ...], list[Task]] = {}
    for task in tasks:
        alike.setdefault((task.rss, task.anon, task.swap), []).append(task)
    memories: list[list[Task]] = []
    for group in alike.values():
        size = (group[0].anon or 0) + (group[0].swap or 0)
        is_one = len(group) > 1 and abs(unread + (len(group) - 1) * size) < size / 2
        memories += [group] if is_one else [[task] for task in group]
    return memories


def _sizes_in_log(task: KernelTask) -> tuple[int | None, ...]:
    return (task.total_vm, task.rss, task.rss_anon, task.rss_file, task.rss_shmem, task.pgtables, task.swap)
