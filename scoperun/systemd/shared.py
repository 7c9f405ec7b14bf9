"""The connection that all runs of a process share: opened with the first, closed with the last."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from scoperun.errors import ScoperunError
from scoperun.record import dataclass, field
from scoperun.systemd.manager import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from scoperun.systemd.manager import Manager

_VARIABLES = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "SYSTEMD_BUS_TIMEOUT")
"""The environment variables that the connection depends on."""

_Key = tuple[bool, tuple[str | None, ...]]


@dataclass(slots=True, kw_only=True)
class _Shared:
    """One connection, opened by the first run that gets the lock. failure: why it could not be opened.

    users: the number of runs that use it; the last one closes it.
    """

    users: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    open: AsyncExitStack = field(default_factory=AsyncExitStack)
    manager: Manager | None = None
    failure: ScoperunError | None = None

    @property
    def is_usable(self) -> bool:
        """Whether another run can join: the connection is being opened, or works as far as is known."""
        return self.failure is None and (self.manager is None or self.manager.is_usable)

    async def opened(self, environment: Mapping[str, str], *, system: bool) -> Manager:
        async with self.lock:
            if self.failure is not None:  # every run that waited for the lock gets it
                raise self.failure
            if self.manager is None:
                try:
                    self.manager = await self.open.enter_async_context(connect(environment, system=system))
                except ScoperunError as error:
                    self.failure = error
                    raise
            return self.manager


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, _Shared]] = WeakKeyDictionary()
"""The connections of each event loop: a program can have several loops, one after the other or one in each thread."""


@asynccontextmanager
async def shared_manager(environment: Mapping[str, str], *, system: bool = False) -> AsyncIterator[Manager]:
    """Give the connection to the user's or the system's manager; raises what `manager.connect` raises.

    If the connection is lost, the next run opens a new one.
    """
    connections = _SHARED.setdefault(asyncio.get_running_loop(), {})
    key = (system, tuple(map(environment.get, _VARIABLES)))
    shared = connections.get(key)
    if shared is None or not shared.is_usable:
        shared = connections[key] = _Shared()
    shared.users += 1
    try:
        yield await shared.opened(environment, system=system)
    finally:
        shared.users -= 1
        if shared.users == 0:
            if connections.get(key) is shared:
                del connections[key]
            await shared.open.aclose()
