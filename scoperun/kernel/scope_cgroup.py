"""A scope of ours as its cgroup shows it, without the keeper that holds it open. Reads only."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

from scoperun.evidence.events import Counters, EndedTask, MemorySnapshot, OomdMark, Process, Task
from scoperun.kernel import vmstat
from scoperun.kernel.held_folders import HeldFolders
from scoperun.kernel.memory_stat import UNCOUNTED, taken_memory
from scoperun.kernel.pressure import pressure
from scoperun.kernel.process_table import has_ended, is_hidden, name_of, running_name, task, wait_status
from scoperun.record import dataclass, field, replace
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.kernel.endings import Endings
    from scoperun.kernel.held_folders import HeldFolder
    from scoperun.spec.limits import LimitsInForce


_MOST_LISTS = 100
"""The most times that processes are listed, if one of them has ended each time."""

_TRIES = 3
"""The most times that files which belong together are read, if a kill comes in between each time."""

OOMD_MARK = "user.oomd_ooms"
"""The extended attribute in which systemd-oomd counts its kills, before it kills all processes in the cgroup."""

OOMD_PROCESSES = "user.oomd_kill"
"""The one in which it counts the processes that it killed, afterwards."""


@dataclass(frozen=True, slots=True)
class ScopeCgroup:
    """The cgroup of a scope.

    keeper: the PID of the process that holds the cgroup open; it is left out of everything that is read.
    machines_kills: the number of OOM kills in the whole machine when the scope began, None if it is not known.
    folders: of this cgroup and of cgroups in it, for what can be read after their removal.
    """

    cgroup: Cgroup
    keeper: int
    machines_kills: int | None = None
    folders: HeldFolders = field(default_factory=HeldFolders)

    def limits(self) -> LimitsInForce:
        """Return the limits that the kernel holds the scope to."""
        limits = self.cgroup.limits()
        # systemd 262 writes 0 while it kills the scope's processes, so that they do not fork: not a limit of the scope.
        return replace(limits, tasks_max=_without_keeper(limits.tasks_max or None))

    def counters(self) -> Counters:
        """Return the counters and processes of the scope."""
        # The most important files come first: if the keeper was killed too, the cgroup is removed while we read it.
        cgroup = self.cgroup
        own, tasks_peak, events = cgroup.own_events(), cgroup.number("pids.peak"), self._all_events()
        has_more_to_tell = events is None or events.get("oom_kill")
        ooms, groups = self._ooms_and_groups(own, events) if has_more_to_tell else (None, None)
        cpu = cgroup.table("cpu.stat") or {}
        return Counters(
            memory_events=events,
            ooms=ooms,
            groups=groups,
            counts_alone=cgroup.counts_alone,
            oomd_marks=self.oomd_marks(),
            memory_peak=cgroup.number("memory.peak"),
            memory_swap_peak=cgroup.number("memory.swap.peak"),
            memory_stat=cgroup.table("memory.stat"),
            cpu_user=_seconds(cpu.get("user_usec")),
            cpu_system=_seconds(cpu.get("system_usec")),
            cpu_throttled=_seconds(cpu.get("throttled_usec")),
            io=cgroup.disk_use(),
            tasks_peak=_without_keeper(tasks_peak),
            tasks_refused=(cgroup.table("pids.events") or {}).get("max"),
            pressure=pressure(cgroup),
            processes=self.processes(),
            limits=self._limits_if_there(),
        )

    def _limits_if_there(self) -> LimitsInForce | None:
        """Return the limits, None if the cgroup is gone: then a file that cannot be read is not a missing limit."""
        limits = self.limits()
        return limits if os.path.exists(self.cgroup.path) else None

    @property
    def holds_keeper(self) -> bool:
        """Whether the keeper is in the scope: then it is this scope, and not a later one of the same name."""
        return any(self.keeper in (each.pids() or ()) for each in (self.cgroup, *self.cgroup.below()))

    def processes(self) -> tuple[Process, ...] | None:
        """Return the processes that run in the scope and below; None if the scope is gone.

        A process that has ended since it was listed might have forked before its end. Then the list is read again.
        """
        for _ in range(_MOST_LISTS):
            pids = self._pids()
            if pids is None:
                return None
            named = [Process(pid=pid, name=running_name(pid)) for pid in pids]
            running = tuple(each for each in named if each.name is not None or is_hidden(each.pid))
            if len(running) == len(named):
                break
        return running

    def snapshot(
        self, *, before: MemorySnapshot | None = None, endings: Endings | None = None
    ) -> MemorySnapshot | None:
        """Return the state of the scope's memory and its processes, None if the scope is gone.

        before: the snapshot before this one; its processes that have ended since are in `ended`.
        endings: holds the processes from before they are looked at, and knows how they ended.

        Processes and memory are all read before a kill, or all after it was counted; else they are read again. If one
        kill follows another, the memory is not known, nor are the processes that came and went: the snapshot has
        None for the memory, and `rested`.
        """
        at, own, events = time.monotonic(), self.cgroup.own_events(), self._events()
        for _ in range(_TRIES):
            # Before the processes: what one takes after it was seen is not in it, even if it executes a program. The
            # statistics that go with their sizes are read after them.
            taken = taken_memory(self.cgroup.table("memory.stat"))
            places = self._pids() or {}
            tasks, gone = _tasks(places, before, endings)
            stat = self.cgroup.table("memory.stat")
            current, swap = self.cgroup.number("memory.current"), self.cgroup.number("memory.swap.current")
            counted, events = events, self._events()
            is_torn = _kills(events) != _kills(counted)
            if not is_torn:
                break
        if events is None:
            return None
        ooms, groups = self._ooms_and_groups(own, events)
        return MemorySnapshot(
            at=at,
            events=events,
            ooms=ooms,
            groups=groups,
            limit=self.cgroup.number("memory.max"),
            stat=None if is_torn else stat,
            current=None if is_torn else current,
            swap_current=None if is_torn else swap,
            taken=None if is_torn else taken,
            uncounted=UNCOUNTED,
            tasks=tasks,
            places=places,
            ended=tuple(_ended(each, endings) for each in gone),
            rested=is_torn,
        )

    def first_snapshot(self) -> MemorySnapshot:
        """Return the snapshot from before the command runs. It has the OOM counts so far, which are not this run's."""
        ooms, groups = self._ooms_and_groups({}, {})
        return MemorySnapshot(
            at=time.monotonic(), events={}, ooms=ooms, groups=groups, limit=self.cgroup.number("memory.max")
        )

    def _ooms_and_groups(
        self, own: Mapping[str, int], events: Mapping[str, int] | None
    ) -> tuple[dict[str, int | None], dict[str, int | None]]:
        """Return the `ooms` and the `groups` of a snapshot.

        own: the scope's own events, read just before. events: those of the scope and of all cgroups below.
        """
        upwards = self.cgroup.own_events_upwards()
        is_below = (events or {}).get("oom_group_kill", 0)
        below = {each.name: each.own_events() for each in self.cgroup.below()} if is_below else {}
        groups = {name: each.get("oom_group_kill") for name, each in (upwards | below).items()}
        return ooms(upwards, own, in_scope=(events or {}).get("oom")), groups

    def oomd_marks(self) -> list[OomdMark] | None:
        """Return the marks on the scope, on the cgroups below, and on removed ones; None if they cannot be read."""
        if self._own_attribute(OOMD_MARK) is None:
            return None
        marks = [
            _oomd_mark(self.cgroup, self._own_attribute, _living(self.cgroup)),
            *(_oomd_mark(each, each.attribute, _living(each)) for each in self.cgroup.below()),
            *(_oomd_mark(held.cgroup, held.attribute, ()) for held in self._removed_below()),
        ]
        return [mark for mark in marks if mark is not None]

    def _removed_below(self) -> list[HeldFolder]:
        return [held for held in self.folders.removed() if held.cgroup != self.cgroup]

    def _own_attribute(self, name: str) -> bytes | None:
        """Return an attribute of the scope, also after its removal if its folder is held."""
        held = self.folders.of(self.cgroup)
        return self.cgroup.attribute(name) if held is None else held.attribute(name)

    def _pids(self) -> dict[int, str] | None:
        """Return the PIDs in the scope and below, each with its cgroup's name; None if the scope is gone."""
        own = self.cgroup.pids()
        if own is None:
            return None
        places = dict.fromkeys(own, self.cgroup.name)
        for cgroup in self.cgroup.below():
            self.folders.hold(cgroup)
            places |= dict.fromkeys(cgroup.pids() or (), cgroup.name)
        places.pop(self.keeper, None)
        return places

    def _events(self) -> dict[str, int] | None:
        """Return memory.events of the scope and of all cgroups below; None if the scope is gone."""
        events = self.cgroup.table("memory.events")
        if events is not None and self.cgroup.counts_alone:
            for cgroup in self.cgroup.below():
                for name, count in (cgroup.table("memory.events") or {}).items():
                    events[name] = events.get(name, 0) + count
        return events

    def _all_events(self) -> dict[str, int] | None:
        """Return the same, but None if a removed cgroup below might have taken the count of a kill with it."""
        events = self._events()
        if not self.cgroup.counts_alone or _kills(events):
            return events
        in_machine = vmstat.oom_kills()
        return events if in_machine is not None and in_machine == self.machines_kills else None


