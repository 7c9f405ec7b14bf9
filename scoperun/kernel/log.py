"""Reading the kernel log, which has the kernel's own reports of OOM kills.

It is read from /dev/kmsg if this user may, else from the system's journal. Never polls: both say when there is more.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from scoperun.kernel.kmsg import Kmsg
from scoperun.kernel.wait import readable
from scoperun.record import dataclass
from scoperun.time_namespace import boottime_ahead, monotonic_ahead

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scoperun.evidence.kernel_clock import KernelClock
    from scoperun.evidence.kernel_report import KernelRecord
    from scoperun.kernel.journal import Journal

_PATIENCE = 10
"""A log that never falls silent is read for this many times the allowed silence."""

_ALL_THERE = 0.2
"""Seconds of silence after which /dev/kmsg, which has no end, is taken to have been read as far as it goes."""

_JOURNALCTL_ANSWERS = 10.0
"""Seconds within which journalctl prints something or ends."""


@dataclass(slots=True, kw_only=True)
class KernelLog:
    """The kernel log from the moment that it was opened, to be closed after use.

    opened: that moment, in seconds on the monotonic clock. wall: the same on the wall clock, which might be set since.
    root: the folder with the system's files, empty for /.
    """

    opened: float
    wall: float
    root: str
    _kmsg: Kmsg | None

    @classmethod
    def open(cls, root: str = "") -> KernelLog:
        """Remember where the log ends now; `read` returns only later records."""
        return cls(opened=time.monotonic(), wall=time.time(), root=root, _kmsg=Kmsg.open(root))

    def close(self) -> None:
        """Close the log."""
        if self._kmsg is not None:
            self._kmsg.close()
            self._kmsg = None

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the log."""
        self.close()

    async def read(
        self, take: Callable[[Sequence[KernelRecord]], bool], *, within: float, since: float | None = None
    ) -> bool:
        """Hand the kernel's own records to `take` until it has enough, or until the log's end; return False if neither.

        A log that goes on for 10 times `within` is given up.

        take: returns whether the records so far are enough. A report comes record by record, so they are enough when
            the victims are named, not when there is a report.
        within: seconds without a new record after which the log is at its end. A record that is newer than the call
            ends it too. The wait is needed because the kernel kills first and logs afterwards, and journald reads
            later still.
        since: the time, in seconds on the monotonic clock and not before `open`, from which records are of interest.

        Records that user space wrote to the kernel log are left out, or have no text. Raise KernelLogUnreadable.
        """
        since = self.opened if since is None else since
        if self._kmsg is not None:
            return await _read(self._kmsg, take, since=since, within=within)
        return await self._read_journal(take, since=since, within=within)

    @property
    def is_journal(self) -> bool:
        """Whether it is read from the journal, by a journalctl that can itself be slow to start."""
        return self._kmsg is None

    async def read_again(self, take: Callable[[Sequence[KernelRecord]], bool], *, since: float | None = None) -> bool:
        """Do what `read` does with what the journal has by now, however long journalctl takes to print it."""
        since = self.opened if since is None else since
        return await self._read_journal(take, since=since, within=_JOURNALCTL_ANSWERS, to_come=False)

    async def _read_journal(
        self, take: Callable[[Sequence[KernelRecord]], bool], *, since: float, within: float, to_come: bool = True
    ) -> bool:
        from scoperun.kernel.journal import follow_journal  # noqa: PLC0415  most runs do not read the journal

        journal = follow_journal(self.on_the_wall(since), self.root, to_come=to_come)
        try:
            return await _read(journal, take, since=since, within=within)
        finally:
            journal.close()

    def on_the_wall(self, moment: float) -> float:
        """Return a monotonic time on the wall clock, by which journald sorts; the earlier one if that clock was set."""
        return min(self.wall + (moment - self.opened), time.time() - (time.monotonic() - moment))


async def read_back(
    take: Callable[[Sequence[KernelRecord]], bool], *, since: float, wall: float = math.inf, root: str = ""
) -> bool:
    """Hand the kernel's own records from a time in the past until now to `take`; return False if there is no end.

    since: seconds on the monotonic clock. wall: that time on the wall clock as it was set then, infinity if that is not
    known. The rest is as for KernelLog.read. The kernel forgets its oldest records.
    """
    kmsg = Kmsg.open(root, whole=True)
    log = KernelLog(opened=since, wall=min(wall, _wall_at(since)), root=root, _kmsg=kmsg)
    with log:
        return await (log.read_again(take) if log.is_journal else log.read(take, within=_ALL_THERE))


def _wall_at(moment: float) -> float:
    """Return a time on the wall clock, as it is set now, that is not after a monotonic time.

    The monotonic clock stands still while the machine is suspended, the wall clock does not, and it is not known when
    that was.
    """
    return time.time() - (_boottime() - (moment - monotonic_ahead()))


def _boottime() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME) - boottime_ahead()


def kernel_clock() -> KernelClock:
    """Return by how much the log's clock can be off from ours now."""
    from scoperun.evidence.kernel_clock import KernelClock  # noqa: PLC0415  most runs do not read the log

    shift = monotonic_ahead()
    return KernelClock.measured(
        monotonic=time.monotonic() - shift,
        raw=time.clock_gettime(time.CLOCK_MONOTONIC_RAW) - shift,
        boottime=_boottime(),
        shift=shift,
    )


async def _read(
    source: Kmsg | Journal, take: Callable[[Sequence[KernelRecord]], bool], *, since: float, within: float
) -> bool:
    clock, asked = kernel_clock(), time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE * within):
            while (records := source.take()) is not None:
                if take([each for each in records if each.at is None or not clock.is_before(each.at, since)]):
                    return True
                newest = records[-1].at if records else None
                if newest is not None and clock.is_after(newest, asked):
                    return True
                if not await _has_more(source, within):
                    return True
            return True
    return False


async def _has_more(source: Kmsg | Journal, within: float) -> bool:
    """Wait until there is more to take; tell whether it came within so many seconds."""
    await asyncio.sleep(0)  # let other tasks run in any case
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            await readable(source.fd)
            return True
    return False
