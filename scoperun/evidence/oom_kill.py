"""Which processes the OOM killer killed, from the snapshots before and after a kill. No I/O.

The law of this file: a process was killed if it is in the snapshot before a kill was counted and missing from the one
after it, and as many are missing as were counted. Processes that share one memory count once, the keeper can be one of
those counted, and a process known to have ended another way is not missing. No victim is named if:

* the counts differ;
* the earlier snapshot cannot show the scope as it was at the kill;
* an unseen process might have had more memory. The missing processes must have had more than half of the memory that
  the survivors do not have;
* as much memory as theirs can have been taken since: they might have ended before the kill and left room for another
  process, which was killed. If the scope's own limit was not reached, others can have taken that room, so they must be
  known to have been killed;
* nothing is known about one of them but its PID, as it came and went between two snapshots;
* the snapshots lie a second or more apart and no exit prompted the later one: something else might have killed them.

A victim's size is given only if the scope had nearly as much memory when the victim was seen as at the kill, and little
was taken since; its name only by the law of last_seen.py.

If a cgroup was killed as a whole, every missing process is named that was killed or whose wait status is unknown, also
at later rises: the kernel counts little by little. An end counts once, although two snapshots can have it. Where such a
status is unknown, the earlier snapshot must be less than a second old. If that cgroup is inside the scope, only the
processes in it count.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.last_seen import Victim, memory, unchanged, victim_in_table
from scoperun.evidence.shared_memory import one_each
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from scoperun.evidence.events import EndedTask, MemorySnapshot, Task, WorkloadExited


JUST_BEFORE = 1.0
"""Seconds before the end of a scope within which a snapshot is taken to show the scope at its end."""

NEARLY_ALL = 0.9
"""Share of a scope's memory: sizes read when this much was in use count as the sizes when all was in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeEnd:
    """How a scope ended: what decides which processes of its snapshots are victims.

    pid, exited: the command's own process and its end.
    policy: OOMPolicy=, None if not known.
    tasks_peak: the highest number of tasks at a time, without the keeper; None if not known.
    keeper_killed: the keeper was killed too.
    other_kills: processes other than the keeper that were certainly killed; None if not known.
    most: bytes of memory and swap that the scope can have had at most; None if not known.
    ended_with_scope: nothing shows that the command ended before the other processes, or outside the scope.
    """

    pid: int
    exited: WorkloadExited
    policy: str | None
    tasks_peak: int | None
    keeper_killed: bool
    other_kills: int | None
    most: int | None
    ended_with_scope: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OomKill:
    """A rise of oom_kill between two snapshots.

    since, until: when the snapshots were taken, in seconds on the monotonic clock.
    kills: processes that were counted.
    is_group: a cgroup was killed as a whole. The count is of no use then: the kernel counts some processes twice,
        counts the keeper too, and goes on counting.
    is_known_group: it is known which cgroups those were.
    was_close: the earlier snapshot shows the scope as it was at the kill, and none of its processes had ended
        unnoticed. Otherwise a process might have come since, taken the memory and gone unseen.
    was_just_seen: the processes of the earlier snapshot had no time to end another way.
    was_prompted: one of those processes ended just before the later snapshot, and none of them earlier.
    was_noticed: it was one kill, or one group, and the later snapshot was taken as soon as it was counted.
    was_at_own_limit: it was for the scope's own limit.
    needed: bytes of memory and swap that were in use before and could not be dropped; None if not read.
    free: the most bytes of memory and swap that an unseen process can have had.
    taken: bytes of memory that were taken since, at most; None if not read.
    unread: bytes of processes beyond what was read of them; below 0 if some was read twice.
    unchanged: the PIDs of the processes that cannot have executed another program since the earlier snapshot, if it was
        for the scope's own limit.
    ended: the processes that are missing from the later snapshot.
    """

    since: float
    until: float
    kills: int
    is_group: bool
    is_known_group: bool
    was_close: bool
    was_just_seen: bool
    was_prompted: bool
    was_noticed: bool
    was_at_own_limit: bool
    needed: int | None
    free: int
    taken: int | None
    unread: int
    unchanged: frozenset[int]
    ended: tuple[EndedTask, ...]

    def name_victims(self, end: ScopeEnd) -> list[Victim]:
        """Return the processes that were killed, none if that is not certain."""
        is_certain = self.is_certain_of_group(end) if self.is_group else self._is_certain_of_each(end)
        if not is_certain or self.has_stranger(end):
            return []
        return self.victims(self.memories(end), end)

    def victims(self, memories: Iterable[Sequence[Task]], end: ScopeEnd) -> list[Victim]:
        """Return missing processes as victims, with what is known of each at its end; memories: as from `memories`.

        Of several that had one memory, a forked one is left out if it is not known to have been killed: it might have
        executed another program since, and have ended another way.
        """
        names = {each.task.pid: each.name for each in self.ended} | name_of_command(end)
        killed = {task.pid for task, status in _endings(self.ended, end) if status is not None}
        return [
            victim_in_table(
                task,
                name=names[task.pid],
                is_same=self.was_at_own_limit and task.pid in self.unchanged,
                is_sized=self._is_sized(end) and (self.taken or 0) <= (1 - NEARLY_ALL) * (task.anon or 0),
            )
            for tasks in memories
            for task in tasks
            if len(tasks) == 1 or task.forked is False or task.pid in killed
        ]

    def has_stranger(self, end: ScopeEnd) -> bool:
        """Tell whether nothing is known about a process that might have been killed, but its PID."""
        names = {each.task.pid: each.name for each in self.ended}
        return any(
            task.name is None and names[task.pid] is None and status is None
            for task, status in _endings(self.ended, end)
        )

    def _is_certain_of_each(self, end: ScopeEnd) -> bool:
        """Tell whether all missing processes were killed one by one, because no other can have had their memory."""
        memories = self.memories(end)
        unknown = [task for task, status in _endings(self.ended, end) if status is None]
        if unknown and not self.was_at_own_limit:
            return False
        unread = self.unread if any(task.anon is None for task in suspects(self.ended, end)) else 0
        theirs = memory(tasks[0] for tasks in memories) + unread
        counted = {self.kills, self.kills - 1} if end.keeper_killed else {self.kills}
        is_plausible = len(memories) in counted and self.was_close and (self.was_just_seen or self.was_prompted)
        has_room_been_filled_again = self.taken is None or self.taken >= theirs
        return is_plausible and theirs > self.free / 2 and not has_room_been_filled_again

    def _is_sized(self, end: ScopeEnd) -> bool:
        """Tell whether the sizes in the earlier snapshot are the victims' sizes when they were killed.

        If several were killed one by one, the later ones might have grown into the room of the earlier ones.
        """
        is_one = self.is_group or self.kills == 1
        return is_one and end.most is not None and (self.needed or 0) >= NEARLY_ALL * end.most

    def memories(self, end: ScopeEnd) -> list[list[Task]]:
        """Return the processes that might have been killed, a list for each memory: one kill ends all that share it.

        A child is as big as its parent just after fork(2), too. So what they share has to be more than was taken since.
        """
        found = suspects(self.ended, end)
        is_by_memory = not self.is_group and self.was_close and len(found) > self.kills
        alike = one_each(found, self.unread) if is_by_memory else [[task] for task in found]
        return [
            part for tasks in alike for part in ([tasks] if self._has_kept(tasks[0]) else [[each] for each in tasks])
        ]

    def _has_kept(self, task: Task) -> bool:
        """Tell whether most of what a process had before was its own memory at the kill as well."""
        return self.taken is not None and memory([task]) > self.taken

    def is_certain_of_group(self, end: ScopeEnd) -> bool:
        """Tell whether all missing processes were killed with the group, because none can have ended another way."""
        if not self.is_known_group:
            return False
        return self.was_just_seen or all(status is not None for _, status in _endings(self.ended, end))


