"""Whose limit the last OOM kill was for, from a series of snapshots. No I/O.

The law of this file: the limit is that of the one cgroup, from the scope up, whose `oom` rose shortly before the kill
was counted.

* If none rose while the command ran although a kill was counted, no limit was reached: the machine was full if it was
  short of memory shortly before; otherwise the kill was requested (SysRq). In a container it might have been a limit
  above.
* If several rose, or one rose only long before, the limit is unknown. If kills follow one another, only what rose since
  the last kill but one counts, or what had risen by then without a kill.
* A reading from before a kill was counted tells of the scope's own limit alone: another might have risen since.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from scoperun.evidence.events import Counters
from scoperun.evidence.kernel_report import is_within
from scoperun.evidence.oom_kill import NEARLY_ALL, group_kills, group_kills_above, rise
from scoperun.record import dataclass
from scoperun.spec.scope import units_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.evidence.events import MemorySnapshot
    from scoperun.evidence.oom_kill import OomKill


_NOTHING = Counters()
"""No counters: after a kill, the snapshots have what matters."""

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


def limit_reached(rises: Mapping[str, int | None], ooms: int) -> Limit:
    """Return whose limit was reached.

    rises: how often each cgroup, from the scope up, ran into its own limit; None if not read.
    ooms: how often a limit was reached in the scope and below.
    """
    if not rises or None in rises.values():
        return Limit(of=LimitOf.UNKNOWN)
    scope, *_ = rises
    hit = [name for name, count in rises.items() if count]
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


class LimitWatch:
    """What a series of snapshots tells about the limits that were reached."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._first: MemorySnapshot | None = None
        self._last: MemorySnapshot | None = None
        self._shortly: list[MemorySnapshot] = []
        self._kill: OomKill | None = None
        self._before: MemorySnapshot | None = None
        self._after: MemorySnapshot | None = None
        self._shortly_before: MemorySnapshot | None = None
        self._last_but_one: MemorySnapshot | None = None

    def feed(self, snapshot: MemorySnapshot, kill: OomKill | None) -> None:
        """Take in one snapshot, the first from before the command runs; kill: what was killed since the one before."""
        self._first = self._first or snapshot
        self._shortly.append(snapshot)
        while len(self._shortly) > 1 and self._shortly[1].at < snapshot.at - _SHORTLY:
            del self._shortly[0]  # keeps one snapshot from before that time
        if kill is not None:
            self._kill, self._last_but_one, self._shortly_before = kill, self._after, self._shortly[0]
            self._before, self._after = self._last, snapshot
        self._last = snapshot

    def own_limit(self, peak: int | None) -> int | None:
        """Return the scope's own limit at the last kill in bytes, None if not known: it might have changed about then.

        peak: the most bytes of memory that the scope had. A limit that the peak came up to was reached. Otherwise the
        limit is what was read as soon as the kill was counted, or what was read both shortly before and after.
        """
        if self._after is None or self._kill is None:
            return self._last.limit if self._last else None
        limits = {each.limit for each in (self._before, self._after) if each and each.limit is not None}
        reached = [limit for limit in limits if peak is not None and NEARLY_ALL * limit <= peak <= limit]
        if len(reached) == 1:
            return reached[0]
        is_sure = self._kill.was_noticed or (self._kill.was_just_seen and len(limits) == 1)
        return self._after.limit if is_sure else None

    @property
    def is_own(self) -> bool:
        """Whether the last kill was for the scope's own limit, as far as the snapshots tell."""
        own = next(iter(self._after.ooms), None) if self._after else None
        return own is not None and self.reached(_NOTHING) == Limit(of=LimitOf.SCOPE, unit=unit_of(own))

    def rises(self, counters: Counters) -> dict[str, int | None]:
        """Return how often each cgroup ran into its own limit since the start, by name, from the scope up.

        None is a count that was not read, or was 0 before a kill was counted: it might have risen since.
        """
        rises = self._rises(counters, since=self._first)
        return rises if self._is_counted(counters) else {name: count or None for name, count in rises.items()}

    def reached(self, counters: Counters) -> Limit:
        """Return whose limit the last kill was for; `counters` were read at the end."""
        since = self._since()
        rises, in_scope = self._rises(counters, since=since), self._rise_in_scope(counters, since=since)
        if group := next(iter(self.groups_above(counters) or ()), None):
            # The limit was this cgroup's or that of one above it, whatever the counts of those below say.
            rises, in_scope = {name: count if is_within(group, name) else 0 for name, count in rises.items()}, 0
        limit = limit_reached(rises, in_scope)
        # Read before a kill was counted, only that the scope's own limit was reached means something.
        is_reliable = self._is_counted(counters) or limit.of is LimitOf.SCOPE
        return limit if is_reliable and not self._is_doubtful(limit, since) else Limit(of=LimitOf.UNKNOWN)

    def _since(self) -> MemorySnapshot | None:
        """Return the snapshot since which the count of the limit behind the last kill must have risen."""
        if self._after is None or self._shortly_before is None:
            return self._shortly[0] if self._shortly else None
        earlier = self._last_but_one
        is_long_ago = earlier is None or earlier.at <= self._shortly_before.at
        is_open = is_long_ago or self._has_kill_due(earlier) or self._was_group_kill()
        return self._shortly_before if is_open else earlier

    def _was_group_kill(self) -> bool:
        """Tell whether a cgroup was killed as a whole shortly before: then one reached limit causes many kills."""
        before, after = self._shortly_before, self._after
        return before is not None and after is not None and group_kills(before, after) > 0

    def _is_doubtful(self, limit: Limit, since: MemorySnapshot | None) -> bool:
        """Tell whether the last kill might have been for another limit than `limit`."""
        if self._after is None or since is None:
            return limit.of is LimitOf.HOST
        was_short = bool(rise((self._last_but_one or since).stalls, self._after.stalls))
        if limit.of is LimitOf.HOST:
            return not was_short or self._has_kill_due(since)
        if self._was_group_kill():
            return False
        reached = _times_reached(self._after) - _times_reached(since)
        is_too_few = self._after.oom_kill - since.oom_kill > reached
        return is_too_few or (was_short and not self._has_risen_since_last_but_one())

    def _has_kill_due(self, snapshot: MemorySnapshot | None) -> bool:
        """Tell whether limits were reached more often than kills were counted: another kill might be due."""
        start = self._first
        if snapshot is None or start is None:
            return False
        return _times_reached(snapshot) - _times_reached(start) > snapshot.oom_kill - start.oom_kill

    def _has_risen_since_last_but_one(self) -> bool:
        earlier = self._last_but_one
        return earlier is None or self._after is None or _times_reached(self._after) > _times_reached(earlier)

    def groups_above(self, counters: Counters) -> dict[str, int] | None:
        """Return how often each cgroup above the scope was killed as a whole, without zeros; None if not known."""
        groups = counters.groups or (self._last.groups if self._last else {})
        if self._first is None:
            return None
        _, *above = self._first.ooms or [""]
        is_known = all(None not in {self._first.groups.get(name), groups.get(name)} for name in above)
        return group_kills_above(self._first, groups) if is_known else None

    def _is_counted(self, counters: Counters) -> bool:
        """Tell whether the limits' counts were last read after a kill."""
        return self._after is not None or bool(counters.oom_kill or self.groups_above(counters))

    def _rises(self, counters: Counters, *, since: MemorySnapshot | None) -> dict[str, int | None]:
        before = since.ooms if since else {}
        return {name: rise(before.get(name), count) for name, count in self._ooms(counters).items()}

    def _rise_in_scope(self, counters: Counters, *, since: MemorySnapshot | None) -> int:
        """Return how often a limit was reached in the scope and below."""
        events = self._after.events if self._after else counters.memory_events
        return (events or {}).get("oom", 0) - (since.events if since else {}).get("oom", 0)

    def _ooms(self, counters: Counters) -> Mapping[str, int | None]:
        """Return the counts read with the last kill, or else the last ones that were read."""
        if self._after is not None:
            return self._after.ooms
        return counters.ooms or (self._last.ooms if self._last else {})


def _times_reached(snapshot: MemorySnapshot) -> int:
    """Return how often a limit was reached: in the scope and below, and in each cgroup above.

    The kernel writes `oom` into memory.events before `oom_kill`, and on another processor both can rise in between. The
    scope's own count, which was read afterwards, has what was missed.
    """
    own, *above = snapshot.ooms.values() or [0]
    return max(snapshot.events.get("oom", 0), own or 0) + sum(filter(None, above))
