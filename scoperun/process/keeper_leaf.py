"""A cgroup of its own for the keeper in a delegated scope; no other module of this package writes below cgroupfs.

A program that manages a delegated cgroup, e.g. a container engine, enables controllers for the cgroups below. The
kernel allows that only if no process is directly in the delegated cgroup: https://systemd.io/CGROUP_DELEGATION. So the
keeper must not be there.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAF = "scoperun-keeper"


@contextmanager
def keeper_leaf(scope: str, *, keeper: int) -> Iterator[None]:
    """Move the keeper to a leaf of its own below the cgroup `scope`, and remove the leaf on exit.

    scope: the path of the cgroup's folder. keeper: its PID, which has ended by the exit.
    Raises OSError if the leaf cannot be made or the keeper not moved.
    """
    leaf = f"{scope}/{LEAF}"
    os.mkdir(leaf)
    try:
        fd = os.open(f"{leaf}/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, str(keeper).encode())
        finally:
            os.close(fd)
        yield
    finally:
        with suppress(OSError):  # systemd has removed it with the scope
            os.rmdir(leaf)
