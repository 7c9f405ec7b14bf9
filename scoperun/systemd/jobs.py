"""The end of a unit's job, e.g. that of its stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scoperun.errors import BusLost
from scoperun.systemd import answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scoperun.systemd.manager import Manager


async def job_ended(manager: Manager, unit: str, queue: Callable[[], Awaitable[str]]) -> str:
    """Queue a job of a unit, wait for its end, and return its result: `done`, or why not, e.g. `canceled`.

    queue: queues it and returns its D-Bus path. Raises what that raises, and BusLost if the bus is lost meanwhile.
    """
    results: dict[str, str] = {}
    heard = asyncio.Event()

    def take(member: str | None, body: list[Any]) -> None:
        match body:
            case [_, str(job), _, _] if events := answers.events(member, body):
                results[job] = events[0].result  # type: ignore[union-attr]  # it is JobRemoved
                heard.set()

    # systemd announces the end of a job to the client that has queued it: Subscribe() is not needed.
    await manager.hear_jobs(unit, take)
    try:
        job = await queue()
        while job not in results:
            heard.clear()
            await _heard(heard, manager)
        return results[job]
    finally:
        manager.forget_jobs(unit)


async def _heard(heard: asyncio.Event, manager: Manager) -> None:
    """Wait for the event; raise BusLost if the connection is lost before."""
    waits = [asyncio.create_task(heard.wait()), asyncio.create_task(manager.lost())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if not heard.is_set():
            raise BusLost(f"the connection to the bus was lost: {waits[1].result()}")
    finally:
        for wait in waits:
            wait.cancel()
