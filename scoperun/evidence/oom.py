"""What a series of snapshots of the scope's memory tells about OOM kills. No I/O."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from scoperun.evidence.last_seen import Victim, victim_in_table
from scoperun.evidence.oom_kill import JUST_BEFORE, NEARLY_ALL, name_of_command, oom_kill, suspects
from scoperun.evidence.oom_limit import LimitWatch
from scoperun.record import replace

if TYPE_CHECKING:
    from collections.abc import Collection

    from scoperun.evidence.events import MemorySnapshot, Task
    from scoperun.evidence.oom_kill import OomKill, ScopeEnd


class OomWatch:
    """What a series of snapshots tells about OOM kills.

    killings: each rise of oom_kill.
    after: the snapshot that counted the last rise, None if there was none.
    last: the last snapshot of all, None before the first.
    limits: what the same snapshots tell about limits.
    """

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.killings: list[OomKill] = []
        self._before: MemorySnapshot | None = None
        self.after: MemorySnapshot | None = None
        self.last: MemorySnapshot | None = None
        self.limits = LimitWatch()
        self._pids: set[int] = set()
        self._ended: set[int] = set()

    def feed(self, snapshot: MemorySnapshot) -> None:
        """Take in one snapshot; the first one is taken before the command runs."""
        snapshot = self._with_new_ends(snapshot)
        killing = oom_kill(self.last, snapshot) if self.last else None
        self.limits.feed(snapshot, killing)
        if killing is not None:
            self.killings.append(replace(killing, was_at_own_limit=self.limits.is_own))
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
        # If the kernel killed the keeper, it can be that it killed nothing else.
        is_only_one = end.tasks_peak == 1 and (not end.keeper_killed or bool(end.other_kills))
        return found or (_command(end) if is_only_one or (is_whole and end.ended_with_scope) else [])

    def _whole_scope(self, end: ScopeEnd) -> list[Victim]:
        """Return all processes that were in the scope when it was killed as a whole, including the command.

        These are the ones that were there when the kernel had begun to look for a victim, or had killed the first.
        """
        seen = self.after or self.last
        if seen is None or end.exited.at - seen.at > JUST_BEFORE or not (self.after or seen.events.get("oom")):
            return []
        found = [_seen_last(task, end, seen) for task in seen.tasks]
        for killing in self._last_killings():
            found += killing.victims([[task] for task in suspects(killing.ended, end)], end)
        has_command = end.exited.status == -signal.SIGKILL and end.pid in {victim.pid for victim in found}
        was_group = not self.killings or self.killings[-1].is_certain_of_group(end)
        has_strangers = any(killing.has_stranger(end) for killing in self._last_killings())
        return found if has_command and was_group and not has_strangers else []

    def _last_killings(self) -> list[OomKill]:
        """Return the rises since the last group kill, which the kernel counts little by little; else the last one."""
        groups = [number for number, killing in enumerate(self.killings) if killing.is_group]
        return self.killings[groups[-1] if groups else -1 :]


def _command(end: ScopeEnd) -> list[Victim]:
    """Return the command's own process as the victim, if it died of SIGKILL."""
    if end.exited.status != -signal.SIGKILL:
        return []
    return [Victim(pid=end.pid, name=end.exited.name, rss=None, anon=None, source="wait status")]


def _seen_last(task: Task, end: ScopeEnd, snapshot: MemorySnapshot) -> Victim:
    """Return a process of the last snapshot before a whole scope's end as a victim.

    If it was the only one, all of the scope's memory was its own then as at the end.
    """
    is_full = end.most is not None and (snapshot.needed or 0) >= NEARLY_ALL * end.most
    is_alone = len(snapshot.tasks) == 1 and task.pid == end.pid
    return victim_in_table(
        task,
        name=name_of_command(end).get(task.pid),
        is_same=is_alone and end.exited.name == task.name,
        is_sized=is_full,
    )
