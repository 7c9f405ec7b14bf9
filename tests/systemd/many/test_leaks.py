"""A program that runs a thousand commands is afterwards as it was before."""

import asyncio
import gc
import os
from pathlib import Path

import scoperun
from tests.systemd.story import Story


async def test_a_thousand_runs_leak_nothing(story: Story) -> None:
    """Descriptors, tasks, children and objects, counted after the first hundred and after the last."""
    before = await counted_after(100)
    after = await counted_after(900)
    assert after[:3] == before[:3]
    assert after[3] < before[3] + 900, "an object or more is left of each run"


async def counted_after(runs: int) -> tuple[list[str], int, str, int]:
    """Run a command so many times; return what there is afterwards of our own."""
    for _ in range(runs):
        assert (await scoperun.run(["true"])).exit_code == 0
    gc.collect()
    return sorted(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()), children(), len(gc.get_objects())


def children() -> str:
    """Return this process's children, zombies included."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text()
