"""Which processes the OOM killer killed, and whose limit was reached, from snapshots of the scope's memory. No I/O.

The law of this file:

1. A process was killed if it is in the snapshot before a kill was counted and missing from the one after it, and as
   many are missing as were counted. Processes that share one memory count once, the keeper can be one of those
   counted, and a process known to have ended another way is not missing. No victim is named if:
   * the counts differ;
   * the earlier snapshot cannot show the scope as it was at the kill;
   * an unseen process might have had more memory. The missing processes must have had more than half of the memory that
     the survivors do not have;
   * as much memory as theirs can have been taken since: they might have ended before the kill and left room for another
     process, which was killed;
   * the snapshots lie a second or more apart and no exit prompted the later one: something else might have killed them.
   A victim's size is given only if the scope had nearly as much memory when the victim was seen as at the kill, its
   name only by the law of last_seen.py.
   If a cgroup was killed as a whole, every missing process is named that was killed or whose wait status is unknown,
   also at later rises: the kernel counts little by little. An end counts once, although two snapshots can have it.
   Where such a status is unknown, the earlier snapshot must be less than a second old. If that cgroup is inside the
   scope, only the processes in it count.
   A command that was always alone in the scope and died of SIGKILL is the victim.
2. The limit is that of the one cgroup, from the scope up, whose `oom` rose shortly before the kill was counted.
   If none rose while the command ran although a kill was counted, no limit was reached: the machine was full if it was
   short of memory shortly before; otherwise the kill was requested (SysRq). In a container it might have been a limit
   above. If several rose, or one rose only long before, the limit is unknown. If kills follow one another, only what
   rose since the last kill but one counts, or what had risen by then without a kill.
   A reading from before a kill was counted tells of the scope's own limit alone: another might have risen since.
"""

from __future__ import annotations

import enum
import signal
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.last_seen import Victim, memory, unchanged, victim_in_table
from scoperun.evidence.shared_memory import one_each
from scoperun.record import dataclass, replace
from scoperun.spec.scope import units_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from scoperun.evidence.events import Counters, EndedTask, MemorySnapshot, Task, WorkloadExited


JUST_BEFORE = 1.0
"""Seconds before the end of a scope within which a snapshot is taken to show the scope at its end."""

NEARLY_ALL = 0.9
"""Share of a scope's memory: sizes read when this much was in use count as the sizes when all was in use."""

_SHORTLY = 5.0
"""Seconds before a kill was counted within which its limit was reached, however busy the machine."""


