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

    from scoperun.kernel.scope_cgroup import ScopeCgroup
    from scoperun.supervision.handles import Handles


async def see_to_leftovers(handles: Handles, enough: asyncio.Event) -> bool:
    """Stop what the command has left, or wait for it, if that was asked for, and tell whether it was.

    The wait ends when none is left, when `enough` is set, or when systemd gives up the scope: it does so with
    processes in it that it cannot kill, or must not (SendSIGKILL=no).
    """
    is_stopped = handles.run.kill_leftovers and await _stop(handles)
    if not is_stopped and not handles.run.wait:
        return False
    feed = handles.feed
    with suppress(OSError):  # what cannot be waited for is not waited for
        await first_of(_none_left(handles.scope), enough.wait(), feed.until(lambda invocation: invocation.ended))
    feed.put(events.LeftoversAwaited())
    return True


async def _stop(handles: Handles) -> bool:
    """Have systemd stop the scope, and tell whether it does; its Result= will not be about the command then."""
    with suppress(*UNANSWERED):
        handles.feed.put(await handles.unit.read())
        handles.feed.put(events.StopRequested())
        await handles.unit.stop()
        return True
    return False


async def _none_left(scope: ScopeCgroup) -> None:
    """Return when none but the keeper is left in the scope: what is born meanwhile is on the next list."""
    while processes := scope.processes():
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
