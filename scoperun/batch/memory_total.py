"""The memory that all jobs of a batch may have together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.batch.unit_names import is_slice
from scoperun.errors import ScoperunError
from scoperun.kernel.machine_memory import available
from scoperun.kernel.unit_cgroups import manager_cgroup, unit_cgroups
from scoperun.spec.sizes import INFINITY
from scoperun.systemd.shared import shared_manager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scoperun.kernel.cgroup import Cgroup

_NEARLY = 0.9
"""The share of an earlier total that counts as the same: what is available changes all the time."""

_SHARE = 0.8
"""Of what the machine has left: the rest is for everybody else, and for the kernel."""


async def usual_total(*, system: bool, own: str | None = None) -> int:
    """Return 80 % of the memory that is left when other running batches have all of theirs. Raises ScoperunError.

    own: the slice of this batch, which an earlier runner can have left.
    """
    free = available()
    if free is None:
        raise ScoperunError("the kernel does not say how much memory is available", hint="--mem-total SIZE")
    async with shared_manager(os.environ, system=system) as manager:
        cgroups = unit_cgroups(manager_cgroup(await manager.control_group()))
    total = int((free - promised(cgroups, own=own)) * _SHARE)
    if total <= 0:
        raise ScoperunError("other batches have reserved all memory that is available", hint="--mem-total SIZE")
    return total


def resumed_total(now: int, before: int, largest: int) -> int:
    """Return the bytes for all jobs of a batch that is resumed.

    now: what a new batch would have. before: what this one had, which still counts if it is nearly that. largest: what
    the largest job that is left was given, of which an earlier runner had at least as much.
    """
    total = before if now < before <= now / _NEARLY else now
    return max(total, min(largest, before))


def promised(cgroups: Mapping[str, Cgroup], *, own: str | None = None) -> int:
    """Return the bytes that running batches have reserved and do not use: the limits of their slices less their use.

    own: the slice of one that does not count.
    """
    rest = 0
    for unit, cgroup in cgroups.items():
        limit, used = cgroup.number("memory.max"), cgroup.number("memory.current")
        if is_slice(unit) and unit != own and limit not in {None, INFINITY} and used is not None:
            rest += max(0, limit - used)
    return rest
