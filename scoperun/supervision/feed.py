"""The events of one run, taken in one after the other: for the invocation, and for whoever watches."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from scoperun.errors import BusLost
from scoperun.evidence.invocation import Invocation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.evidence.events import Event


class Feed:
    """One unbounded queue that leads into one invocation."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.invocation = Invocation()
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._watchers: list[asyncio.Queue[Event | None]] = []
        self._is_over = False

    def put(self, event: Event) -> None:
        """Queue an event that comes from elsewhere."""
        self._queue.put_nowait(event)

    def take(self, event: Event) -> None:
        """Take in an event at once."""
        self.invocation.feed(event)
        for watcher in self._watchers:
            watcher.put_nowait(event)

    def catch_up(self) -> None:
        """Take in what is queued already."""
        while not self._queue.empty():
            self.take(self._queue.get_nowait())

    async def until(self, reached: Callable[[Invocation], bool], *, within: float | None = None) -> None:
        """Take in events until the invocation has got to a point; raise BusLost if that takes `within` seconds."""
        try:
            async with asyncio.timeout(within):
                while not reached(self.invocation):
                    self.take(await self._queue.get())
        except TimeoutError:
            raise BusLost(f"systemd says nothing more of the scope within {within:g} s") from None

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
