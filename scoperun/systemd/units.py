"""Any units of a manager: list them, and read, change, freeze, signal and stop one by its invocation.

A name can be given to another unit at any time. So whoever acts on a unit does so by its invocation ID: systemd has an
object for it as long as that invocation is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scoperun.errors import BusLost
from scoperun.record import dataclass
from scoperun.spec.scope import unit_path
from scoperun.systemd import answers, bus
from scoperun.systemd.answers import UNIT

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from scoperun.spec.properties import Property
    from scoperun.systemd.manager import Manager


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUnit:
    """A row of ListUnits.

    name: its full name. description: a text for people, which anybody can have written.
    load, active, sub: its LoadState=, ActiveState= and SubState=.
    """

    name: str
    description: str
    load: str
    active: str
    sub: str

    @property
    def is_active(self) -> bool:
        """Whether it is active, or on its way there or from there."""
        return self.active not in {"inactive", "failed"}


async def list_units(manager: Manager, *, patterns: Sequence[str] = (), states: Sequence[str] = ()) -> list[ListedUnit]:
    """Return the loaded units whose name matches one of the globs and whose state is one of `states`, by name.

    Raises one of manager.UNANSWERED.
    """
    (rows,) = await manager.call("ListUnitsByPatterns", "asas", list(states), list(patterns), answer="a(ssssssouso)")
    units = [
        ListedUnit(name=name, description=description, load=load, active=active, sub=sub)
        for name, description, load, active, sub, *_ in rows
    ]
    return sorted(units, key=lambda unit: unit.name)


async def invocation_of(manager: Manager, name: str) -> str:
    """Return the invocation ID of a unit, empty if it never was active; raise one of manager.UNANSWERED."""
    return answers.identifier("InvocationID", await manager.get(unit_path(name), UNIT, "InvocationID"))


@dataclass(frozen=True, slots=True)
class Invocation:
    """One activation of a unit. Each method asks systemd, and can raise one of manager.UNANSWERED.

    If that activation is over and unloaded, systemd's error is NO_SUCH_INVOCATION.
    """

    manager: Manager
    name: str
    identifier: str

    @property
    def path(self) -> str:
        """Its D-Bus object path."""
        return unit_path(self.identifier)

    async def properties(self, interface: str, wanted: Container[str] | None = None) -> dict[str, Any]:
        """Return the properties of an interface, those that are wanted or all, as plain Python."""
        return await self.manager.get_all(self.path, interface, wanted)

    async def set_properties(self, properties: Iterable[Property]) -> None:
        """Change properties until the unit ends; if one is refused, none is changed."""
        values = [[each.name, bus.variant(each.signature, each.value)] for each in properties]
        await self._call("SetProperties", "ba(sv)", True, values)  # runtime

    async def stop(self) -> str:
        """Queue the stop of the unit (SIGTERM, then after TimeoutStopSec= SIGKILL) and return its job's D-Bus path."""
        match await self._call("Stop", "s", "replace"):
            case [str(job)]:
                return job
        raise BusLost("Stop: systemd's answer is not valid")

    async def kill(self, number: int, *, what: str = "all") -> None:
        """Send a signal to its processes, once."""
        await self._call("Kill", "si", what, number, once=True)

    async def freeze(self) -> None:
        """Have the kernel not run its processes; return when it does not."""
        await self._call("Freeze", "")

    async def thaw(self) -> None:
        """Have the kernel run its processes again."""
        await self._call("Thaw", "")

    def post_thaw(self) -> None:
        """Ask for that without waiting for an answer, even if systemd has not answered before. Raises BusLost."""
        self.manager.post_object(self.path, UNIT, "Thaw")

    async def _call(self, member: str, signature: str, *arguments: object, once: bool = False) -> list[Any]:
        return await self.manager.call_object(self.path, UNIT, member, signature, *arguments, once=once)


NO_SUCH_INVOCATION = "org.freedesktop.systemd1.NoUnitForInvocationID"
