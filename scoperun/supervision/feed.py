"""The events of one run: each goes to the invocation first, then to the waiting and watching tasks.

The trace gets an event before all of these, so that everything that follows from an event comes after it in the trace.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.errors import BusLost, ScopeFailed
from scoperun.evidence.events import ConnectionLost
from scoperun.evidence.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.evidence.events import Event
    from scoperun.systemd.manager import Manager
    from scoperun.systemd.unit import Unit

    Reached = Callable[[Invocation], bool]


class Feed:
    """The way into one invocation. Everything happens in one event loop, so events are not queued on the way."""

    def __init__(self, trace: Callable[[Event], None] | None = None) -> None:
        """Begin with an empty invocation. `trace` is called with every event, and must not raise."""
        self.invocation = Invocation()
        self._trace = trace
        self._waits: list[tuple[Reached, asyncio.Future[None]]] = []
        self._watchers: list[asyncio.Queue[Event | None]] = []
        self._is_over = False

    def put(self, event: Event) -> None:
        """Pass an event to the trace, the invocation, the waits and the watchers."""
        if self._trace is not None:
            self._trace(event)
        self.invocation.feed(event)
        for reached, wait in self._waits:
            if not wait.done() and reached(self.invocation):
                wait.set_result(None)
        for watcher in self._watchers:
            watcher.put_nowait(event)

    async def until(self, reached: Reached, *, within: float | None = None) -> None:
        """Wait until `reached` holds for the invocation; raise BusLost if it does not within `within` seconds."""
        if reached(self.invocation):
            return
        wait = reached, asyncio.get_running_loop().create_future()
        self._waits.append(wait)
        try:
            async with asyncio.timeout(within):
                await wait[1]
        except TimeoutError:
            raise BusLost(f"systemd said nothing more about the scope within {within:g} s") from None
        finally:
            self._waits.remove(wait)

    def end(self) -> None:
        """End every `watch`; a later one ends at once."""
        self._is_over = True
        for watcher in self._watchers:
            watcher.put_nowait(None)

    async def watch(self) -> AsyncIterator[Event]:
        """Yield each event from now on, until `end` is called."""
        if self._is_over:
            return
        watcher: asyncio.Queue[Event | None] = asyncio.Queue()
        self._watchers.append(watcher)
        try:
            while (event := await watcher.get()) is not None:
                yield event
        finally:
            self._watchers.remove(watcher)


async def feed_loss(manager: Manager, feed: Feed) -> None:
    """Wait until the connection breaks, and feed that."""
    feed.put(ConnectionLost(await manager.lost()))


async def until_started(unit: Unit, feed: Feed, *, system: bool) -> None:
    """Wait until the scope is started. Raise ScopeFailed if its start job fails, BusLost if the bus is lost.

    system: systemd is the system's.
    """
    await feed.until(lambda invocation: invocation.started, within=unit.timeout)
    match feed.invocation:
        case Invocation(job_result="done"):
            return
        case Invocation(job_result=None, bus_lost=reason):
            raise BusLost(f"Failed to start scope {unit.name!r}: the connection to the bus was lost: {reason}")
        case Invocation(job_result=result):
            raise ScopeFailed(
                f"Failed to start scope {unit.name!r}: its job ended as {result!r}",
                hint=f"see: journalctl{'' if system else ' --user'} -u {unit.name}",
            )
