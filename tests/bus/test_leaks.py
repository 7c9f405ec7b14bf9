"""A program that runs many commands leaks nothing."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import scoperun
from tests.leaks import assert_nothing_leaks

from .fake_systemd import fake_systemd

if TYPE_CHECKING:
    from asyncio.subprocess import Process


async def test_many_runs_leak_nothing(daemon: Process, runtime_dir: str) -> None:
    """Only our own code is tested here; tests/guest does this with a real systemd, where fewer runs take as long."""
    os.symlink("daemon", f"{runtime_dir}/bus")  # without the wire in between, which records every call
    async with fake_systemd(f"unix:path={runtime_dir}/daemon".replace(" ", "%20")) as systemd:

        async def run() -> None:
            assert (await scoperun.run(["true"], require_limits=False)).exit_code == 0
            await systemd.gone()
            systemd.calls.clear()

        await assert_nothing_leaks(run, runs=400)


async def test_a_batch_of_many_jobs_leaks_nothing(daemon: Process, runtime_dir: str) -> None:
    os.symlink("daemon", f"{runtime_dir}/bus")
    address = f"unix:path={runtime_dir}/daemon".replace(" ", "%20")
    async with fake_systemd(address) as systemd, scoperun.Batch(slots=1, memory_total=9 * scoperun.MiB) as batch:

        async def run() -> None:
            batch.submit(["true"], memory=scoperun.MiB, require_limits=False)
            async for result in batch.results():
                assert result.ending == "done"
            systemd.calls.clear()

        await assert_nothing_leaks(run, runs=120)
