"""The events of one run: each is taken in as it comes, by the invocation first, then by what waits and what watches.

What traces them is told before all others: whatever follows from an event is in the trace after it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.errors import BusLost
from scoperun.evidence.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.evidence.events import Event

    Reached = Callable[[Invocation], bool]


class Feed:
    """What leads into one invocation. Everything happens in one event loop, so nothing is queued on the way."""

    def __init__(self, trace: Callable[[Event], None] | None = None) -> None:
        """Begin with nothing known; `trace` is given every event from the first on, and must not raise."""
        self.invocation = Invocation()
        self._trace = trace
        self._waits: list[tuple[Reached, asyncio.Future[None]]] = []
        self._watchers: list[asyncio.Queue[Event | None]] = []
        self._is_over = False

    def put(self, event: Event) -> None:
        """Take in an event."""
        if self._trace is not None:
            self._trace(event)
        self.invocation.feed(event)
        for reached, wait in self._waits:
            if not wait.done() and reached(self.invocation):
                wait.set_result(None)
        for watcher in self._watchers:
            watcher.put_nowait(event)

    async def until(self, reached: Reached, *, within: float | None = None) -> None:
        """Wait until the invocation has got to a point; raise BusLost if that takes `within` seconds."""
        if reached(self.invocation):
            return
        wait = reached, asyncio.get_running_loop().create_future()
        self._waits.append(wait)
        try:
            async with asyncio.timeout(within):
                await wait[1]
        except TimeoutError:
            raise BusLost(f"systemd says nothing more of the scope within {within:g} s") from None
        finally:
            self._waits.remove(wait)

    def end(self) -> None:
        """Let those who watch go."""
        self._is_over = True
        for watcher in self._watchers:
            watcher.put_nowait(None)

    async def watch(self) -> AsyncIterator[Event]:
        """Give what is taken in from now on, until the end."""
        if self._is_over:
            return
        watcher: asyncio.Queue[Event | None] = asyncio.Queue()
        self._watchers.append(watcher)
        try:
            while (event := await watcher.get()) is not None:
                yield event
        finally:
            self._watchers.remove(watcher)
