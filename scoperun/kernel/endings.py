"""How processes ended that are not our children: since Linux 6.15 a pidfd says so, even after they were reaped."""

from __future__ import annotations

import fcntl
import os
import select
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.kernel.descriptors import to_spare
from scoperun.kernel.process_table import wait_status

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

# linux/pidfd.h: PIDFD_GET_INFO, struct pidfd_info in its first version, PIDFD_INFO_EXIT.
_GET_INFO = 0xC040FF0B
_INFO = struct.Struct("=QQ11Ii")
_EXIT = 1 << 3


class Endings:
    """Holds a pidfd of each process that it watches, which can be no more than descriptors.to_spare()."""

    def __init__(self) -> None:
        """Begin without processes."""
        self._most = to_spare()
        self._pidfds: dict[int, int] = {}
        self._epoll = select.epoll()

    def fileno(self) -> int:
        """Return a descriptor that is readable while a watched process has ended."""
        return self._epoll.fileno()

    def watch(self, pids: AbstractSet[int]) -> bool:
        """Hold pidfds of these processes and no others; tell whether there is one for each."""
        for pid in self._pidfds.keys() - pids:
            os.close(self._pidfds.pop(pid))
        return self.hold(pids)

    def hold(self, pids: AbstractSet[int]) -> bool:
        """Hold pidfds of these processes too; tell whether there are no others, and one for each."""
        for pid in pids - self._pidfds.keys():
            if len(self._pidfds) >= self._most:
                return False
            with suppress(OSError):  # it has ended
                self._pidfds[pid] = os.pidfd_open(pid)
                self._epoll.register(self._pidfds[pid], select.EPOLLIN)
        return len(self._pidfds) == len(pids)

    def close(self) -> None:
        """Close all descriptors."""
        self.watch(set())
        self._epoll.close()

    def wait_status(self, pid: int) -> int | None:
        """Return the exit status of a process that has ended or is about to, negative for a signal; None if unknown."""
        status = wait_status(pid)
        if status is None and pid in self._pidfds:
            return status_from(self._pidfds[pid])
        return status


def status_from(pidfd: int) -> int | None:
    """Return the exit status of a process, negative for a signal, once its parent has waited for it; else None."""
    request = bytearray(_INFO.pack(_EXIT, *[0] * 13))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, request)
    except OSError:  # an older kernel, or its parent has not waited for it yet
        return None
    told, *_, status = _INFO.unpack(request)
    return os.waitstatus_to_exitcode(status) if told & _EXIT else None
