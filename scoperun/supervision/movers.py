"""What managers say of units from which processes are to be moved: which process is a service's main one, and so on."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Self

from scoperun.errors import ScoperunError
from scoperun.kernel.keepers import living_keeper
from scoperun.kernel.unit_cgroups import manager_cgroup
from scoperun.spec.scope import unit_path
from scoperun.supervision.candidates import Mover, place
from scoperun.systemd.connecting import connect
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.unit_files import folder, transient_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scoperun.kernel.process_facts import ProcessFacts
    from scoperun.systemd.manager import Manager

_SERVICE = "org.freedesktop.systemd1.Service"


class Managers:
    """The manager that is asked for the scope, and the system's, which is connected to when it is needed."""

    def __init__(self, own: Manager, *, system: bool) -> None:
        self.own = own
        self.is_system = system
        self._stack = AsyncExitStack()
        self._of_system: Manager | None = own if system else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def of_system(self) -> Manager:
        """Return the system's manager; raises BusUnavailable."""
        if self._of_system is None:
            self._of_system = await self._stack.enter_async_context(connect(os.environ, system=True))
        return self._of_system

    async def of_user(self, user: int | None) -> Manager | None:
        """Return the manager of a user, or the system's for None; None if it cannot be asked here."""
        if user is None:
            with suppress(ScoperunError):
                return await self.of_system()
        return self.own if user == os.geteuid() and not self.is_system else None


def _has_scoperun(unit: str, cgroup: str) -> bool:
    """Tell whether a scope that began with a keeper still has one. cgroup: of a process in it."""
    scope = manager_cgroup(cgroup).of_unit(unit)
    return scope is not None and living_keeper(scope) is not None


async def mover_of(managers: Managers, processes: Iterable[ProcessFacts]) -> Mover:
    """Return what decides about these processes: ask the managers for the main processes of services."""
    places = {place(each.cgroup): each.cgroup for each in processes}
    mains: dict[int, str] = {}
    watched: set[str] = set()
    for unit, user, cgroup in ((each.unit, each.user, cgroup) for each, cgroup in places.items()):
        if unit is None or cgroup is None:
            continue
        if unit.endswith(".service") and (manager := await managers.of_user(user)) is not None:
            with suppress(*UNANSWERED):
                mains[int(await manager.get(unit_path(unit), _SERVICE, "MainPID"))] = unit
        elif unit.endswith(".scope") and user in {None, os.geteuid()}:  # another user's folder can hold anything
            file = transient_file(folder(os.environ, system=user is None), unit)
            if file is not None and file.has_keeper and _has_scoperun(unit, cgroup):
                watched.add(unit)
    return Mover(
        pid=os.getpid(),
        uid=None if managers.is_system and os.geteuid() == 0 else os.geteuid(),
        mains=mains,
        watched=frozenset(watched),
    )
