"""One process that runs a thousand commands, 32 at a time, beside xargs with systemd-run and the least of it."""

import asyncio
import cProfile
import gc
import json
import os
import pstats
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from . import shares

AT_A_TIME = 32
WARM = 100
XARGS = f"seq {{}} | xargs -P{AT_A_TIME} -I_ systemd-run --user --scope -q /bin/true"


def measure(number: int) -> dict[str, Any]:
    """Return the scopes per second of each, and the library's descriptors and memory then and after as many again."""
    start = time.monotonic()
    subprocess.run(["sh", "-c", XARGS.format(number)], check=True)
    xargs = number / (time.monotonic() - start)
    return {"number": number, "xargs": xargs, "bare": told_by("bare", number), **told_by("library", number)}


def told_by(module: str, number: int) -> dict[str, Any]:
    """Return what one of our modules prints that runs so many commands in a process of its own."""
    run = subprocess.run(["python3", "-m", f"inside.{module}", str(number)], check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(run.stdout)
    return told


async def run_many(number: int) -> None:
    """Run `true` so many times."""
    import scoperun  # noqa: PLC0415  only the process that is measured has it

    slots = asyncio.Semaphore(AT_A_TIME)

    async def one() -> None:
        async with slots:
            report = await scoperun.run(["/bin/true"])
            if report.exit_code != 0:
                raise RuntimeError(report)

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(one())


async def be_measured(number: int) -> dict[str, Any]:
    """Run the first hundred for warmth, then all that are counted, and as many again to see what grows."""
    await run_many(WARM)
    start, used = time.monotonic(), time.process_time()
    await run_many(number)
    seconds, processor = time.monotonic() - start, time.process_time() - used
    before = state()
    await run_many(number)
    measured = {"library": number / seconds, "processor": processor / number, "before": before, "after": state()}
    return {**measured, "profile": await profile()}


async def profile() -> dict[str, float]:
    """Return the shares of the time in which the process did something, by whose code that was."""
    profiler = cProfile.Profile()
    profiler.enable()
    await run_many(WARM)
    profiler.disable()
    rows = pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    times = {(file, function): timing[2] for (file, _, function), timing in rows}
    forks = sum(seconds for (_, function), seconds in times.items() if "posix.fork" in function)
    working = [(file, seconds) for (file, function), seconds in times.items() if not is_fork_or_wait(function)]
    parts = {"fork(2)": forks, **shares.by_package(working)}
    return {name: seconds / sum(parts.values()) for name, seconds in parts.items()}


def is_fork_or_wait(function: str) -> bool:
    """Tell whether a function is counted by itself, or does nothing but wait."""
    return "posix.fork" in function or "'poll' of 'select.epoll'" in function


def state() -> dict[str, int]:
    """Return this process's descriptors and resident memory."""
    gc.collect()
    resident = re.findall(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return {"descriptors": len(os.listdir("/proc/self/fd")), "rss": 1024 * int(resident[0])}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(be_measured(int(sys.argv[1])))))
