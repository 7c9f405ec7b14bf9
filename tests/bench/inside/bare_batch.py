"""The least that a batch of jobs takes with asyncio, dbus-next and SQLite: bare.py's scopes with what a job has more.

That is a limit, the slice and the guard of the batch, a keeper, and its beginning and its end on disk. There are no
options, no report, no output and no error handling.
"""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path

from dbus_next.signature import Variant

from . import bare

LIMIT = 16 << 20
SLICE = f"app-bare_batch_{os.getpid()}.slice"
GUARD = f"bare-guard-{os.getpid()}.scope"

BOUND = [
    ["Slice", Variant("s", SLICE)],
    ["MemoryMax", Variant("t", LIMIT)],
    ["MemorySwapMax", Variant("t", 0)],
    ["BindsTo", Variant("as", [GUARD])],
    ["After", Variant("as", [GUARD])],
]


class Disk:
    """A database with a row for each job."""

    def __init__(self, path: Path) -> None:
        """Make it."""
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("CREATE TABLE job (number INTEGER PRIMARY KEY, started REAL, ended REAL)")

    def begin(self, number: int) -> None:
        """Keep that a job begins, so that this process can be killed."""
        self.keep("NORMAL", "INSERT INTO job (number, started) VALUES (?, ?)", number, time.time())

    def end(self, number: int) -> None:
        """Keep that it has ended, so that the machine can lose its power."""
        self.keep("FULL", "UPDATE job SET ended = ? WHERE number = ?", time.time(), number)

    def keep(self, synchronous: str, statement: str, *values: float) -> None:
        """Execute a statement in a transaction of its own."""
        self.connection.execute(f"PRAGMA synchronous = {synchronous}")
        self.connection.execute(statement, values)


@asynccontextmanager
async def guarded(bus: bare.Bus) -> AsyncIterator[None]:
    """Have a scope to which those of the jobs are bound, for the length of a context."""
    pid, end = bare.keeper()
    await bus.start(GUARD, [["PIDs", Variant("au", [pid])]])
    yield
    os.close(end)
    os.waitpid(pid, 0)  # noqa: ASYNC222  it ends at once


async def many(numbers: Iterable[int], disk: Disk, bus: bare.Bus) -> None:
    """Run a job for each number, so many at a time as in bare.py."""
    slots = asyncio.Semaphore(bare.AT_A_TIME)

    async def next_one(number: int) -> None:
        async with slots:
            disk.begin(number)
            await bare.one(bus, number, bare.held(), bare.keeper(), more=BOUND)
            disk.end(number)

    async with asyncio.TaskGroup() as group:
        for number in numbers:
            group.create_task(next_one(number))


async def rate(number: int) -> float:
    """Run a hundred jobs to warm up, then `number`; return how many of these were run in a second."""
    bus = await bare.connected()
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder, "jobs.db"))
        with closing(disk.connection):
            async with guarded(bus):
                await many(range(100), disk, bus)
                start = time.monotonic()
                await many(range(100, 100 + number), disk, bus)
                seconds = time.monotonic() - start
    await bare.disconnected(bus)
    return number / seconds


if __name__ == "__main__":
    print(json.dumps({"rate": asyncio.run(rate(int(sys.argv[1])))}))
