"""The clock of the kernel's log, held against the monotonic clock. No I/O, no clock.

printk stamps each record with the scheduler's clock, which starts with the kernel as CLOCK_MONOTONIC does. They differ:

* It is not steered by NTP, as CLOCK_MONOTONIC is and CLOCK_MONOTONIC_RAW is not: after a hundred days by minutes. Where
  the processor's counter is not stable it follows CLOCK_MONOTONIC all the same.
* It starts earlier, on machines with much memory by a second.
* In suspend-to-idle it goes on on x86, like CLOCK_BOOTTIME, and in deeper sleep it does not
  (https://github.com/systemd/systemd/pull/33401).
* It may be as coarse as a tick, e.g. 10 ms in user-mode Linux.
"""

from __future__ import annotations

from scoperun.dataclass import dataclass

_BEHIND = 0.1
"""Seconds that a stamp may be behind: a tick of the coarsest, and ten times that to be sure."""

_AHEAD = 1.0
"""Seconds that it may be ahead, for its earlier start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """How far a stamp may be off from the monotonic clock, in seconds.

    behind: for so long the record may have been written after what its stamp says; ahead: before it.
    """

    behind: float = _BEHIND
    ahead: float = _AHEAD

    @classmethod
    def measured(cls, *, monotonic: float, raw: float, boottime: float) -> KernelClock:
        """Return what the three clocks, read at the same moment, leave open."""
        suspended = max(0.0, boottime - monotonic)
        return cls(
            behind=_BEHIND + max(0.0, monotonic - raw),
            ahead=_AHEAD + max(0.0, raw - monotonic) + suspended,
        )

    def is_before(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was written before a moment for certain."""
        return stamp + self.behind < moment

    def is_after(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was written after a moment for certain."""
        return stamp - self.ahead > moment

    def may_be_between(self, stamp: float, since: float, until: float) -> bool:
        """Tell whether a record may have been written in that time."""
        return not self.is_before(stamp, since) and not self.is_after(stamp, until)