def ooms(
    upwards: Mapping[str, Mapping[str, int]], own: Mapping[str, int], *, in_scope: int | None
) -> dict[str, int | None]:
    """Return the `ooms` of a snapshot: for each cgroup, by name, how often it ran into its own limit.

    upwards: the own events of each cgroup, by name, from the scope up.
    own: the scope's own events, read just before. Their count stands in if the scope is gone by now, but not if it is 0
        or differs from a known `in_scope`: then there can have been more since.
    in_scope: the count of the scope and of all cgroups below, None if it is not known.
    """
    counts = {name: each.get("oom") for name, each in upwards.items()}
    scope, before = next(iter(counts)), own.get("oom") or None
    if counts[scope] is None:
        counts[scope] = before if in_scope in {None, before} else None
    return counts


def _tasks(
    places: Mapping[int, str], before: MemorySnapshot | None, endings: Endings | None
) -> tuple[tuple[Task, ...], tuple[Task, ...]]:
    """Return the processes that live in the scope, and those that have ended since `before` or are about to.

    Each is held first: its parent can reap it as soon as it was seen.
    """
    if endings is not None:
        endings.hold(places.keys())
    tasks = {pid: task(pid) or (Task(pid=pid, name=None) if is_hidden(pid) else None) for pid in places}
    living = {pid: each for pid, each in tasks.items() if each is not None}
    lived = {each.pid: each for each in (before.tasks if before else ())}
    gone = [pid for pid in {**lived, **tasks} if pid not in living and has_ended(pid)]
    return tuple(living.values()), tuple(lived.get(pid) or Task(pid=pid, name=None) for pid in gone)


