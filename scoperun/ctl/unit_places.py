"""Which of the cgroups with a unit's name is the unit's. Anyone who may make cgroups can give them any name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.errors import ManagerError
from scoperun.spec.scope import unit_path
from scoperun.systemd import answers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.manager import Manager


async def placed(
    manager: Manager, found: Mapping[str, Sequence[Cgroup]], *, doubted: Collection[str] = ()
) -> dict[str, Cgroup]:
    """Return the cgroup of each unit by its name, slices before what is in them.

    systemd is asked about a unit only if there are several cgroups with its name, or if it is among `doubted`. A unit
    that has none, or that is in a slice that has another one, is left out.

    found: the cgroups with each unit's name. Raises one of manager.UNANSWERED.
    """
    asked = [unit for unit, cgroups in found.items() if len(cgroups) > 1 or unit in doubted]
    said = dict(zip(asked, await asyncio.gather(*(_control_group(manager, unit) for unit in asked)), strict=True))
    return _chosen(found, said)


def _chosen(found: Mapping[str, Sequence[Cgroup]], said: Mapping[str, str]) -> dict[str, Cgroup]:
    """Return the cgroups that are units'; said: the name of the cgroup of each unit that systemd was asked about."""
    pairs = sorted(((cgroup, unit) for unit, cgroups in found.items() for cgroup in cgroups), key=_way)
    chosen: dict[str, Cgroup] = {}
    others: set[str] = set()
    for cgroup, unit in pairs:
        if said.get(unit, cgroup.name) == cgroup.name and cgroup.name.rpartition("/")[0] not in others:
            chosen[unit] = cgroup
        else:
            others.add(cgroup.name)
    return chosen


def _way(pair: tuple[Cgroup, str]) -> list[str]:
    """Return the folders that lead to a cgroup, by which it comes after those above it."""
    return pair[0].name.split("/")


async def _control_group(manager: Manager, unit: str) -> str:
    """Return the name of a unit's cgroup, empty if it has none."""
    interface = f"org.freedesktop.systemd1.{answers.kind(unit)}"
    try:
        return str(await manager.get(unit_path(unit), interface, "ControlGroup"))
    except ManagerError:  # there is no such unit
        return ""
