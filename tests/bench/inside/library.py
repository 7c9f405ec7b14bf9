"""A thousand commands, 32 at a time, from one process: with scoperun.run, with xargs and systemd-run, with bare.py."""

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

from . import processors, shares

AT_A_TIME = 32
WARM = 100
XARGS = f"seq {{}} | xargs -P{AT_A_TIME} -I_ systemd-run --user --scope -q /bin/true"


def measure(number: int) -> dict[str, Any]:
    """Return the scopes per second of each, and the library's descriptors and memory after one and two rounds."""
    start, before = time.monotonic(), processors.used()
    subprocess.run(["sh", "-c", XARGS.format(number)], check=True)
    xargs = number / (time.monotonic() - start)
    machine = processors.since(before, number)
    return {
        "number": number,
        "xargs": xargs,
        "xargs_machine": machine,
        "bare": told_by("bare", number),
        "kept": told_by("bare", number, "keeper"),
        **told_by("library", number),
    }


def told_by(module: str, number: int, *words: str) -> dict[str, Any]:
    """Run a module in a process of its own, with `number` commands, and return the JSON that it prints."""
    command = ["python3", "-m", f"inside.{module}", str(number), *words]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(run.stdout)
    return told


async def run_many(number: int) -> None:
    """Run `true` `number` times."""
    import scoperun  # noqa: PLC0415  only the measured process needs it

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
    """Run a hundred to warm up, then `number` that are measured, and as many again to see what grows."""
    await run_many(WARM)
    start, used, machine = time.monotonic(), time.process_time(), processors.used()
    await run_many(number)
    seconds, processor = time.monotonic() - start, time.process_time() - used
    whole = processors.since(machine, number)
    before = state()
    await run_many(number)
    measured = {"library": number / seconds, "processor": processor / number, "machine": whole}
    measured |= {"before": before, "after": state()}
    return {**measured, "profile": await profile()}


async def profile() -> dict[str, float]:
    """Return the shares of the time that was not spent waiting, by the package of the code."""
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
    """Return whether a function is fork, which is counted separately, or only waits."""
    return "posix.fork" in function or "'poll' of 'select.epoll'" in function


def state() -> dict[str, int]:
    """Return this process's number of descriptors, and its resident memory in bytes."""
    gc.collect()
    resident = re.findall(r"^VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return {"descriptors": len(os.listdir("/proc/self/fd")), "rss": 1024 * int(resident[0])}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(be_measured(int(sys.argv[1])))))
