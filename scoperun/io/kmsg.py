"""/dev/kmsg: the kernel log where this user may read it as it is."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass
from scoperun.kernel_report import LOST, KernelRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

_KMSG = "/dev/kmsg"
_DEVICE = os.makedev(1, 11)

_LONGEST = 8192  # of a record; CONSOLE_EXT_LOG_MAX of the kernel
_AT_A_TIME = 256
_KERNEL = frozenset(b"01234567")
"""The priorities of the kernel's own facility, 0, which it does not let user space have."""


@dataclass(slots=True)
class Kmsg:
    """/dev/kmsg from one record on; each read is one record."""

    fd: int

    @classmethod
    def open(cls) -> Kmsg | None:
        """Open it at its end, None if that is not permitted, or it is something else."""
        try:
            fd = os.open(_KMSG, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except OSError:
            return None
        if os.fstat(fd).st_rdev != _DEVICE:  # in a container it may be a terminal by that name
            os.close(fd)
            return None
        os.lseek(fd, 0, os.SEEK_END)
        return cls(fd)

    def take(self) -> Sequence[KernelRecord]:
        """Return the next records that are there."""
        records: list[KernelRecord] = []
        with suppress(BlockingIOError):
            for _ in range(_AT_A_TIME):
                record = self._next()
                if record is not None:
                    records.append(record)
        return records

    def close(self) -> None:
        """Let go of it."""
        os.close(self.fd)

    def _next(self) -> KernelRecord | None:
        try:
            return kmsg_record(os.read(self.fd, _LONGEST))
        except BrokenPipeError:  # the kernel has overwritten what comes next
            return LOST


def kmsg_record(data: bytes) -> KernelRecord | None:
    """Return a record of /dev/kmsg, None if it is not the kernel's own.

    Documentation/ABI/testing/dev-kmsg: `priority,sequence,microseconds,flags;text`, then lines of KEY=value.
    """
    if data[1:2] != b"," or data[0] not in _KERNEL:
        return None
    prefix, _, rest = data.partition(b";")
    time = prefix.split(b",")[2:3]
    text = rest.partition(b"\n")[0]
    if b"\\x" in text:
        text = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), text)
    return KernelRecord(os.fsdecode(text), int(time[0]) / 1e6 if time and time[0].isdigit() else None)
