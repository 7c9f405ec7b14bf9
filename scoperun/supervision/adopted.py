"""A workload that is not our child: a pidfd tells of its end, and with luck of its status."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.events import WorkloadExited
from scoperun.kernel.endings import status_from
from scoperun.kernel.process_facts import cgroup_name, is_reaped, working_directory
from scoperun.kernel.process_table import name_of, wait_status
from scoperun.kernel.wait import has_ended, readable, reaped

if TYPE_CHECKING:
    from scoperun.supervision.herd import Member

_TOLD_WITHIN = 1.0
"""Seconds after its end within which the parent of a process usually has waited for it: then its pidfd has its status,
since Linux 6.15."""


class Adopted:
    """A running process as the workload of a scope; see process.workload.

    working_directory: the folder that it was in when it was adopted, None if that is not known.
    """

    def __init__(self, member: Member) -> None:
        """Take a process that is held."""
        self._member = member
        self.working_directory = working_directory(member.pid) if member.lives else None

    @property
    def pid(self) -> int:
        """Its PID."""
        return self._member.pid

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return has_ended(self._member.pidfd)

    async def wait(self) -> WorkloadExited:
        """Wait for its end and return how it ended; its status is None if nothing tells it within a second."""
        await readable(self._member.pidfd)
        at = time.monotonic()
        name, cgroup, status = name_of(self.pid), cgroup_name(self.pid), wait_status(self.pid)
        if is_reaped(self._member.pidfd):  # then /proc might have told of another process
            name, cgroup, status = None, None, None
        if status is None:
            status = await self._status_from_pidfd()
        return WorkloadExited(status, at=at, name=name, cgroup=cgroup)

    async def _status_from_pidfd(self) -> int | None:
        status = status_from(self._member.pidfd)
        if status is None and not is_reaped(self._member.pidfd):
            await reaped(self._member.pidfd, within=_TOLD_WITHIN)
            status = status_from(self._member.pidfd)
        return status

    def send(self, number: int) -> bool:
        """Send it a signal if it still runs; tell whether that was permitted."""
        try:
            signal.pidfd_send_signal(self._member.pidfd, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return True

    def kill(self) -> None:
        """Kill it if that is permitted."""
        with suppress(OSError):
            self.send(signal.SIGKILL)
