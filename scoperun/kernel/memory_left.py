"""How much memory programs can still get: of the machine's, and below the limits of cgroups. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.oom_limit import unit_of
from scoperun.kernel.machine_memory import available
from scoperun.record import dataclass
from scoperun.spec.sizes import INFINITY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.kernel.cgroup import Cgroup

_DROPPED = ("inactive_file", "active_file", "slab_reclaimable")
"""Rows of memory.stat: what the kernel gives up for others, copies of files above all."""


@dataclass(frozen=True, slots=True)
class Left:
    """What is left. size: bytes. cgroup: the name of the one whose limit leaves no more; None for the machine."""

    size: int
    cgroup: str | None = None

    @property
    def where(self) -> str:
        """What has no more left, as people name it."""
        if self.cgroup is None:
            return "the machine"
        return "the container" if self.cgroup == "/" else unit_of(self.cgroup)


def memory_left(cgroups: Iterable[Cgroup], meminfo: str = "/proc/meminfo") -> Left | None:
    """Return what a program that is in all of these cgroups can still get without swapping, None if nothing says it.

    meminfo: the file that says what the machine has available.
    """
    free = available(meminfo)
    found = [] if free is None else [Left(free)]
    for each in cgroups:
        limit = each.number("memory.max")
        if limit not in {None, INFINITY}:
            found.append(Left(max(0, limit - used(each)), each.name))
    return min(found, key=lambda each: each.size, default=None)


def used(cgroup: Cgroup) -> int:
    """Return the bytes that are used in a cgroup and that the kernel cannot take back; 0 if it does not say."""
    current, stat = cgroup.number("memory.current"), cgroup.table("memory.stat")
    if current is None or stat is None:
        return 0
    return max(0, current - sum(stat.get(name, 0) for name in _DROPPED))
