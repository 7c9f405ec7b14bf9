"""Whether systemd reads our process numbers as we do: in another PID namespace they are other processes' numbers.

That is so in a sandbox or a container that has the bus from outside: systemd would put strangers into our scope. A
PIDFD (PIDFDs=, from systemd 255 on) would name the right process, but what is read of the scope afterwards, its
cgroup.procs and the kernel's log, would not have our numbers either. See pid_namespaces(7).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable
from scoperun.systemd.bus import ErrorReply

if TYPE_CHECKING:
    from scoperun.systemd.bus import Connection

_OUTSIDE = (
    "run it outside of the container or sandbox: flatpak-spawn --host, distrobox-host-exec, podman run --pid=host; "
    "the command can have a namespace of its own: scoperun -- unshare --pid --fork COMMAND"
)


async def see_bus(connection: Connection) -> None:
    """See that the bus is in our PID namespace; raise BusUnavailable if there is a doubt.

    Two processes have numbers for each other only if they are in the same namespace: one that is in a namespace below
    the other's has no number for it. Behind a proxy the bus tells the proxy's number.
    """
    own = os.getpid()
    if connection.peer.pid == 0:
        message = "this bus is in another PID namespace, where our process numbers are other processes'"
        raise BusUnavailable(message, hint=_OUTSIDE)
    try:
        answer = await connection.pid_of(connection.name)
    except ErrorReply as error:
        raise BusUnavailable(f"the bus does not say which process scoperun is there: {error}", hint=_OUTSIDE) from None
    if answer != own:
        message = f"this bus is in another PID namespace, or behind a proxy: process {own} is process {answer} there"
        raise BusUnavailable(message, hint=_OUTSIDE)


def see_proc(child: int) -> None:
    """See that /proc shows processes by our numbers, and that our child has no other number than ours.

    Raise BusUnavailable if not.
    """
    own = os.getpid()
    if _numbers("self") not in ([], [own]):
        hint = "mount -t proc proc /proc, or unshare --mount-proc"
        raise BusUnavailable("/proc is of another PID namespace: it shows other processes by our numbers", hint=hint)
    # The first process of a namespace ends only after all others in there are waited for, such as the keeper.
    if _numbers(str(child)) not in ([], [child]):
        hint = "scoperun -- unshare --pid --fork COMMAND"
        raise BusUnavailable("the command would be in another PID namespace than scoperun", hint=hint)


def _numbers(process: str) -> list[int]:
    """Return the process's number in each namespace from that of /proc to its own; none where the kernel has none."""
    file = f"/proc/{process}/status"
    try:
        with open(file, "rb") as status:
            return [int(each) for line in status if line.startswith(b"NSpid:") for each in line.split()[1:]]
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise BusUnavailable(message, hint="mount -t proc proc /proc") from None
