"""How many processes the OOM killer has killed in each unit of a user since the last look. Reads only."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from scoperun.kernel.unit_cgroups import unit_cgroups
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scoperun.kernel.cgroup import Cgroup

_GONE = {errno.ENOENT, errno.ENODEV}


@dataclass(frozen=True, slots=True)
class Rise:
    """What a unit has counted since the last look. invocation_id: of the unit, None if it cannot be read."""

    kills: int
    invocation_id: str | None


class UnitKills:
    """The counts of all units in a user's slice: those of the manager, and the scopes of the sessions beside it.

    names: the units that were there at the last look; beside: those of the sessions. is_complete: all of them count.
    ended: those beside the manager that have ended since `forget_ended` was called; the manager tells of its own.
    """

    def __init__(self, top: Cgroup, manager: Cgroup) -> None:
        """Look once. top: the user's slice, or the manager's own cgroup if it is in none."""
        self._top = top
        self._manager = manager
        self._counts: dict[int, int] = {}
        self.beside: set[str] = set()
        self.names: set[str] = set()
        self.ended: set[str] = set()
        self.is_complete = True
        self.look()

    def look(self) -> dict[str, Rise]:
        """Return the units whose count has risen since the last look. Raises OSError if files cannot be opened.

        Only counts above 0 are kept, by the cgroups' inodes: a unit that starts again can get another cgroup.
        """
        counts: dict[int, int] = {}
        risen: dict[str, Rise] = {}
        self.names, self.is_complete = set(), True
        for unit, cgroup in self._units():
            inode, count = self._count(cgroup)
            self.names.add(unit)
            if count:
                counts[inode] = count
                if count > (before := self._counts.get(inode, 0)):
                    kills = risen[unit].kills if unit in risen else 0
                    risen[unit] = Rise(kills + count - before, _invocation_id(cgroup))
        self._counts = counts
        return risen

    def forget_ended(self) -> None:
        """Forget which units beside the manager have ended."""
        self.ended = set()

    def _units(self) -> Iterator[tuple[str, Cgroup]]:
        """Yield the units in which processes are: a slice counts what its units count.

        If there are several cgroups of a unit's name, all count: there is no time to ask systemd.
        """
        for unit, cgroups in unit_cgroups(self._manager).items():
            if not unit.endswith(".slice"):
                yield from ((unit, each) for each in cgroups)
        if self._top.path == self._manager.path:
            return
        beside = {each.units[-1]: each for each in self._top.directly_below() if each.path != self._manager.path}
        self.ended |= self.beside - set(beside)
        self.beside = set(beside)
        yield from beside.items()

    def _count(self, cgroup: Cgroup) -> tuple[int, int]:
        """Return the inode of a unit's memory.events and its count, 0 if it is gone or counts nothing."""
        try:
            fd = os.open(f"{cgroup.path}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if error.errno not in _GONE:
                raise
            self.is_complete &= not os.path.exists(cgroup.path)
            return 0, 0
        try:
            return os.fstat(fd).st_ino, oom_kills(os.read(fd, 4096))
        except OSError:  # it was removed after it was opened
            return 0, 0
        finally:
            os.close(fd)


def oom_kills(events: bytes) -> int:
    """Return how many processes the OOM killer has killed, from the text of memory.events."""
    words = events.split()
    return int(dict(zip(words[::2], words[1::2], strict=False)).get(b"oom_kill", 0))


def _invocation_id(cgroup: Cgroup) -> str | None:
    value = cgroup.attribute("user.invocation_id") or b""
    return value.decode() if len(value) == 32 and value.isalnum() and value.isascii() else None
