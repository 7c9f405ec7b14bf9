"""Whether systemd reads PIDs as we do: in another PID namespace the same numbers mean other processes.

That happens in a sandbox or a container that uses the bus of the host: systemd would put other processes into our
scope. A PIDFD (PIDFDs=, since systemd 255) would name the right process, but what is read about the scope afterwards,
its cgroup.procs and the kernel's log, would not have our numbers either. See pid_namespaces(7).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from scoperun.errors import BusUnavailable
from scoperun.systemd.bus import ErrorReply

if TYPE_CHECKING:
    from scoperun.systemd.bus import Connection

_OUTSIDE = (
    "run scoperun outside the container or sandbox: flatpak-spawn --host, distrobox-host-exec, podman run --pid=host; "
    "the command can have a namespace of its own: scoperun -- unshare --pid --fork COMMAND"
)


async def see_bus(connection: Connection) -> None:
    """Raise BusUnavailable unless the bus is certainly in our PID namespace.

    Two processes have PIDs for each other only if they are in the same namespace: a process in a namespace below has
    no PID for a process in the one above. Behind a proxy, the bus returns the proxy's PID.
    """
    own = os.getpid()
    try:
        answer = await connection.pid_of(connection.name)
    except ErrorReply as error:
        raise BusUnavailable(f"the bus does not tell scoperun's process number there: {error}", hint=_OUTSIDE) from None
    if answer != own:
        message = f"this bus is in another PID namespace, or behind a proxy: process {own} is process {answer} there"
        raise BusUnavailable(message, hint=_OUTSIDE)


def see_listener(connection: Connection) -> None:
    """Raise BusUnavailable unless the process that listens for the bus has a number in our PID namespace."""
    if connection.peer.pid == 0:
        message = "this bus is in another PID namespace, where scoperun's process numbers belong to other processes"
        raise BusUnavailable(message, hint=_OUTSIDE)


def see_proc(child: int) -> None:
    """Raise BusUnavailable unless /proc is of our PID namespace, and our child `child` is in that namespace too."""
    own = os.getpid()
    if _numbers("self") not in ([], [own]):
        hint = "mount -t proc proc /proc, or unshare --mount-proc"
        raise BusUnavailable(
            "/proc belongs to another PID namespace: it shows other processes under scoperun's numbers", hint=hint
        )
    # There the command would be the first process, which ends only after all others in the namespace, e.g. the keeper.
    if _numbers(str(child)) not in ([], [child]):
        hint = "scoperun -- unshare --pid --fork COMMAND"
        raise BusUnavailable("the command would run in another PID namespace than scoperun", hint=hint)


def _numbers(process: str) -> list[int]:
    """Return the process's PID in each namespace from that of /proc to its own; [] if the kernel does not say."""
    file = f"/proc/{process}/status"
    try:
        with open(file, "rb", buffering=0) as status:
            _, _, rest = status.readall().partition(b"\nNSpid:")
        return [int(each) for each in rest.partition(b"\n")[0].split()]
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        raise BusUnavailable(message, hint="mount -t proc proc /proc") from None
