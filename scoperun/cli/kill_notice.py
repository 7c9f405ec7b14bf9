"""A notice on the terminal before systemd kills a command that ignores SIGTERM, e.g. an interactive shell.

With OOMPolicy=stop, systemd kills a shell 90 s after a command started in it has run out of memory.
"""

from __future__ import annotations

import asyncio
import math
import signal
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

from scoperun.console.lines import Lines
from scoperun.kernel.process_table import heeds
from scoperun.process.streams import duplicate
from scoperun.process.terminal import line_end, takes_keys
from scoperun.spec.sizes import format_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scoperun.supervision.supervision import Supervision

_STDERR = 2


@asynccontextmanager
async def kill_notice(supervision: Supervision) -> AsyncIterator[None]:
    """Print the notice, if systemd stops the scope during the context, on standard error, which is a terminal."""
    watching = asyncio.create_task(_watch(supervision))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _watch(supervision: Supervision) -> None:
    async for _ in supervision.watch():
        if supervision.is_stopped_after_oom:
            # A command that SIGTERM ends does so at once, and the report says why.
            if not heeds(supervision.start.pid, signal.SIGTERM):
                await _write(_notice(await supervision.kill_after()))
            return


def _notice(kill_after: float | None) -> str:
    match kill_after:
        case None:
            what_follows = ", and kills what does not end"
        case math.inf:
            what_follows = ""
        case _:
            what_follows = f", and kills what is left in {format_time(kill_after)}"
    return (
        f"scoperun: out of memory: systemd stops the rest of the scope{what_follows} (OOMPolicy=stop); "
        "--oom-policy continue prevents that"
    )


async def _write(text: str) -> None:
    """Write a line to the terminal; start a new line first if a program is reading keys there."""
    end = line_end(_STDERR)
    with closing(Lines(duplicate(_STDERR))) as terminal, suppress(OSError):
        terminal.put((end if takes_keys(_STDERR) else "") + text + end.removesuffix("\n"))
        await terminal.written()
