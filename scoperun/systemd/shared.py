"""What all runs of a process share, such as its connection: opened with the first, closed with the last."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from scoperun.errors import ScoperunError
from scoperun.systemd.connecting import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from scoperun.systemd.manager import Manager

_VARIABLES = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "SYSTEMD_BUS_TIMEOUT")
"""The environment variables that the connection depends on."""

_Key = tuple[bool, tuple[str | None, ...]]
_K = TypeVar("_K")
_T = TypeVar("_T")


class Shared(Generic[_T]):
    """One thing that several runs use: opened by the first that gets the lock, closed with the last.

    users: the number of runs that use it. value: None until it is open. failure: why it could not be opened.
    """

    def __init__(self, is_usable: Callable[[_T], bool]) -> None:
        """is_usable: tells whether another run can use what is open."""
        self.users = 0
        self.open = AsyncExitStack()
        self.value: _T | None = None
        self.failure: ScoperunError | None = None
        self._lock = asyncio.Lock()
        self._is_usable = is_usable

    @property
    def is_usable(self) -> bool:
        """Whether another run can join: it is being opened, or works as far as is known."""
        return self.failure is None and (self.value is None or self._is_usable(self.value))

    async def opened(self, opening: Callable[[], AbstractAsyncContextManager[_T]]) -> _T:
        """Return what is open; open it first if it is not."""
        async with self._lock:
            if self.failure is not None:  # every run that waited for the lock gets it
                raise self.failure
            if self.value is None:
                try:
                    self.value = await self.open.enter_async_context(opening())
                except ScoperunError as error:
                    self.failure = error
                    raise
            return self.value


@asynccontextmanager
async def sharing(
    things: dict[_K, Shared[_T]],
    key: _K,
    opening: Callable[[], AbstractAsyncContextManager[_T]],
    *,
    is_usable: Callable[[_T], bool],
) -> AsyncIterator[_T]:
    """Give what is open under `key`, or open it; raises what `opening` raises. The last to leave closes it."""
    shared = things.get(key)
    if shared is None or not shared.is_usable:
        shared = things[key] = Shared(is_usable)
    shared.users += 1
    try:
        yield await shared.opened(opening)
    finally:
        shared.users -= 1
        if shared.users == 0:
            if things.get(key) is shared:
                del things[key]
            await shared.open.aclose()


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, Shared[Manager]]] = WeakKeyDictionary()
"""The connections of each event loop: a program can have several loops, one after the other or one in each thread."""


@asynccontextmanager
async def shared_manager(environment: Mapping[str, str], *, system: bool = False) -> AsyncIterator[Manager]:
    """Give the connection to the user's or the system's manager; raises what `connecting.connect` raises.

    If the connection is lost, the next run opens a new one.
    """
    connections = _SHARED.setdefault(asyncio.get_running_loop(), {})
    key = (system, tuple(map(environment.get, _VARIABLES)))
    opening = partial(connect, environment, system=system)
    async with sharing(connections, key, opening, is_usable=lambda manager: manager.is_usable) as manager:
        yield manager
