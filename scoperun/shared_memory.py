"""Which processes share one memory, as after vfork(2) or clone(2) with CLONE_VM, from their sizes. No I/O.

The kernel kills all of them, but counts one and names one (__oom_kill_process() of mm/oom_kill.c). Nothing that may be
read says that processes share their memory, but for kcmp(2), which not every kernel has. They are of the same size
then, to the byte; and the scope has less than they would have together if each had its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.events import Task
    from scoperun.kernel_report import KernelReport, KernelTask, KernelVictim


def sharers(report: KernelReport, victim: KernelVictim) -> list[KernelTask]:
    """Return who else was killed with a victim, by the kernel's table of tasks and statistics of their cgroup."""
    rows = {task.pid: task for task in report.tasks}
    anon = report.stat.get("anon")
    # It has less than two such processes would: there is but one memory of this size.
    if victim.pid not in rows or anon is None or 2 * victim.anon_rss <= anon:
        return []
    sizes = _sizes_in_log(rows.pop(victim.pid))
    return [task for task in rows.values() if _sizes_in_log(task) == sizes]


def one_each(tasks: Sequence[Task], unread: int) -> list[list[Task]]:
    """Return processes by the memory that they have, those who share one together.

    unread: bytes that the scope had beside what was read of all its processes; below 0 if some was read more than once.
    So much below is it as the one memory was, and not more, as if others shared pages after a fork.
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
