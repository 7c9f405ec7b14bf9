"""The processes that the command leaves in its scope: wait for them or stop them, if that was asked for."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from scoperun.errors import ManagerError
from scoperun.evidence import events
from scoperun.kernel.wait import process_ended
from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.supervision.handles import Handles


async def see_to_leftovers(handles: Handles, enough: asyncio.Event) -> bool:
    """Stop the processes that the command left, or wait for them, if that was asked for; tell whether it was.

    The wait ends when no process is left, when `enough` is set, or when systemd gives up the scope. systemd gives it up
    if it cannot kill the processes in it, or must not (SendSIGKILL=no).
    """
    is_stopped = handles.run.stops_leftovers and await _stop(handles)
    if not is_stopped and not handles.run.wait:
        return False
    feed = handles.feed
    with suppress(OSError):  # e.g. too few descriptors: then there is no wait
        await first_of(_none_left(handles.scope), enough.wait(), feed.until(lambda invocation: invocation.ended))
    feed.put(events.LeftoversAwaited())
    return True


async def _stop(handles: Handles) -> bool:
    """Have systemd stop the scope; tell whether it does."""
    with suppress(*UNANSWERED):
        await stop(handles)
        return True
    return False


async def stop(handles: Handles) -> None:
    """Have systemd stop the scope; raise one of UNANSWERED.

    systemd does not stop a frozen scope since 257, so it is thawed first. If only leftovers are in the scope, Result=
    is read first: the stop can change it, and what it says then is not about the command.
    """
    unit = handles.unit
    if (handles.scope.cgroup.table("cgroup.events") or {}).get("frozen"):
        with suppress(ManagerError):
            await unit.thaw()
    if handles.invocation.exited:
        handles.feed.put(await unit.read())
        handles.feed.put(events.StopRequested())
    await unit.stop()


async def _none_left(scope: ScopeCgroup) -> None:
    """Return when only the keeper is left in the scope. The next list has the processes that were born meanwhile."""
    while processes := scope.processes():
        for process in processes:
            await process_ended(process.pid)


async def first_of(*waits: Coroutine[Any, Any, Any]) -> None:
    """Wait until the first of the coroutines returns or raises, cancel the others, and raise what it raised."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
