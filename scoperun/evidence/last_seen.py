"""What is known about a process at its end from when it was last seen: its name and its size. No I/O.

The law of this file:

1. A name that was read at the end, from the zombie, is the process's name. An earlier one might be that of another
   program: the process can have executed the next one since.
2. It cannot have if it had more memory to itself than was taken since, and the scope's own limit was reached. The
   kernel would have freed that memory, and so there would have been room instead of a kill. Not its own is
   * what a forked process that has not executed a program yet shares with others, which can be all that either has;
   * what processes have beyond what the scope has: another cgroup has it, as for an attached process;
   * what the scope had above its limit;
   * swap, which another scope can have taken since.
   Nothing is known if the limit changed meanwhile, or if a process has come that can share the memory of another one.
3. A size is that of the end only if the same is known, and if little was taken since.
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
    is_sized: it was as big when it was killed, if that is so.
    """
    return Victim(
        pid=task.pid,
        name=task.name if name is None and is_same else name,
        rss=task.rss if is_same and is_sized else None,
        anon=task.anon if is_same and is_sized else None,
        source="process table",
    )


def memory(tasks: Iterable[Task]) -> int:
    """Return the bytes of anonymous memory and swap that these processes have."""
    return sum((task.anon or 0) + (task.swap or 0) for task in tasks)


def unchanged(before: MemorySnapshot, after: MemorySnapshot, taken: int) -> frozenset[int]:
    """Return the PIDs of the processes that cannot have executed another program between two snapshots with a kill.

    taken: bytes of memory that were taken in between, at most.
    """
    is_limit_known = before.limit is not None and before.limit == after.limit
    if not is_limit_known or before.charged is None or _may_have_forked(before, after):
        return frozenset()
    foreign = max(memory(before.tasks) - before.charged, 0)
    above_limit = max((before.current or 0) - (before.limit or 0), 0)
    needed = taken + foreign + above_limit
    return frozenset(pid for pid, size in _unshared(before, before.charged).items() if size > needed)


def _may_have_forked(before: MemorySnapshot, after: MemorySnapshot) -> bool:
    """Tell whether a process has come since that can share the memory of another one."""
    known = {task.pid for task in before.tasks}
    ended = any(each.task.pid not in known for each in after.ended)
    return ended or any(task.pid not in known and task.forked is not False for task in after.tasks)


def _unshared(snapshot: MemorySnapshot, charged: int) -> dict[int, int]:
    """Return the bytes in memory that each process shares with no other, by PID; below 0 if it might share all."""
    sizes = {task.pid: task.anon for task in snapshot.tasks}
    if list(sizes.values()).count(None) > 1:
        return {}
    rest = charged - memory(snapshot.tasks)
    known = {pid: rest if size is None else size for pid, size in sizes.items()}
    forked = {task.pid for task in snapshot.tasks if task.forked is not False}
    every, theirs = sum(known.values()), sum(known[pid] for pid in forked)
    return {pid: size - (every - size if pid in forked else theirs) for pid, size in known.items()}
