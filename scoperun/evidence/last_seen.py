"""What is known about a process at its end from when it was last seen: its name and its size. No I/O.

The law of this file:

1. A name that was read at the end, from the zombie, is the process's name. An earlier one might be that of another
   program: the process can have executed the next one since.
2. It cannot have if it had more memory to itself than was taken since. The kernel would have freed that memory, and so
   there would have been room instead of a kill.
   * A forked process that has not executed a program yet shares its memory with its parent, as far as anyone knows.
   * That does not hold if the limit changed meanwhile, nor for a group that was killed for another cgroup's limit.
3. A size is that of the end only if the process still ran the same program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.evidence.events import MemorySnapshot, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A process that the OOM killer killed.

    pid: its PID.
    name: as in the kernel log, or in /proc at its end. None if it was not read then and the process can have executed
        another program since it was last seen.
    rss: bytes in memory at the kill; None if not known.
    anon: bytes of `rss` that are not copies of files; None if not known.
    source: how it is known that the process was killed: `kernel log`, `process table` or `wait status`.
    """

    pid: int
    name: str | None
    rss: int | None
    anon: int | None
    source: str


def victim_in_table(task: Task, *, name: str | None, is_same: bool, is_sized: bool) -> Victim:
    """Return a process that was seen before it was killed as a victim.

    name: its name at its end, None if it was not read.
    is_same: it cannot have executed another program since.
    is_sized: a process of the same program was as big when it was killed.
    """
    is_size_its_own = is_sized and (is_same or (name == task.name and task.forked is False))
    return Victim(
        pid=task.pid,
        name=task.name if name is None and is_same else name,
        rss=task.rss if is_size_its_own else None,
        anon=task.anon if is_size_its_own else None,
        source="process table",
    )


def memory(tasks: Iterable[Task]) -> int:
    """Return the bytes of anonymous memory and swap that these processes have."""
    return sum((task.anon or 0) + (task.swap or 0) for task in tasks)


def unchanged(before: MemorySnapshot, after: MemorySnapshot) -> frozenset[int]:
    """Return the PIDs of the processes that cannot have executed another program between two snapshots with a kill."""
    if before.faulted is None or after.faulted is None or before.limit != after.limit:
        return frozenset()
    taken = after.faulted - before.faulted
    return frozenset(pid for pid, size in _own_memory(before).items() if size > taken)


def _own_memory(snapshot: MemorySnapshot) -> dict[int, int]:
    """Return the bytes that each process has at least to itself, by PID; below 0 if it might share all that it has."""
    tasks = snapshot.tasks
    unreadable = [task for task in tasks if task.anon is None]
    if len(unreadable) > 1:
        return {}
    unread = (snapshot.needed or 0) - memory(tasks)
    if unreadable:
        return {unreadable[0].pid: unread - memory(tasks)}
    every, forked = memory(tasks), memory(task for task in tasks if task.forked is not False)
    return {task.pid: memory([task]) - (forked if task.forked is False else every - memory([task])) for task in tasks}
