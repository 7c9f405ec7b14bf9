"""scoperun as a program: start it, talk to it, and find the processes that it leaves behind."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import struct
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.schema import validated

from .steps import PATIENCE

if TYPE_CHECKING:
    from asyncio.subprocess import Process

BUS = "dbus-daemon"
# The fake cannot put a process into a cgroup, so limits are not enforced.
SCOPERUN = (sys.executable, "-m", "scoperun", "--no-require-limits")

_PR_SET_CHILD_SUBREAPER = 36
_PIDFD_SEND_SIGNAL = 424
_SI_QUEUE = -1
_NOBODY = 1 << 22  # the kernel's limit of process ids: no process ever has this one


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A program that has ended: its exit status, its output, and the PIDs of our children that are left."""

    status: int
    out: str
    err: str
    left: list[int]

    @property
    def report(self) -> dict[str, Any]:
        """The report that --json printed; stderr must have nothing else."""
        return validated(self.err)

    @property
    def complaint(self) -> str:
        """The only line on stderr."""
        (line,) = self.err.splitlines()
        return line


async def start(*argv: str, through: str | None = None) -> Process:
    """Start scoperun with these arguments; `through` is a line of sh that finally runs them, as "$@"."""
    around = () if through is None else ("/bin/sh", "-c", through, "sh")
    return await asyncio.create_subprocess_exec(
        *around, *SCOPERUN, *argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )


async def start_command(script: str, *options: str) -> Process:
    """Start scoperun with a line of sh as its command; return once the command has printed a line."""
    process = await start("--json", *options, "--", "sh", "-c", script)
    await line(process)
    return process


async def line(process: Process) -> str:
    """Return the next line that the command prints."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE):
        printed = await process.stdout.readline()
    return printed.decode().rstrip("\n")


async def end(process: Process, stdin: str = "") -> Ended:
    """Send `stdin` to the command and wait for the end of scoperun."""
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(stdin.encode() if process.stdin else None)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    assert process.returncode is not None
    assert b"internal error" not in err
    return Ended(status=process.returncode, out=out.decode(), err=err.decode(), left=children())


async def scoperun(*argv: str, through: str | None = None) -> Ended:
    """Run scoperun with these arguments to its end."""
    return await end(await start(*argv, through=through))


async def state(pid: int, wanted: str) -> None:
    """Return once a process is in state `wanted`, e.g. T for stopped; only its parent could wait for an event."""
    async with asyncio.timeout(PATIENCE):
        while _stat(pid)[1][:1] != [wanted]:  # noqa: ASYNC110
            await asyncio.sleep(0)


def signal_from_outside(process: Process, number: int) -> None:
    """Send a signal whose sender's PID is not that of a process in the scope.

    The fake moves no process into a cgroup, so that a signal from here would look as if the command had sent it.
    """
    info = struct.pack("=iiiiII104x", number, 0, _SI_QUEUE, 0, _NOBODY, os.getuid())
    pidfd = os.pidfd_open(process.pid)
    sent = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_SEND_SIGNAL, pidfd, number, info, 0)
    os.close(pidfd)
    assert sent == 0, os.strerror(ctypes.get_errno())


def children() -> list[int]:
    """Return the PIDs of our children except the bus, with zombies and with orphans that we have adopted."""
    numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())
    found = {pid: _stat(pid) for pid in numbers}
    return [pid for pid, (name, rest) in found.items() if rest[1:2] == [str(os.getpid())] and name != BUS]


def adopt_orphans(wanted: bool) -> None:
    """Make this process adopt the processes that scoperun leaves behind, or stop that."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)


def bury_children(*, except_for: set[int]) -> None:
    """Kill and reap the processes that a failed test has left."""
    while left := set(children()) - except_for:  # more appear when their parent ends
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _stat(pid: int) -> tuple[str, list[str]]:
    """Return a process's name, and the fields after it in /proc/PID/stat: state, parent and so on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(") ")
    except OSError:
        return "", []
    return name, rest.split()
