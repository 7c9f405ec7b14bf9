"""What a signal does before, during and after the command; tests with a whole run are in tests/bus."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scoperun.kernel.wait import readable
from scoperun.process.child import Child, Preparation, spawn
from scoperun.process.relay import relaying
from scoperun.process.signals import HeldSignals

EXITS = ("sh", "-c", "exit 3")

THREADED = (
    sys.executable,
    "-c",
    "import threading; one = threading.Thread(target=sum, args=(range(10**6),)); one.start(); one.join(); exit(3)",
)


@pytest.fixture
def signals() -> Iterator[HeldSignals]:
    with HeldSignals() as signals:
        yield signals


@contextmanager
def started(signals: HeldSignals, *command: str) -> Iterator[Child]:
    preparation = Preparation(environment=os.environ, steps=(signals.undo_in_child,))
    workload = spawn(command, preparation)
    try:
        yield workload
    finally:
        workload.close()


@pytest.fixture
def workload(signals: HeldSignals) -> Iterator[Child]:
    with started(signals, *EXITS) as workload:
        yield workload


async def ended(workload: Child) -> None:
    """Run the command to its end without reaping it."""
    await workload.release("0" * 32)
    await readable(workload.pidfd)


async def continued() -> None:
    """Continue this process, as after a stop, and let the event loop handle the signal."""
    os.kill(os.getpid(), signal.SIGCONT)
    for _ in range(2):  # one iteration to see the signalfd, one to act
        await asyncio.sleep(0)


@pytest.mark.parametrize(("command", "is_late"), [(EXITS, False), (THREADED, True)], ids=["plain", "threaded"])
async def test_a_command_that_ended_while_scoperun_was_stopped_is_noticed_late_without_the_kernels_time(
    signals: HeldSignals, command: tuple[str, ...], is_late: bool
) -> None:
    with started(signals, *command) as workload, relaying(signals, workload):
        await ended(workload)
        await continued()
        exited = await workload.wait()
    assert (exited.status, exited.late) == (3, is_late)


async def test_without_a_stop_it_is_not_noticed_late(signals: HeldSignals, workload: Child) -> None:
    with relaying(signals, workload):
        await ended(workload)
        exited = await workload.wait()
    assert (exited.status, exited.late) == (3, False)


async def test_after_a_stop_that_ended_earlier_it_is_not_noticed_late(signals: HeldSignals, workload: Child) -> None:
    with relaying(signals, workload):
        await continued()
        await ended(workload)
        exited = await workload.wait()
    assert not exited.late