def oom_kill(before: MemorySnapshot, after: MemorySnapshot) -> OomKill | None:
    """Return what the OOM killer did between two snapshots, as if not for the scope's own limit; None if nothing."""
    kills, groups = after.oom_kill - before.oom_kill, group_kills(before, after)
    if kills <= 0:
        return None
    was_close = before.current is not None and (before.needed or 0) >= before.current / 2
    cgroups = _killed_cgroups(before, after)
    taken = rise(before.taken, after.taken)
    if taken is not None:
        taken += after.uncounted
    places = {**after.places, **before.places}
    living = {task.pid for task in after.tasks}
    return OomKill(
        since=before.at,
        until=after.at,
        kills=kills,
        is_group=groups > 0,
        is_known_group=cgroups is not None,
        was_close=was_close and (after.prompted or not after.rested),
        was_just_seen=after.at - before.at < JUST_BEFORE,
        was_prompted=after.prompted,
        was_noticed=not after.rested and (kills == 1 or groups > 0),
        was_at_own_limit=False,
        needed=before.needed,
        free=(before.needed or 0) - memory(task for task in before.tasks if task.pid in living),
        taken=taken,
        unread=(before.charged or 0) - memory(before.tasks),
        unchanged=unchanged(before, after, taken) if taken is not None else frozenset(),
        ended=tuple(each for each in after.ended if cgroups is None or _is_in(places.get(each.task.pid), cgroups)),
    )


