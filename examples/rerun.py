#!/usr/bin/env python3
"""Runs a command, and reruns it with twice the memory while it runs out: rerun.py FROM_MIB UP_TO_MIB COMMAND [ARGS]."""

import asyncio
import sys

import scoperun


async def rerun(memory: int, most: int, command: list[str]) -> int:
    while True:
        report = await scoperun.run(command, limits=scoperun.Limits(memory_max=memory * scoperun.MiB))
        print(f"{command[0]}: {report.verdict} with {memory} MiB", file=sys.stderr)
        if report.verdict is not scoperun.Verdict.OOM_KILL or memory >= most:
            return report.exit_status
        memory = min(2 * memory, most)


sys.exit(asyncio.run(rerun(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])))
