"""Several command lines at a time, each one's output printed whole when it is done."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import project

Lane = Sequence[str]
"""The words before a command line that give it its place: none, or those that keep it on one processor."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of Python: the words after `python`. after: the name of another without which it is of no use."""

    words: Sequence[str]
    after: str | None = None


def side_by_side(commands: Mapping[str, Command], lanes: Sequence[Lane]) -> int:
    """Run the command lines, given by name, one at a time in each lane; return 0 only if all of them do."""
    return asyncio.run(Schedule(commands).run(lanes))


class Schedule:
    """Which of the command lines are still to run, and how those went that did."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        """Begin with all of them."""
        self._waiting = dict(commands)
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def run(self, lanes: Sequence[Lane]) -> int:
        """Run all; return the worst status."""
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._use(lane))
        return max(self._statuses.values(), default=0)

    async def _use(self, lane: Lane) -> None:
        """Run in this lane, one after the other, the first of those that wait whose time has come."""
        while (name := await self._next()) is not None:
            command = self._waiting.pop(name)
            if command.after and self._statuses[command.after] != 0:
                print(f"{name}: not run, for want of {command.after}", flush=True)
                status = 1
            else:
                status = await run_one(name, [*lane, sys.executable, *command.words])
            async with self._changed:
                self._statuses[name] = status
                self._changed.notify_all()

    async def _next(self) -> str | None:
        """Return the first that waits for nothing, once there is one; None if none is left."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._waiting or self._first() is not None)
            return self._first()

    def _first(self) -> str | None:
        ready = (name for name, each in self._waiting.items() if each.after is None or each.after in self._statuses)
        return next(ready, None)


async def run_one(name: str, words: Sequence[str]) -> int:
    """Run one command line, print its output and how it went, and return its exit status."""
    print(f"{name}: started", flush=True)
    start = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=project.ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    status = await process.wait()
    sys.stdout.write(output.decode(errors="replace"))
    verdict = "done" if status == 0 else f"failed with status {status}"
    print(f"{name}: {verdict} after {time.monotonic() - start:.0f} s", flush=True)
    return status