class LimitOf(enum.StrEnum):
    """What the reached limit belongs to; HOST: the machine had no more memory."""

    SCOPE = "scope"
    SLICE = "slice"
    HOST = "host"
    SYSTEMD_OOMD = "systemd-oomd"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The limit that was reached.

    of: what it belongs to.
    unit: the unit that has it, or the path of a cgroup below the scope; None if there is neither.
    """

    of: LimitOf
    unit: str | None = None


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
    needed: bytes of memory and swap that were in use before and could not be dropped; None if not read.
    free: the most bytes of memory and swap that an unseen process can have had.
    faulted: bytes of memory that were taken since; None if not read.
    unread: bytes of `needed` beyond what was read of all processes; below 0 if some was read twice.
    unchanged: the PIDs of the processes that cannot have executed another program since the earlier snapshot.
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
    needed: int | None
    free: int
    faulted: int | None
    unread: int
    unchanged: frozenset[int]
    ended: tuple[EndedTask, ...]

    def name_victims(self, end: ScopeEnd) -> list[Victim]:
        """Return the processes that were killed, none if that is not certain."""
        is_certain = self.is_certain_of_group(end) if self.is_group else self._is_certain_of_each(end)
        return [victim for tasks in self.memories(end) for victim in self.victims(tasks, end)] if is_certain else []

    def victims(self, tasks: Sequence[Task], end: ScopeEnd) -> list[Victim]:
        """Return missing processes that have one memory as victims, with what is known of each at its end.

        If several have it, none can have executed another program, which has a memory of its own.
        """
        names = {each.task.pid: each.name for each in self.ended} | _name_of_command(end)
        return [
            victim_in_table(
                task,
                name=names[task.pid],
                is_same=len(tasks) > 1 or task.pid in self.unchanged,
                is_sized=self.is_sized(end),
            )
            for task in tasks
        ]

    def _is_certain_of_each(self, end: ScopeEnd) -> bool:
        """Tell whether all missing processes were killed one by one, because no other can have had their memory."""
        memories = self.memories(end)
        unread = self.unread if any(task.anon is None for task in _suspects(self.ended, end)) else 0
        theirs = memory(tasks[0] for tasks in memories) + unread
        counted = {self.kills, self.kills - 1} if end.keeper_killed else {self.kills}
        is_plausible = len(memories) in counted and self.was_close and (self.was_just_seen or self.was_prompted)
        has_room_been_filled_again = self.faulted is None or self.faulted >= theirs
        return is_plausible and theirs > self.free / 2 and not has_room_been_filled_again

    def is_sized(self, end: ScopeEnd) -> bool:
        """Tell whether the sizes in the earlier snapshot are the victims' sizes when they were killed.

        If several were killed one by one, the later ones might have grown into the room of the earlier ones.
        """
        is_one = self.is_group or self.kills == 1
        return is_one and end.most is not None and (self.needed or 0) >= NEARLY_ALL * end.most

    def memories(self, end: ScopeEnd) -> list[list[Task]]:
        """Return the processes that might have been killed, a list for each memory: one kill ends all that share it."""
        found = _suspects(self.ended, end)
        is_by_memory = not self.is_group and self.was_close and len(found) > self.kills
        return one_each(found, self.unread) if is_by_memory else [[task] for task in found]

    def is_certain_of_group(self, end: ScopeEnd) -> bool:
        """Tell whether all missing processes were killed with the group, because none can have ended another way."""
        if not self.is_known_group:
            return False
        return self.was_just_seen or all(status is not None for _, status in _endings(self.ended, end))


def oom_kill(before: MemorySnapshot, after: MemorySnapshot) -> OomKill | None:
    """Return what the OOM killer did between two snapshots, None if it did nothing."""
    kills, groups = after.oom_kill - before.oom_kill, _groups(before, after)
    if kills <= 0:
        return None
    was_close = before.current is not None and (before.needed or 0) >= before.current / 2
    cgroups = _killed_cgroups(before, after)
    was_at_own_limit = _own_ooms(after) > _own_ooms(before)
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
        needed=before.needed,
        free=(before.needed or 0) - memory(task for task in before.tasks if task.pid in living),
        faulted=_rise(before.faulted, after.faulted),
        unread=(before.needed or 0) - memory(before.tasks),
        unchanged=unchanged(before, after) if not groups or was_at_own_limit else frozenset(),
        ended=tuple(each for each in after.ended if cgroups is None or _is_in(places.get(each.task.pid), cgroups)),
    )


def limit_reached(rises: Mapping[str, int | None], ooms: int) -> Limit:
    """Return whose limit was reached.

    rises: how often each cgroup, from the scope up, ran into its own limit; None if not read.
    ooms: how often a limit was reached in the scope and below.
    """
    if not rises or None in rises.values():
        return Limit(of=LimitOf.UNKNOWN)
    scope, *_ = rises
    hit = [name for name, rise in rises.items() if rise]
    is_below = ooms > (rises[scope] or 0)
    match hit:
        case [] if is_below:
            return Limit(of=LimitOf.SCOPE)
        case []:
            return Limit(of=LimitOf.UNKNOWN if "/" in rises else LimitOf.HOST)
        case [name] if name == scope and not is_below:
            return Limit(of=LimitOf.SCOPE, unit=unit_of(name))
        case [name] if not is_below:
            return Limit(of=LimitOf.SLICE, unit=unit_of(name))
        case _:
            return Limit(of=LimitOf.UNKNOWN)


def unit_of(cgroup: str) -> str:
    """Return the unit whose cgroup has this path, e.g. app.slice; the path itself for the root, which has no unit."""
    return units_of(cgroup)[-1] if units_of(cgroup) else cgroup


class OomWatch:
    """What a series of snapshots tells about OOM kills.

    killings: each rise of oom_kill.
    after: the snapshot that counted the last rise, None if there was none.
    last: the last snapshot of all, None before the first.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.killings: list[OomKill] = []
        self._before: MemorySnapshot | None = None
        self.after: MemorySnapshot | None = None
        self.last: MemorySnapshot | None = None
        self._start: MemorySnapshot | None = None
        self._shortly: list[MemorySnapshot] = []
        self._shortly_before: MemorySnapshot | None = None
        self._last_but_one: MemorySnapshot | None = None
        self._pids: set[int] = set()
        self._ended: set[int] = set()

    def feed(self, snapshot: MemorySnapshot) -> None:
        """Take in one snapshot; the first one is taken before the command runs."""
        snapshot = self._with_new_ends(snapshot)
        self._start = self._start or snapshot
        self._shortly.append(snapshot)
        while len(self._shortly) > 1 and self._shortly[1].at < snapshot.at - _SHORTLY:
            del self._shortly[0]  # keeps one snapshot from before that time
        if self.last is not None and (killing := oom_kill(self.last, snapshot)):
            self.killings.append(killing)
            self._last_but_one, self._shortly_before = self.after, self._shortly[0]
            self._before, self.after = self.last, snapshot
        self._pids.update(task.pid for task in snapshot.tasks)
        self.last = snapshot

    def _with_new_ends(self, snapshot: MemorySnapshot) -> MemorySnapshot:
        """Leave out the ends that an earlier snapshot had: the kernel lists a process until it is dead."""
        self._ended -= {task.pid for task in snapshot.tasks}  # a new process can get an old PID
        new = tuple(each for each in snapshot.ended if each.task.pid not in self._ended)
        self._ended |= {each.task.pid for each in new}
        return snapshot if len(new) == len(snapshot.ended) else replace(snapshot, ended=new)

    @property
    def before(self) -> MemorySnapshot | None:
        """The snapshot before the last kill; without a kill the last one, as for a scope whose counters are gone."""
        return self._before or self.last

    @property
    def pids(self) -> Collection[int]:
        """The PIDs of all processes that were seen in the scope."""
        return self._pids

    @property
    def kills_seen(self) -> int:
        """How many kills the snapshots counted."""
        return 0 if self.last is None else self.last.oom_kill

    def name_victims(self, end: ScopeEnd) -> list[Victim]:
        """Return the victims that are known."""
        is_whole = end.policy == "kill"
        if is_whole and (whole := self._whole_scope(end)):
            return whole
        found = [victim for killing in self.killings for victim in killing.name_victims(end)]
        was_alone = end.tasks_peak == 1 and (not end.keeper_killed or bool(end.other_kills))
        return found or (_command(end) if (is_whole and end.ended_with_scope) or was_alone else [])

    def _whole_scope(self, end: ScopeEnd) -> list[Victim]:
        """Return all processes that were in the scope when it was killed as a whole, including the command.

        These are the ones that were there when the kernel had begun to look for a victim, or had killed the first.
        """
        seen = self.after or self.last
        if seen is None or end.exited.at - seen.at > JUST_BEFORE or not (self.after or seen.events.get("oom")):
            return []
        found = [_seen_last(task, end) for task in seen.tasks]
        for killing in self._last_killings():
            found += [victim for task in _suspects(killing.ended, end) for victim in killing.victims([task], end)]
        is_sure = end.exited.status == -signal.SIGKILL and end.pid in {victim.pid for victim in found}
        is_sure = is_sure and (not self.killings or self.killings[-1].is_certain_of_group(end))
        return found if is_sure else []

    def _last_killings(self) -> list[OomKill]:
        """Return the rises since the last group kill, which the kernel counts little by little; else the last one."""
        groups = [number for number, killing in enumerate(self.killings) if killing.is_group]
        return self.killings[(groups or [-1])[-1] :]

    def own_limit(self, peak: int | None) -> int | None:
        """Return the scope's own limit at the last kill in bytes, None if not known: it might have changed about then.

        peak: the most bytes of memory that the scope had. A limit that the peak came up to was reached. Otherwise the
        limit is what was read as soon as the kill was counted, or what was read both shortly before and after.
        """
        if self.after is None:
            return self.last.limit if self.last else None
        limits = {each.limit for each in (self._before, self.after) if each and each.limit is not None}
        reached = [limit for limit in limits if peak is not None and NEARLY_ALL * limit <= peak <= limit]
        if len(reached) == 1:
            return reached[0]
        killing = self.killings[-1]
        return self.after.limit if killing.was_noticed or (killing.was_just_seen and len(limits) == 1) else None

    def rises(self, counters: Counters) -> dict[str, int | None]:
        """Return how often each cgroup ran into its own limit since the start, by name, from the scope up.

        None is a count that was not read, or was 0 before a kill was counted: it might have risen since.
        """
        rises = self._rises(counters, since=self._start)
        return rises if self._is_counted(counters) else {name: rise or None for name, rise in rises.items()}

    def limit(self, counters: Counters) -> Limit:
        """Return whose limit the last kill was for; `counters` were read at the end."""
        since = self._since()
        rises, in_scope = self._rises(counters, since=since), self._rise_in_scope(counters, since=since)
        if group := next(iter(self.groups_above(counters) or ()), None):
            # The limit was this cgroup's or that of one above it, whatever the counts of those below say.
            rises, in_scope = {name: rise if is_within(group, name) else 0 for name, rise in rises.items()}, 0
        limit = limit_reached(rises, in_scope)
        # Read before a kill was counted, only that the scope's own limit was reached means something.
        is_reliable = self._is_counted(counters) or limit.of is LimitOf.SCOPE
        return limit if is_reliable and not self._is_doubtful(limit, since) else Limit(of=LimitOf.UNKNOWN)

    def _since(self) -> MemorySnapshot | None:
        """Return the snapshot since which the count of the limit behind the last kill must have risen."""
        if self.after is None or self._shortly_before is None:
            return self._shortly[0] if self._shortly else None
        earlier = self._last_but_one
        is_long_ago = earlier is None or earlier.at <= self._shortly_before.at
        is_open = is_long_ago or self._has_kill_due(earlier) or self._was_group_kill()
        return self._shortly_before if is_open else earlier

    def _was_group_kill(self) -> bool:
        """Tell whether a cgroup was killed as a whole shortly before: then one reached limit causes many kills."""
        before, after = self._shortly_before, self.after
        return before is not None and after is not None and _groups(before, after) > 0

    def _is_doubtful(self, limit: Limit, since: MemorySnapshot | None) -> bool:
        """Tell whether the last kill might have been for another limit than `limit`."""
        if self.after is None or since is None:
            return limit.of is LimitOf.HOST
        was_short = bool(_rise((self._last_but_one or since).stalls, self.after.stalls))
        if limit.of is LimitOf.HOST:
            return not was_short or self._has_kill_due(since)
        if self._was_group_kill():
            return False
        reached = _times_reached(self.after) - _times_reached(since)
        is_too_few = self.after.oom_kill - since.oom_kill > reached
        return is_too_few or (was_short and not self._has_risen_since_last_but_one())

    def _has_kill_due(self, snapshot: MemorySnapshot | None) -> bool:
        """Tell whether limits were reached more often than kills were counted: another kill might be due."""
        start = self._start
        if snapshot is None or start is None:
            return False
        return _times_reached(snapshot) - _times_reached(start) > snapshot.oom_kill - start.oom_kill

    def _has_risen_since_last_but_one(self) -> bool:
        earlier = self._last_but_one
        return earlier is None or self.after is None or _times_reached(self.after) > _times_reached(earlier)

    def groups_above(self, counters: Counters) -> dict[str, int] | None:
        """Return how often each cgroup above the scope was killed as a whole, without zeros; None if not known."""
        groups = counters.groups or (self.last.groups if self.last else {})
        if self._start is None:
            return None
        _, *above = self._start.ooms or [""]
        is_known = all(None not in {self._start.groups.get(name), groups.get(name)} for name in above)
        return _groups_above(self._start, groups) if is_known else None

    def _is_counted(self, counters: Counters) -> bool:
        """Tell whether the limits' counts were last read after a kill."""
        return self.after is not None or bool(counters.oom_kill or self.groups_above(counters))

    def _rises(self, counters: Counters, *, since: MemorySnapshot | None) -> dict[str, int | None]:
        before = since.ooms if since else {}
        return {name: _rise(before.get(name), count) for name, count in self._ooms(counters).items()}

    def _rise_in_scope(self, counters: Counters, *, since: MemorySnapshot | None) -> int:
        """Return how often a limit was reached in the scope and below."""
        events = self.after.events if self.after else counters.memory_events
        return (events or {}).get("oom", 0) - (since.events if since else {}).get("oom", 0)

    def _ooms(self, counters: Counters) -> Mapping[str, int | None]:
        """Return the counts read with the last kill, or else the last ones that were read."""
        if self.after is not None:
            return self.after.ooms
        return counters.ooms or (self.last.ooms if self.last else {})


