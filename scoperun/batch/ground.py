"""What all jobs of a batch stand on: the connection to systemd, the guard, and the slice that they share.

If the runner is killed, the guard's scope ends, with it the slice, and with that every job.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from scoperun.batch.unit_names import parent, slice_name
from scoperun.errors import ScopeFailed
from scoperun.kernel.cgroup import Cgroup
from scoperun.kernel.memory_left import memory_left, used
from scoperun.kernel.unit_cgroups import manager_cgroup
from scoperun.record import dataclass, replace
from scoperun.spec.guard import bound_to
from scoperun.spec.properties import Property
from scoperun.supervision.guard import shared_guard
from scoperun.systemd.shared import shared_manager
from scoperun.systemd.slices import transient_slice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from scoperun.kernel.memory_left import Left
    from scoperun.supervision.guard import Guard
    from scoperun.systemd.manager import Manager


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The ground that is there.

    manager: a connection, which can be lost. guards: the slice is bound to the first one, and jobs to that of the
    connection with which they were started. slice: the slice's name. cgroup: the slice's. made: which folder that was.
    """

    manager: Manager
    guards: tuple[Guard, ...]
    slice: str
    cgroup: Cgroup
    made: int | None

    @property
    def is_sound(self) -> bool:
        """Whether another job can stand on it, as far as is known."""
        return self.manager.is_usable and not self.has_lost_guard and self._is_intact

    @property
    def _is_intact(self) -> bool:
        """Whether the slice is the one that was made."""
        return _folder(self.cgroup) == self.made

    def see_intact(self) -> None:
        """Raise ScopeFailed if the slice was stopped: with the next scope it is there again, and has no limit.

        Once a scope is in the slice that was made, that one stays as long as the scope.
        """
        if not self._is_intact:
            raise ScopeFailed(f"the slice {self.slice!r} was stopped, and the one of that name has no limit")

    @property
    def has_lost_guard(self) -> bool:
        """Whether systemd is stopping jobs, because a guard has ended."""
        return any(guard.was_lost for guard in self.guards)

    def used(self) -> int:
        """Return the bytes that jobs use and that the kernel cannot take back; 0 if it does not say."""
        return used(self.cgroup)

    def left(self) -> Left | None:
        """Return what jobs can still get beside everything else that is above the slice; None if it is not known."""
        return memory_left(self.cgroup.levels()[1:])

    def used_by(self, unit: str) -> int:
        """Return the bytes that one scope in the slice uses, page cache included; 0 if the kernel does not say."""
        return Cgroup(f"{self.cgroup.name}/{unit}", f"{self.cgroup.path}/{unit}").number("memory.current") or 0


@asynccontextmanager
async def standing(batch: str, *, total: int, system: bool) -> AsyncIterator[Ground]:
    """Make the ground of a batch. Raises ScoperunError."""

    def connected() -> AbstractAsyncContextManager[Manager]:
        return shared_manager(os.environ, system=system)

    name = slice_name(batch, system=system)
    async with AsyncExitStack() as stack:
        manager = await stack.enter_async_context(connected())
        guard = await stack.enter_async_context(shared_guard(manager, system=system))
        await stack.enter_async_context(transient_slice(connected, name, _properties(batch, total, guard)))
        above = parent_cgroup(manager_cgroup(await manager.control_group()), system=system)
        cgroup = _below(above, name)
        yield Ground(manager=manager, guards=(guard,), slice=name, cgroup=cgroup, made=_folder(cgroup))


@asynccontextmanager
async def mended(ground: Ground, *, system: bool) -> AsyncIterator[Ground]:
    """Give the same ground a new connection, and what runs on it runs on. Raises ScoperunError."""
    async with (
        shared_manager(os.environ, system=system) as manager,
        shared_guard(manager, system=system) as guard,
    ):
        yield replace(ground, manager=manager, guards=(*ground.guards, guard))


def parent_cgroup(manager: Cgroup, *, system: bool) -> Cgroup:
    """Return the cgroup that the slices of batches are in. manager: the manager's own."""
    return _below(manager, parent(system=system))


def _below(above: Cgroup, unit: str) -> Cgroup:
    return Cgroup(f"{above.name.rstrip('/')}/{unit}", f"{above.path}/{unit}", above.counts_alone)


def _folder(cgroup: Cgroup) -> int | None:
    """Return the number of a cgroup's folder, which the next one of that name does not have; None if it is missing."""
    try:
        return os.stat(cgroup.path).st_ino
    except OSError:
        return None


def _properties(batch: str, total: int, guard: Guard) -> list[Property]:
    return [
        Property(name="Description", signature="s", value=f"scopectl batch {batch}"),
        Property(name="MemoryMax", signature="t", value=total),
        *bound_to(guard.unit),
        Property(name="CollectMode", signature="s", value="inactive-or-failed"),
    ]
