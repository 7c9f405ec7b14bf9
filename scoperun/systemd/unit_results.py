"""What systemd announces about all scopes and services: how they fare, and that they are gone."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.record import dataclass
from scoperun.spec.scope import unit_at
from scoperun.systemd import answers, bus
from scoperun.systemd.manager import UNANSWERED
from scoperun.systemd.signals import PATH, SYSTEMD
from scoperun.systemd.unit_end import subscribe
from scoperun.systemd.units import Invocation, invocation_of, list_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from scoperun.systemd.manager import Manager

_KINDS = (".scope", ".service")
_RESULT = frozenset({"Result"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An announcement about a scope or a service. result: its Result=, None if that was not announced.

    is_removed: systemd has unloaded it.
    """

    unit: str
    result: str | None = None
    is_removed: bool = False


class UnitResults:
    """The announcements on one connection."""

    def __init__(self, manager: Manager, take: Callable[[Heard], None]) -> None:
        """take: called with each announcement, from `begin` on."""
        self._manager = manager
        self._take = take
        self._subscribing: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Begin to listen; raise one of manager.UNANSWERED."""
        await self._manager.overhear(self._overhear)
        await subscribe(self._manager)

    async def with_result(self, result: str) -> set[str]:
        """Return the units that have failed or stop with this Result= now; raise one of manager.UNANSWERED."""
        found = set()
        states = ["failed", "deactivating"]
        for unit in await list_units(self._manager, patterns=[f"*{kind}" for kind in _KINDS], states=states):
            with suppress(*UNANSWERED):  # it was unloaded meanwhile
                invocation = Invocation(self._manager, unit.name, await invocation_of(self._manager, unit.name))
                properties = await invocation.properties(f"{SYSTEMD}.{answers.kind(unit.name)}", _RESULT)
                if properties.get("Result") == result:
                    found.add(unit.name)
        return found

    def _overhear(self, signal: bus.Signal) -> None:
        if signal.path == bus.PATH:
            self._take_owner(signal)
        elif signal.path == PATH:
            match signal.member, signal.body():
                case "UnitNew" | "UnitRemoved" as member, [str(name), _] if name.endswith(_KINDS):
                    self._take(Heard(unit=name, is_removed=member == "UnitRemoved"))
        elif (unit := unit_at(signal.path or "")) and unit.endswith(_KINDS):
            self._take(Heard(unit=unit, result=_result(signal)))

    def _take_owner(self, signal: bus.Signal) -> None:
        """Subscribe again once systemd is back on the bus: one that was restarted knows no subscribers."""
        match signal.member, signal.body():
            case "NameOwnerChanged", [name, _, str(owner)] if name == SYSTEMD and owner:
                self._subscribing = asyncio.ensure_future(self._subscribe_again())

    async def _subscribe_again(self) -> None:
        with suppress(*UNANSWERED):  # a lost connection ends the watch elsewhere
            await subscribe(self._manager)


def _result(signal: bus.Signal) -> str | None:
    match signal.member, signal.body(_RESULT):
        case "PropertiesChanged", [str(), {"Result": str(result)}, _]:
            return result
    return None
