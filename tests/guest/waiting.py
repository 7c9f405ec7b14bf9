"""Waiting for what happens, never for time to pass; what does not happen fails after GENEROUS seconds."""

import ctypes
import os
import select
import subprocess
from pathlib import Path

from .story import GENEROUS

IN_DELETE = 0x200
IN_DELETE_SELF = 0x400


def line_from(run: subprocess.Popen[bytes]) -> str:
    """Return the next line that comes on standard output, without its end; `` when there is nothing more."""
    assert run.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(ready(run.stdout.fileno()), 1)
        if not part:
            break
        line += part
    return line.decode().removesuffix("\n")


def ready(fd: int) -> int:
    """Return `fd` when it can be read, or has come to its end."""
    assert select.select([fd], [], [], GENEROUS)[0], "nothing comes"
    return fd


def process_gone(pid: int) -> None:
    """Return when process `pid` has ended."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        ready(pidfd)
    finally:
        os.close(pidfd)


def cgroup_gone(cgroup: str) -> None:
    """Return when systemd has removed a cgroup, and so is done with its unit."""
    folder = Path(f"/sys/fs/cgroup{cgroup}")
    libc = ctypes.CDLL(None)
    inotify = libc.inotify_init1(os.O_CLOEXEC)
    try:
        # The watch comes before the look, so that nothing is missed; without a parent there is no cgroup either.
        libc.inotify_add_watch(inotify, os.fsencode(folder.parent), IN_DELETE | IN_DELETE_SELF)
        while folder.exists():
            os.read(ready(inotify), 4096)
    finally:
        os.close(inotify)
