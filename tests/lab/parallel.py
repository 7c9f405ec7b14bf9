"""Runs command lines in parallel, and prints the output of each in one piece when it has ended."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import project

Lane = Sequence[str]
"""The words before a command line that pin it to one processor, or no words."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line of Python.

    words: those after `python`. after: the name of a command line that must have succeeded before, None without one.
    """

    words: Sequence[str]
    after: str | None = None


def side_by_side(commands: Mapping[str, Command], lanes: Sequence[Lane]) -> int:
    """Run the command lines, one at a time in each lane; return their highest status, 0 if all succeed."""
    return asyncio.run(Schedule(commands).run(lanes))


class Schedule:
    """The command lines that have not started yet, and the exit statuses of those that have ended."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        """Start with all of them waiting."""
        self._waiting = dict(commands)
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Condition()

    async def run(self, lanes: Sequence[Lane]) -> int:
        """Run all; return the highest status."""
        async with asyncio.TaskGroup() as group:
            for lane in lanes:
                group.create_task(self._use(lane))
        return max(self._statuses.values(), default=0)

    async def _use(self, lane: Lane) -> None:
        """Run command lines in this lane until none is left; each time take the first that can start."""
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
        """Wait until a command line can start and return its name; None if none is left."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._waiting or self._first() is not None)
            return self._first()

    def _first(self) -> str | None:
        ready = (name for name, each in self._waiting.items() if each.after is None or each.after in self._statuses)
        return next(ready, None)


async def run_one(name: str, words: Sequence[str]) -> int:
    """Run one command line, print its output and its result, and return its exit status."""
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
