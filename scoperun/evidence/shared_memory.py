"""Which processes share one memory, as after vfork(2) or clone(2) with CLONE_VM: told by their sizes. No I/O.

The kernel kills all of them, but counts one and names one (__oom_kill_process() in mm/oom_kill.c). Nothing that is
open to all says so, and kcmp(2) is not in every kernel. But they are of the same size to the byte, page tables
included, and the scope has as much memory as if only one of them were there. After a fork a child has fewer pages of
files than its parent, and its siblings have their parent beside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import Task
    from scoperun.evidence.kernel_report import KernelReport, KernelTask, KernelVictim


def sharers(report: KernelReport, victim: KernelVictim) -> list[KernelTask]:
    """Return the other processes that were killed with a victim, by the kernel's table and statistics."""
    sizes = next((_sizes_in_log(task) for task in report.tasks if task.pid == victim.pid), None)
    anon = report.stat.get("anon")
    if sizes is None or anon is None:
        return []
    alike = [task for task in report.tasks if _sizes_in_log(task) == sizes and task.pid != victim.pid]
    others = sum(task.rss_anon or 0 for task in report.tasks if _sizes_in_log(task) != sizes)
    return alike if abs(anon - others - victim.anon_rss) < victim.anon_rss / 2 else []


def one_each(tasks: Sequence[Task], unread: int) -> list[list[Task]]:
    """Return processes by the memory that they have: those that share one stand together.

    unread: bytes that the scope had beside what was read of all its processes; below 0 if some was read twice.
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
