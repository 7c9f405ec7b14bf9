"""A manager and its units, as every subcommand sees them: systemd's list, the units' files and their cgroups."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from scoperun.ctl.unit_places import placed
from scoperun.errors import ManagerError
from scoperun.kernel.keepers import living_keeper
from scoperun.kernel.unit_cgroups import manager_cgroup, unit_cgroups
from scoperun.record import dataclass
from scoperun.spec.scope import ROOT_SLICE, unit_path
from scoperun.systemd import unit_files
from scoperun.systemd.answers import UNIT
from scoperun.systemd.connecting import connect
from scoperun.systemd.units import list_units

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.manager import Manager
    from scoperun.systemd.unit_files import TransientFile
    from scoperun.systemd.units import ListedUnit

SCOPES = ("*.scope",)
COMMANDS = ("*.scope", "*.service")
"""The units in which processes run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A unit as it was seen at one moment.

    unit: what systemd lists. file: what systemd wrote when it started; None if it is not transient.
    cgroup: None if it has none, e.g. because it has ended.
    """

    unit: ListedUnit
    file: TransientFile | None
    cgroup: Cgroup | None

    @property
    def name(self) -> str:
        """The unit's full name."""
        return self.unit.name

    @property
    def is_ours(self) -> bool:
        """Whether scoperun asked for it."""
        return self.file is not None and self.file.is_ours

    @property
    def has_keeper(self) -> bool:
        """Whether a keeper of scoperun's is in it, which counts as one of its tasks."""
        began_with_one = self.file is not None and self.file.has_keeper
        return began_with_one and self.cgroup is not None and living_keeper(self.cgroup) is not None

    @property
    def started(self) -> float | None:
        """When its file says that it started, in seconds since the epoch; a service keeps its file when it restarts."""
        return self.file.written if self.file is not None and self.name.endswith(".scope") else None


@dataclass(frozen=True, slots=True)
class Session:
    """A connection to a manager. system: it is the system's, not the user's."""

    manager: Manager
    system: bool

    async def cgroups(self) -> dict[str, Cgroup]:
        """Return the cgroup of each unit below the manager's own by its name, slices before what is in them."""
        return await placed(self.manager, unit_cgroups(await self.top()))

    async def top(self) -> Cgroup:
        """Return the manager's own cgroup, which all its units are below."""
        return manager_cgroup(await self.manager.control_group())

    async def units(self, patterns: Sequence[str] = SCOPES) -> list[Seen]:
        """Return the loaded units whose name matches one of the globs, by name; not those that others only mention."""
        listed = [unit for unit in await list_units(self.manager, patterns=patterns) if unit.load != "not-found"]
        top = await self.top()
        doubted = {unit.name for unit in listed if _can_be_empty(unit)}
        cgroups = await placed(self.manager, unit_cgroups(top), doubted=doubted) | {ROOT_SLICE: top}
        folder = unit_files.folder(os.environ, system=self.system)
        return [
            Seen(unit=unit, file=unit_files.transient_file(folder, unit.name), cgroup=cgroups.get(unit.name))
            for unit in listed
        ]

    async def entered(self, name: str) -> float | None:
        """Return when a unit became active, in seconds since the epoch; None if it is not known."""
        try:
            usec = await self.manager.get(unit_path(name), UNIT, "ActiveEnterTimestamp")
        except ManagerError:  # it was unloaded meanwhile
            return None
        return usec / 1e6 if isinstance(usec, int) and usec else None


def _can_be_empty(unit: ListedUnit) -> bool:
    """Tell whether systemd can have removed a unit's cgroup, so that one of its name need not be its own."""
    return not unit.is_active or unit.sub == "exited"


@asynccontextmanager
async def session(*, system: bool) -> AsyncIterator[Session]:
    """Connect to a manager; raises what connecting.connect raises."""
    async with connect(os.environ, system=system) as manager:
        yield Session(manager, system)
