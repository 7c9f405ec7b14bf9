"""/dev/kmsg: the kernel's log itself, where this user may read it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.evidence.kernel_report import LOST, KernelRecord
from scoperun.record import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

_DEVICE = os.makedev(1, 11)

_LONGEST = 8192  # of a record; CONSOLE_EXT_LOG_MAX of the kernel
_AT_A_TIME = 256
_OF_THE_KERNEL = re.compile(rb"[0-7],")
"""The priorities of facility 0, the kernel's own, which it does not let user space use."""


@dataclass(slots=True)
class Kmsg:
    """/dev/kmsg from some record on; each read returns one record."""

    fd: int

    @classmethod
    def open(cls, root: str = "", *, whole: bool = False) -> Kmsg | None:
        """Open `root`/dev/kmsg at its end; return None if that is not permitted or not the kernel's device.

        whole: open it at the oldest record that the kernel still has.
        """
        try:
            fd = os.open(f"{root}/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        if os.fstat(fd).st_rdev != _DEVICE:  # in a container it can be a terminal under that name
            os.close(fd)
            return None
        os.lseek(fd, 0, os.SEEK_SET if whole else os.SEEK_END)
        return cls(fd)

    def take(self) -> Sequence[KernelRecord]:
        """Return the next records that are there, at most 256."""
        records: list[KernelRecord] = []
        with suppress(BlockingIOError):
            while len(records) < _AT_A_TIME:
                records.append(self._next())
        return records

    def close(self) -> None:
        """Close the device."""
        os.close(self.fd)

    def _next(self) -> KernelRecord:
        try:
            return kmsg_record(os.read(self.fd, _LONGEST))
        except BrokenPipeError:  # the kernel has overwritten what comes next
            return LOST


def kmsg_record(data: bytes) -> KernelRecord:
    """Return a record of /dev/kmsg, without its text if it is not from the kernel.

    Documentation/ABI/testing/dev-kmsg: `priority,sequence,microseconds,flags;text`, then lines of KEY=value.
    """
    prefix, _, rest = data.partition(b";")
    usec = prefix.split(b",")[2:3]
    at = int(usec[0]) / 1e6 if usec and usec[0].isdigit() else None
    if not _OF_THE_KERNEL.match(data):
        return KernelRecord("", at)
    text = rest.partition(b"\n")[0]
    if b"\\x" in text:
        text = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text)
    return KernelRecord(os.fsdecode(text), at)