def _suspects(ended: Iterable[EndedTask], end: ScopeEnd) -> list[Task]:
    """Return the missing processes that might have been killed."""
    return [task for task, status in _endings(ended, end) if status in {None, -signal.SIGKILL}]


def _endings(ended: Iterable[EndedTask], end: ScopeEnd) -> list[tuple[Task, int | None]]:
    """Return the missing processes with their wait statuses; the command's own comes from waiting for it."""
    return [(each.task, end.exited.status if each.task.pid == end.pid else each.status) for each in ended]


def _command(end: ScopeEnd) -> list[Victim]:
    """Return the command's own process as the victim, if it died of SIGKILL."""
    if end.exited.status != -signal.SIGKILL or end.exited.name is None:
        return []
    return [Victim(pid=end.pid, name=end.exited.name, rss=None, anon=None, source="wait status")]


def _name_of_command(end: ScopeEnd) -> dict[int, str | None]:
    """Return the command's PID with its name at its end, if that is known."""
    return {} if end.exited.name is None else {end.pid: end.exited.name}


def _seen_last(task: Task, end: ScopeEnd) -> Victim:
    """Return a process of the last snapshot before a whole scope's end as a victim."""
    return victim_in_table(task, name=_name_of_command(end).get(task.pid), is_same=False, is_sized=True)


