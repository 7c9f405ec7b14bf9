"""Killing all that is in a scope, also what systemd may not kill."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.unit import Unit


async def kill_all(unit: Unit, cgroup: Cgroup) -> None:
    """Kill every process of the scope, the keeper included, whichever user's it is by now.

    Raise what systemd answers where that cannot be done.

    The user's systemd may not send signals to root's processes, e.g. those of sudo(8). It can have the kernel kill the
    cgroup, but does so for KillUnit alone, not when a time limit is over; and systemd 252 does not do so at all.
    """
    try:
        await unit.kill(signal.SIGKILL)
    except UNANSWERED as error:
        try:
            _kill_cgroup(cgroup)
        except OSError:  # it is gone, the kernel is older than 5.14, or the cgroup is not this user's
            raise error from None


def _kill_cgroup(cgroup: Cgroup) -> None:
    """Write to the file by which the kernel kills a cgroup; nothing else here does so."""
    with open(os.open(f"{cgroup.path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC), "wb", buffering=0) as file:
        file.write(b"1")
