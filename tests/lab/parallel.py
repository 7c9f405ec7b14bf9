"""Several of the lab's own command lines at a time, each one's output printed whole when it is done."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence

from . import project

Lane = Sequence[str]
"""The words before a command line that give it its place: none, or those that keep it on one processor."""


def side_by_side(commands: Mapping[str, Sequence[str]], lanes: Sequence[Lane]) -> int:
    """Run the command lines, given by name, one at a time in each lane; return 0 only if all of them do."""
    return asyncio.run(run_all(commands, lanes))


async def run_all(commands: Mapping[str, Sequence[str]], lanes: Sequence[Lane]) -> int:
    """Run the command lines in the order given, each in the first lane that is free."""
    free: asyncio.Queue[Lane] = asyncio.Queue()
    for lane in lanes:
        free.put_nowait(lane)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_one(name, command, free)) for name, command in commands.items()]
    return max((task.result() for task in tasks), default=0)


async def run_one(name: str, command: Sequence[str], free: asyncio.Queue[Lane]) -> int:
    """Run one command line, and print its output and how it went."""
    lane = await free.get()
    try:
        print(f"{name}: started", flush=True)
        start = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(*lane, sys.executable, "-m", "tests.lab", *command),
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
    finally:
        free.put_nowait(lane)
    sys.stdout.write(output.decode(errors="replace"))
    verdict = "done" if status == 0 else f"failed with status {status}"
    print(f"{name}: {verdict} after {time.monotonic() - start:.0f} s", flush=True)
    return status
