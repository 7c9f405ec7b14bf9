"""The end of a unit's job, e.g. that of its stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scoperun.systemd import answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scoperun.systemd.manager import Manager


async def job_ended(
    manager: Manager, unit: str, queue: Callable[[], Awaitable[str]], *, is_over: Callable[[], Awaitable[bool]]
) -> str:
    """Queue a job of a unit, wait for its end, and return its result: `done`, or why not, e.g. `canceled`.

    queue: queues it and returns its D-Bus path. is_over: tells whether what it was to do is done; asked when systemd
    has been away from the bus (daemon-reexec), because it might have announced the end meanwhile.
    Raises what these raise, and BusLost if the bus is lost.
    """
    heard = _Heard()
    # systemd announces the end of a job to the client that has queued it: Subscribe() is not needed.
    await manager.hear_jobs(unit, heard.take)
    try:
        job = await queue()
        while job not in heard.results:
            if heard.is_back and await is_over():
                return "done"
            await manager.heard(heard.has_more)
        return heard.results[job]
    finally:
        manager.forget(unit)


class _Heard:
    """What is heard of jobs.

    results: of those that have ended, by path. is_back: systemd was away, and is back. has_more: set with any change.
    """

    def __init__(self) -> None:
        self.results: dict[str, str] = {}
        self.is_back = False
        self.has_more = asyncio.Event()

    def take(self, member: str | None, body: list[Any]) -> None:
        """Take a signal of the manager or of the bus."""
        match member, body:
            case "JobRemoved", [_, str(job), _, _]:
                for event in answers.events(member, body):
                    self.results[job] = event.result  # type: ignore[union-attr]  # it is JobRemoved
            case "NameOwnerChanged", [_, _, str(owner)] if owner:
                self.is_back = True
            case _:
                return
        self.has_more.set()
