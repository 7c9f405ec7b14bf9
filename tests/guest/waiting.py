"""Waits for events, never for time to pass; an event that does not happen fails the test after GENEROUS seconds."""

import ctypes
import os
import select
import subprocess
from pathlib import Path

from .story import GENEROUS

IN_DELETE = 0x200
IN_DELETE_SELF = 0x400


def line_from(run: subprocess.Popen[bytes]) -> str:
    """Return the next line from standard output, without its newline; an empty text at the end."""
    assert run.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(ready(run.stdout.fileno()), 1)
        if not part:
            break
        line += part
    return line.decode().removesuffix("\n")


def ready(fd: int) -> int:
    """Return `fd` once it can be read, or is at its end."""
    assert select.select([fd], [], [], GENEROUS)[0], "nothing comes"
    return fd


def process_gone(pid: int) -> None:
    """Return once process `pid` has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready(pidfd)
    finally:
        os.close(pidfd)


def cgroup_gone(cgroup: str) -> None:
    """Return once systemd has removed a cgroup, because it has finished with the unit."""
    folder = Path(f"/sys/fs/cgroup{cgroup}")
    libc = ctypes.CDLL(None)
    inotify = libc.inotify_init1(os.O_CLOEXEC)
    try:
        # The watch is added before the check, so that no event is missed. If the parent is missing, so is the cgroup.
        libc.inotify_add_watch(inotify, os.fsencode(folder.parent), IN_DELETE | IN_DELETE_SELF)
        while folder.exists():
            os.read(ready(inotify), 4096)
    finally:
        os.close(inotify)
