"""What the command has left in its scope: waited for, or stopped, where that was asked for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.evidence import events
from scoperun.kernel.wait import process_ended
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scoperun.evidence.start import Start
    from scoperun.spec.request import RunRequest
    from scoperun.supervision.feed import Feed
    from scoperun.supervision.settling import Sources


class Leftovers:
    """The processes that live on in a scope whose command has ended."""

    def __init__(self, run: RunRequest, sources: Sources, feed: Feed, start: Start) -> None:
        """Take the scope as it was started."""
        self._run = run
        self._start = start
        self._scope = sources.scope
        self._systemd = sources.systemd
        self._feed = feed

    async def see_to(self, enough: asyncio.Event) -> bool:
        """Stop them or wait for them, if that was asked for, and tell whether it was.

        The wait ends when none is left, when `enough` is set, or when systemd gives up the scope: it does so with
        processes in it that it cannot kill, or must not (SendSIGKILL=no).
        """
        is_stopped = self._run.kill_leftovers and await self._stop()
        if not is_stopped and not self._run.wait:
            return False
        with suppress(OSError):  # what cannot be waited for is not waited for
            await first_of(self._none_left(), enough.wait(), self._feed.until(lambda invocation: invocation.ended))
        self._feed.take(events.LeftoversAwaited())
        return True

    async def _stop(self) -> bool:
        """Have systemd stop the scope, and tell whether it does; its Result= will not be about the command then."""
        with suppress(*UNANSWERED):
            self._feed.take(await self._systemd.read(self._start.invocation_id))
            self._feed.take(events.StopRequested())
            await self._systemd.stop(self._start.unit)
            return True
        return False

    async def _none_left(self) -> None:
        """Return when none but the keeper is left in the scope: what is born meanwhile is on the next list."""
        while processes := self._scope.processes():
            for process in processes:
                await process_ended(process.pid)


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of them returns, or raises what is raised then, and give up the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
