"""Kill all processes of a scope, including those that systemd may not kill."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from scoperun.systemd.manager import UNANSWERED

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup
    from scoperun.systemd.unit import Unit


async def kill_all(unit: Unit, cgroup: Cgroup) -> None:
    """Kill every process of the scope, the keeper included, whichever user each belongs to by now.

    Raise systemd's error, one of UNANSWERED, if neither systemd nor the kernel can kill them.

    The user's systemd may not send signals to root's processes, e.g. those of sudo(8). It can have the kernel kill the
    cgroup, but does so only for KillUnit, not when a time limit expires; systemd 252 never does.
    """
    try:
        await unit.kill(signal.SIGKILL)
    except UNANSWERED as error:
        try:
            _kill_cgroup(cgroup)
        except OSError:  # the cgroup is gone or not this user's, or the kernel is older than 5.14
            raise error from None


def _kill_cgroup(cgroup: Cgroup) -> None:
    """Write to cgroup.kill, by which the kernel kills a cgroup. No other function does."""
    with open(os.open(f"{cgroup.path}/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC), "wb", buffering=0) as file:
        file.write(b"1")
