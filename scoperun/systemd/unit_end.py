"""The end of a unit that another program has started: waited for without polling, and its result read while it can be.

systemd unloads a scope as soon as it has ended. A reference keeps it loaded until its properties have been read, and
has systemd announce its changes. A user that may not have one hears the result in the announcements to all.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import BusLost, BusUnavailable, ManagerError
from scoperun.systemd import answers
from scoperun.systemd.answers import UNIT
from scoperun.systemd.units import Invocation, invocation_of

if TYPE_CHECKING:
    from scoperun.systemd.manager import Manager

_ALREADY = "org.freedesktop.systemd1.AlreadySubscribed"
_OVER = frozenset({"inactive", "failed"})
_SETTINGS = frozenset({"OOMPolicy", "Delegate", "MemoryPeak"})
"""What is known before the end too. Of the peak it matters only whether it is known."""

PROPERTIES = _SETTINGS | {"Result", "OOMKills", "ManagedOOMKills"}


async def subscribe(manager: Manager) -> None:
    """Have systemd announce what happens to all units, which wakes all that listen; raise one of UNANSWERED."""
    try:
        await manager.call("Subscribe", "")
    except ManagerError as error:
        if error.name != _ALREADY:
            raise


class UnitEnd:
    """The end of one unit; call `begin`, then `wait`, then `properties`."""

    def __init__(self, manager: Manager, name: str) -> None:
        """name: the unit's full name."""
        self.name = name
        self.invocation = ""
        self._manager = manager
        self._heard = asyncio.Event()
        self._is_over = False
        self._was_away = False
        self._result: str | None = None
        self._has_reference = False
        self._settings: dict[str, Any] = {}

    async def begin(self) -> None:
        """Begin to listen, and then see whether the unit has ended already; raise one of manager.UNANSWERED."""
        await self._manager.follow(self.name, self._take)
        self.invocation = await invocation_of(self._manager, self.name)
        # What was heard so far can be of an invocation before this one. Its own end is seen below.
        self._is_over, self._result = False, None
        if not self.invocation:  # unloaded, or never active
            self._is_over = True
            return
        try:
            await self._call("Ref")
            self._has_reference = True
        except ManagerError:  # it is refused to other users, or the unit has been unloaded
            await subscribe(self._manager)
        self._settings = await self._read(_SETTINGS)
        await self._look()

    async def wait(self) -> None:
        """Return when the unit has ended; raise BusLost if the bus breaks first, or systemd stays away from it."""
        while not self._is_over:
            try:
                await self._manager.heard(self._heard)
                if self._was_away and not self._is_over:
                    self._was_away = False
                    await self._look()
            except BusUnavailable as error:
                raise BusLost(f"{self.name}: {error.message}", hint=error.hint) from None

    async def properties(self) -> dict[str, Any]:
        """Return what systemd knows of the ended unit, by property, and give up the reference; {} if nothing is.

        A unit that has been started again is asked for by another invocation ID, so only what was heard of this one,
        and what was read while it ran, is known.
        """
        if not self.invocation:  # by its name systemd would answer for a unit that it has just made up
            return {}
        known = self._settings | await self._read(PROPERTIES)
        if self._result not in {None, "success"} or "Result" not in known:  # a failure that was heard once stays
            known["Result"] = self._result
        if self._has_reference:
            with suppress(ManagerError):
                await self._call("Unref")
        return known

    @property
    def _unit(self) -> Invocation:
        return Invocation(self._manager, self.name, self.invocation)

    async def _read(self, wanted: frozenset[str]) -> dict[str, Any]:
        """Return properties of this invocation, {} if it is over and unloaded; raise BusUnavailable."""
        with suppress(ManagerError):
            return await self._unit.properties(f"org.freedesktop.systemd1.{answers.kind(self.name)}", wanted)
        return {}

    async def _call(self, member: str) -> None:
        await self._manager.call_object(self._unit.path, UNIT, member, "")

    async def _look(self) -> None:
        """Ask systemd whether the invocation is over; raise BusUnavailable."""
        try:
            state = await self._manager.get(self._unit.path, UNIT, "ActiveState")
        except ManagerError:
            state = "inactive"
        self._is_over = self._is_over or state in _OVER

    def _take(self, member: str | None, body: list[Any]) -> None:
        match member, body:
            case "UnitRemoved", _:
                self._is_over = True
            case "PropertiesChanged", [str(), {"ActiveState": state}, _] if state in _OVER:
                self._is_over = True
            case "PropertiesChanged", [str(), {"Result": str(result)}, _] if not self._is_over:
                self._result = result if self._result in {None, "success"} else self._result
                return
            case "NameOwnerChanged", _:  # systemd announces nothing while it is away (daemon-reexec)
                self._was_away = True
            case _:
                return
        self._heard.set()
