"""The report as JSON lines on a descriptor: when the command starts, while it runs, and at the end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from scoperun.console.lines import Lines
from scoperun.process.streams import duplicate
from scoperun.report.report import start_line
from scoperun.report.running_lines import RunningLines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scoperun.supervision.supervision import Supervision


@asynccontextmanager
async def report_lines(supervision: Supervision, fd: int, *, failed: Callable[[str], None]) -> AsyncIterator[None]:
    """Write the lines of a run to descriptor `fd`.

    The first line is written while the command runs. The last one can wait for its reader; a signal ends this wait.
    failed: called with the reason after the run, if a line could not be written.
    """
    with closing(Lines(duplicate(fd))) as lines:
        lines.put(start_line(supervision.start, supervision.command))
        following = asyncio.create_task(_follow(supervision, lines))
        try:
            yield
            report = await supervision.report()
            await following
        finally:
            following.cancel()
        lines.put(report.to_json(event="finished"))
        # A signal that has ended an earlier wait must not end this one.
        supervision.enough.clear()
        await _written_or_enough(lines, supervision.enough, failed)


async def _follow(supervision: Supervision, lines: Lines) -> None:
    """Write what happens, until there is a report."""
    running = RunningLines(supervision.start)

    def put_new() -> None:
        for line in running.new(supervision.invocation, keeper_killed=supervision.keeper_killed):
            lines.put(line)

    put_new()
    async for _ in supervision.watch():
        put_new()


async def _written_or_enough(lines: Lines, enough: asyncio.Event, failed: Callable[[str], None]) -> None:
    writing, signalled = asyncio.create_task(lines.written()), asyncio.create_task(enough.wait())
    await asyncio.wait([writing, signalled], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not writing.done():
        writing.cancel()
        failed("interrupted")
    elif isinstance(error := writing.exception(), OSError):
        failed(error.strerror or str(error))
