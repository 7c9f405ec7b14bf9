#!/usr/bin/env python3
"""Runs simulate with growing sizes, two at a time, and says how much memory each took: sizes.py SIZE..."""

import asyncio
import sys
from pathlib import Path

import scoperun

SIMULATE = str(Path(__file__).with_name("simulate"))


async def run(sizes: list[str]) -> int:
    failed = 0
    async with scoperun.Batch(slots=2, retries=3) as batch:
        of_size = {batch.submit([SIMULATE, "grid", size, "1"], memory=30 * scoperun.MiB): size for size in sizes}
        async for result in batch.results():
            failed += result.ending != "done"
            end = f"{result.ending} with {result.memory_max // scoperun.MiB} MiB, attempt {result.attempts}"
            print(f"size {of_size[result.seq]}: {end}", file=sys.stderr)
    return min(failed, 1)


sys.exit(asyncio.run(run(sys.argv[1:])))
