"""Scoperun's messages are complete, however slowly they are read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scoperun.kernel.wait import readable
from tests.schema import validated

from .program import SCOPERUN
from .steps import PATIENCE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator

    from .fake_systemd import FakeSystemd

LONG = "x" * 20_000


@pytest.fixture
async def slow_reader(systemd: FakeSystemd) -> AsyncIterator[tuple[Process, int]]:
    """Start scoperun with a small non-blocking pipe as stderr and a longer report; return once the report has begun."""
    ours, stderr = os.pipe()
    fcntl.fcntl(stderr, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(stderr, False)
    process = await asyncio.create_subprocess_exec(*SCOPERUN, "--json", "--", "sh", "-c", "exit 3", LONG, stderr=stderr)
    os.close(stderr)
    await asyncio.wait_for(readable(ours), PATIENCE)
    yield process, ours
    os.close(ours)


async def test_a_slow_reader_gets_the_whole_report(slow_reader: tuple[Process, int]) -> None:
    process, stderr = slow_reader
    async with asyncio.timeout(PATIENCE):
        report = await asyncio.to_thread(Path(f"/proc/self/fd/{stderr}").read_text)
        assert validated(report)["command"][-1] == LONG
        assert await process.wait() == 3


async def test_a_reader_that_closes_during_the_report_does_not_change_the_status(
    slow_reader: tuple[Process, int],
) -> None:
    process, stderr = slow_reader
    with open(os.devnull) as nothing:  # noqa: ASYNC230  it is nothing
        os.dup2(nothing.fileno(), stderr)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT])
async def test_a_signal_ends_the_wait_for_a_reader_and_keeps_the_status(
    slow_reader: tuple[Process, int], number: signal.Signals
) -> None:
    process, _ = slow_reader
    process.send_signal(number)
    assert await asyncio.wait_for(process.wait(), PATIENCE) == 3