def _own_ooms(snapshot: MemorySnapshot) -> int:
    """Return how often the scope's own limit was reached, 0 if that was not read."""
    return next(iter(snapshot.ooms.values()), None) or 0


def _times_reached(snapshot: MemorySnapshot) -> int:
    """Return how often a limit was reached: in the scope and below, and in each cgroup above.

    The kernel writes `oom` into memory.events before `oom_kill`, and on another processor both can rise in between. The
    scope's own count, which was read afterwards, has what was missed.
    """
    own, *above = snapshot.ooms.values() or [0]
    return max(snapshot.events.get("oom", 0), own or 0) + sum(filter(None, above))


def _groups(before: MemorySnapshot, after: MemorySnapshot) -> int:
    """Return how often a cgroup in the scope, or one above it, was killed as a whole between two snapshots."""
    inside = after.events.get("oom_group_kill", 0) - before.events.get("oom_group_kill", 0)
    return inside + sum(_groups_above(before, after.groups).values())


def _groups_above(before: MemorySnapshot, groups: Mapping[str, int | None]) -> dict[str, int]:
    """Return how often each cgroup above the scope was killed as a whole since a snapshot, by name, without zeros."""
    _, *above = before.ooms or [""]
    rises = {name: _rise(before.groups.get(name), groups.get(name)) for name in above}
    return {name: rise for name, rise in rises.items() if rise}


def _killed_cgroups(before: MemorySnapshot, after: MemorySnapshot) -> set[str] | None:
    """Return the cgroups in the scope that were killed as a whole; the scope itself dies with one above it.

    Without a group kill that is the scope too, so every process counts. None if not known.
    """
    scope = next(iter(after.ooms), "")
    if _groups_above(before, after.groups) or not _groups(before, after):
        return {scope}
    counts = {name: (count or 0) - (before.groups.get(name) or 0) for name, count in after.groups.items()}
    found = {name for name, count in counts.items() if count and is_within(name, scope)}
    return found if sum(counts[name] for name in found) == _groups(before, after) else None


def _is_in(place: str | None, cgroups: Collection[str]) -> bool:
    """Tell whether a process was, or might have been, in one of the cgroups; place: its cgroup, None if not seen."""
    return place is None or any(is_within(place, cgroup) for cgroup in cgroups)


def _rise(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before
