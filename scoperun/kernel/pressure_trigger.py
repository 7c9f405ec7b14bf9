"""Has the kernel tell when the processes of a cgroup wait for memory for too long (a PSI trigger); never polls.

https://docs.kernel.org/accounting/psi.html, "Monitoring for pressure thresholds".
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scoperun.kernel.cgroup import Cgroup
    from scoperun.spec.soft_pressure import SoftPressure

_FILE = "memory.pressure"

_NEEDS_PSI = "that needs a kernel with PSI, which psi=1 on its command line switches on"

_UINT32_MAX = 2**32 - 1
"""The kernel reads numbers above that modulo 2^32, and would then watch for something else."""


@contextmanager
def pressure_trigger(cgroup: Cgroup, soft: SoftPressure) -> Iterator[PressureTrigger]:
    """Set a trigger for a soft limit in our scope's cgroup; it is removed at the end of the context.

    Raises OSError if the kernel refuses it; `why_refused` says why.
    """
    trigger = PressureTrigger(_set_trigger(cgroup, soft))
    try:
        yield trigger
    finally:
        trigger.close()


def _set_trigger(cgroup: Cgroup, soft: SoftPressure) -> int:
    """Write a trigger to memory.pressure, and return the descriptor that it belongs to. No other function does.

    The kernel removes the trigger when the descriptor is closed.
    """
    if soft.window_usec > _UINT32_MAX:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    file = os.open(f"{cgroup.path}/{_FILE}", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        # With the NUL, as the kernel's documentation has it: /proc/pressure drops the last byte, whatever it is.
        os.write(file, b"some %d %d\0" % (soft.stall_usec, soft.window_usec))
    except OSError:
        os.close(file)
        raise
    return file


def why_refused(soft: SoftPressure, error: OSError) -> tuple[str, str | None]:
    """Return why the kernel refuses a trigger, and what would be right if that is known."""
    match error.errno:
        case errno.ENOENT:
            return "the scope has no memory.pressure", _NEEDS_PSI
        case errno.EOPNOTSUPP:
            return "the kernel does not measure pressure", _NEEDS_PSI
        case errno.EINVAL:
            reason = f"the kernel does not accept {soft.window:.9g}s as the time"
            return reason, "take a multiple of 2s up to 10s, e.g. 30%/2s; root can also take others up to 10s"
        case errno.EPERM | errno.EACCES:
            return "the kernel does not let this user watch the pressure", "older kernels allow that to root only"
    return f"{_FILE} cannot be watched: {error.strerror}", None


class PressureTrigger:
    """A trigger that is set. stopped: set while it does not listen."""

    def __init__(self, file: int) -> None:
        """Take the descriptor of a trigger, which is closed by `close`, or at once if this raises OSError."""
        self._file = file
        self._epoll = select.epoll()
        self.stopped = asyncio.Event()
        self.stopped.set()
        self._notify: Callable[[], None] = _ignore
        try:
            self._epoll.register(file, select.EPOLLPRI)
        except OSError:
            self.close()
            raise

    def listen(self, notify: Callable[[], None]) -> None:
        """Call `notify` from the event loop whenever the kernel says that the limit is passed.

        While it is, that is once in each window, or up to 2 seconds later (psi_trigger in kernel/sched/psi.c).
        """
        self._notify = notify
        self.stopped.clear()
        # The loop itself listens for EPOLLIN only. An epoll object can be read when one of its files has an event.
        asyncio.get_running_loop().add_reader(self._epoll.fileno(), self._woken)

    def stop(self) -> None:
        """Stop listening."""
        if not self.stopped.is_set():
            self.stopped.set()
            asyncio.get_running_loop().remove_reader(self._epoll.fileno())

    def close(self) -> None:
        """Stop listening, and have the kernel remove the trigger."""
        self.stop()
        self._epoll.close()
        os.close(self._file)

    def _woken(self) -> None:
        """Notify, or stop listening if the cgroup is gone, which would wake us forever.

        An event of a trigger is reported once: here the loop's look at the epoll object has taken it, so being woken
        is the event. An error is reported each time.
        """
        if any(event & select.EPOLLERR for _, event in self._epoll.poll(0)):
            self.stop()
        else:
            self._notify()


def _ignore() -> None:
    """Do nothing."""