def suspects(ended: Iterable[EndedTask], end: ScopeEnd) -> list[Task]:
    """Return the missing processes that might have been killed."""
    return [task for task, status in _endings(ended, end) if status in {None, -signal.SIGKILL}]


def _endings(ended: Iterable[EndedTask], end: ScopeEnd) -> list[tuple[Task, int | None]]:
    """Return the missing processes with their wait statuses; the command's own comes from waiting for it."""
    return [(each.task, end.exited.status if each.task.pid == end.pid else each.status) for each in ended]


def name_of_command(end: ScopeEnd) -> dict[int, str | None]:
    """Return the command's PID with its name at its end, if that is known."""
    return {} if end.exited.name is None else {end.pid: end.exited.name}


def group_kills(before: MemorySnapshot, after: MemorySnapshot) -> int:
    """Return how often a cgroup in the scope, or one above it, was killed as a whole between two snapshots."""
    inside = after.events.get("oom_group_kill", 0) - before.events.get("oom_group_kill", 0)
    return inside + sum(group_kills_above(before, after.groups).values())


def group_kills_above(before: MemorySnapshot, groups: Mapping[str, int | None]) -> dict[str, int]:
    """Return how often each cgroup above the scope was killed as a whole since a snapshot, by name, without zeros."""
    _, *above = before.ooms or [""]
    rises = {name: rise(before.groups.get(name), groups.get(name)) for name in above}
    return {name: rise for name, rise in rises.items() if rise}


def _killed_cgroups(before: MemorySnapshot, after: MemorySnapshot) -> set[str] | None:
    """Return the cgroups in the scope that were killed as a whole; the scope itself dies with one above it.

    Without a group kill that is the scope too, so every process counts. None if not known.
    """
    scope = next(iter(after.ooms), "")
    if group_kills_above(before, after.groups) or not group_kills(before, after):
        return {scope}
    counts = {name: (count or 0) - (before.groups.get(name) or 0) for name, count in after.groups.items()}
    found = {name for name, count in counts.items() if count and is_within(name, scope)}
    return found if sum(counts[name] for name in found) == group_kills(before, after) else None


def _is_in(place: str | None, cgroups: Collection[str]) -> bool:
    """Tell whether a process was, or might have been, in one of the cgroups; place: its cgroup, None if not seen."""
    return place is None or any(is_within(place, cgroup) for cgroup in cgroups)


def rise(before: int | None, now: int | None) -> int | None:
    """Return by how much a count rose, None if it was not read both times."""
    return None if before is None or now is None else now - before
