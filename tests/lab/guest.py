"""One guest: it boots, runs one command, and leaves no process and no file behind."""

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import host, payload, qemu, uml
from .errors import GuestError
from .image import image
from .machine import Machine
from .recipe import STOCK
from .session import Session

CONSOLE = "console.log"

BOOTS = 3
"""How often a stock kernel is booted if it ends before the command begins.

When a kernel changes its own code, qemu's emulation of two processors sometimes runs the breakpoint that is there
meanwhile (an "int3" oops), and most of these changes happen while it boots.
"""


def run(machine: Machine, command: Sequence[str], *, window: tuple[int, int] | None = None) -> int:
    """Run the command in a new guest on our standard streams, and return its exit status.

    window: rows and columns of the terminal that the command gets; None for pipes. Raises GuestError.
    """
    job = machine.job(command, os.environ, window=window)
    deadline = time.monotonic() + machine.time_limit
    with tempfile.TemporaryDirectory(prefix="scoperun-lab.") as name:
        folder = Path(name)
        make_disks(machine, folder)
        for _ in range(BOOTS):
            with booted(machine, folder) as guest:
                session = Session(guest.line, guest.pidfd, job)
                status = session.run(deadline)
            if status is not None:
                return status
            if session.has_begun or machine.platform.kernel != STOCK or time.monotonic() >= deadline:
                break
        log = (folder / CONSOLE).read_text(encoding="utf-8", errors="replace")
        raise no_report(machine, late=time.monotonic() >= deadline, log=log)


def no_report(machine: Machine, *, late: bool, log: str) -> GuestError:
    """Return the error for a guest that did not report its command's exit status."""
    reason = f"exceeded its time limit of {machine.time_limit:g} s" if late else "ended without reporting"
    return GuestError(f"The {machine.platform.name} guest {reason}.", log=host.tail(log, lines=60))


def make_disks(machine: Machine, folder: Path) -> None:
    """Make the disks of this guest alone: payload and swap."""
    payload.write(folder / "payload.tar", machine)
    if machine.swap:
        with (folder / "swap").open("wb") as swap:
            swap.truncate(machine.swap)


@dataclass(frozen=True, slots=True)
class Guest:
    """A running guest."""

    line: socket.socket
    pidfd: int


def boot(machine: Machine, folder: Path, line: int) -> list[str]:
    """Return the command that boots the guest."""
    files = image(machine.platform.suite)
    if machine.platform.kernel == STOCK:
        return qemu.command(machine, root=files.root, kernel=files.kernel, folder=folder, line=line)
    return uml.command(machine, root=files.root, folder=folder, line=line)


@contextlib.contextmanager
def booted(machine: Machine, folder: Path) -> Iterator[Guest]:
    """Start a guest whose files are in `folder`; kill all its processes at the end of the context."""
    ours, theirs = socket.socketpair()
    command = boot(machine, folder, theirs.fileno())
    with ours, (folder / CONSOLE).open("wb") as console:
        with theirs:  # closed here once the guest has it, so that we see the end of file
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=uml.environment(machine),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # each process of the guest is a process of the host in this group
            )
        pidfd = os.pidfd_open(process.pid)
        try:
            yield Guest(ours, pidfd)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            os.close(pidfd)
