"""What a program must not accumulate when it runs many commands."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Run = Callable[[], Awaitable[Any]]

SETTLED = 50
"""Runs after which everything that is kept permanently exists."""


async def assert_nothing_leaks(run: Run, *, runs: int) -> None:
    """Assert that later runs leave no more descriptors, tasks and children than the first, and few objects."""
    before = await counted_after(run, SETTLED)
    after = await counted_after(run, runs - SETTLED)
    assert after[:3] == before[:3]
    assert after[3] < before[3] + runs - SETTLED, "an object or more is left of each run"


async def counted_after(run: Run, runs: int) -> tuple[list[str], int, str, int]:
    """Do so many runs; return the number of our own descriptors, tasks, children and objects."""
    for _ in range(runs):
        await run()
    gc.collect()
    return sorted(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), children(), len(gc.get_objects())


def children() -> str:
    """Return this process's children, zombies included."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()
