"""The memory that all jobs of a batch may have together."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.batch.ground import parent_cgroup
from scoperun.batch.unit_names import is_slice
from scoperun.errors import ScoperunError
from scoperun.kernel.memory_left import memory_left
from scoperun.kernel.unit_cgroups import manager_cgroup, unit_cgroups
from scoperun.spec.sizes import INFINITY, format_size
from scoperun.spec.traps import low_ceiling
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

    It is left on the machine, and by the limits above the slices of batches.
    own: the slice of this batch, which an earlier runner can have left.
    """
    manager = await _manager_cgroup(system=system)
    left = memory_left(parent_cgroup(manager, system=system).levels())
    if left is None:
        raise ScoperunError("the kernel does not say how much memory is available", hint="--mem-total SIZE")
    # The slice of a batch can be in one place only.
    cgroups = {unit: cgroup for unit, (cgroup, *_) in unit_cgroups(manager).items()}
    others = promised(cgroups, own=own)
    total = int((left.size - others) * _SHARE)
    if total <= 0:
        has = f"{left.where} has {format_size(left.size)} available"
        reserved = f", and other batches have reserved {format_size(others)}" if others else ""
        raise ScoperunError(f"no memory is left for a batch: {has}{reserved}", hint="--mem-total SIZE")
    return total


async def out_of_reach(total: int, *, system: bool) -> str | None:
    """Return why a batch cannot have this total: a limit above its slice is lower. None if none is.

    It names the field `memory_total`. Raises ScoperunError.
    """
    slices = parent_cgroup(await _manager_cgroup(system=system), system=system)
    ceiling = next((found for each in slices.levels() if (found := each.memory_ceiling()) is not None), None)
    return low_ceiling(total, ceiling, what="the jobs are", field="memory_total")


async def _manager_cgroup(*, system: bool) -> Cgroup:
    async with shared_manager(os.environ, system=system) as manager:
        return manager_cgroup(await manager.control_group())


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
