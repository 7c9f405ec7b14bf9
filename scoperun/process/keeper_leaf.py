"""A place of its own for the keeper in a delegated scope; the one thing here that writes below cgroupfs.

What manages a delegated cgroup, as a container engine does, hands its controllers on to cgroups below, and the kernel
allows that only where no process is in it itself: https://systemd.io/CGROUP_DELEGATION. So the keeper may not be there.
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
    """Move the keeper to a leaf of its own below the cgroup `scope`, and remove the leaf when the keeper has ended.

    Raises OSError.
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