def _ended(gone: Task, endings: Endings | None) -> EndedTask:
    status = wait_status(gone.pid) if endings is None else endings.wait_status(gone.pid)
    return EndedTask(task=gone, status=status, name=name_of(gone.pid))


def _oomd_mark(cgroup: Cgroup, attribute: Callable[[str], bytes | None], living: Iterable[int]) -> OomdMark | None:
    """Return systemd-oomd's mark on a cgroup, None if there is none. attribute: reads an attribute of its folder."""
    mark = attribute(OOMD_MARK)
    if not mark:
        return None
    processes = _number(attribute(OOMD_PROCESSES) or b"")
    return OomdMark(_number(mark), tuple(living), cgroup=cgroup.name, processes=processes)


def _number(mark: bytes) -> int | None:
    return int(mark) if re.fullmatch(rb"[0-9]{1,9}", mark) else None


def _living(cgroup: Cgroup) -> Iterator[int]:
    """Yield the PIDs of the processes that live in a cgroup and below."""
    for each in (cgroup, *cgroup.below()):
        yield from (pid for pid in each.pids() or () if is_hidden(pid) or not has_ended(pid))


def _kills(events: Mapping[str, int] | None) -> int:
    return (events or {}).get("oom_kill", 0)


def _without_keeper(tasks: int | None) -> int | None:
    return tasks if tasks in {None, INFINITY} else tasks - 1


def _seconds(usec: int | None) -> float | None:
    return None if usec is None else usec / 1e6
