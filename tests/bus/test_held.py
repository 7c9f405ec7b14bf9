"""A process that a debugger or a hanging disk holds does not end when it is killed: scoperun does not wait forever."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .program import end, signal_from_outside, start_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fake_systemd import FakeSystemd

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_O_TRACEEXIT = 17, 0x4206, 0x40
UNTIL_TOLD = "echo; read _; exit 3"


def ptrace(request: int, pid: int, data: int) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    return int(libc.ptrace(request, pid, None, data))


@contextmanager
def traced(pid: int, options: int = 0) -> Iterator[None]:
    """Act as a debugger of process `pid` that ignores its stops, and detach in the end."""
    assert ptrace(PTRACE_SEIZE, pid, options) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        os.waitpid(pid, os.WNOHANG)
        ptrace(PTRACE_DETACH, pid, 0)


async def test_a_keeper_that_a_debugger_holds_does_not_block_scoperun(systemd: FakeSystemd) -> None:
    """It stops where it would end: for systemd the scope goes on, and its end is not announced."""
    process = await start_command(UNTIL_TOLD)
    keeper = systemd.unit.pids[1]
    with traced(keeper, PTRACE_O_TRACEEXIT):
        assert process.stdin is not None
        process.stdin.write(b"\n")
        await asyncio.to_thread(os.waitid, os.P_PID, keeper, os.WSTOPPED | os.WNOWAIT)
        signal_from_outside(process, signal.SIGTERM)
        ended = await end(process)
    assert (ended.status, ended.report["verdict"]) == (3, "exit-code")
    await systemd.gone()


async def test_a_command_whose_debugger_sleeps_counts_as_ended(systemd: FakeSystemd) -> None:
    process = await start_command(UNTIL_TOLD)
    with traced(systemd.unit.pids[0]):
        ended = await end(process, "\n")
        assert (ended.status, ended.report["exit_code"]) == (3, 3)


async def test_the_signal_that_killed_it_is_known_too(systemd: FakeSystemd) -> None:
    process = await start_command("echo; exec tail -f /dev/null")
    command = systemd.unit.pids[0]
    with traced(command):
        os.kill(command, signal.SIGKILL)
        assert (await end(process)).report["signal"] == signal.SIGKILL
