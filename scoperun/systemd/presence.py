"""Whether systemd has its name on the bus: during daemon-reexec it has not, for a moment."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.systemd.bus import ErrorReply, Method

if TYPE_CHECKING:
    from scoperun.systemd.bus import Connection, Signal

_BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")

_RETURNS_WITHIN = 10.0
"""Seconds within which systemd is back: daemon-reexec takes a fraction of a second, or some on an emulated machine."""


class Presence:
    """A name on the bus, and the process that has it, if any."""

    def __init__(self, connection: Connection, name: str) -> None:
        """name: the well-known name of the process."""
        self._connection = connection
        self._name = name
        self._watched: asyncio.Future[None] | None = None
        self._returns = asyncio.Event()
        self._has_left = False

    async def back(self) -> bool:
        """Wait until a process has the name again; tell whether one has it. Raises BusLost if the bus does not answer.

        There is one wait for a process that does not come back; after that it is not waited for again.
        """
        self._returns.clear()
        if self._watched is None:
            self._watched = asyncio.ensure_future(self._watch())
        try:
            await asyncio.shield(self._watched)
            if await self._is_there():
                return True
        except ErrorReply:
            return False
        if self._has_left:
            return False
        try:
            async with asyncio.timeout(min(_RETURNS_WITHIN, self._connection.timeout)):
                await self._returns.wait()
        except TimeoutError:
            self._has_left = True
        return not self._has_left

    def take(self, signal: Signal) -> None:
        """Take a signal of the bus itself."""
        if signal.path != _BUS[1] or signal.member != "NameOwnerChanged":
            return
        match signal.body():
            case [name, _, str(owner)] if name == self._name and owner:
                self._has_left = False
                self._returns.set()

    async def _watch(self) -> None:
        sender, path, interface = _BUS
        rule = f"type='signal',sender='{sender}',path='{path}',interface='{interface}',member='NameOwnerChanged'"
        await self._connection.match(f"{rule},arg0='{self._name}'")

    async def _is_there(self) -> bool:
        (is_there,) = await self._connection.call(Method(*_BUS, "NameHasOwner", "s", "b"), self._name)
        return bool(is_there)
