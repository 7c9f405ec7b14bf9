"""The clock of the kernel's log, held against the monotonic clock. No I/O, no clock.

printk stamps each record with the scheduler's clock. Like CLOCK_MONOTONIC it starts with the kernel, but:

* NTP steers CLOCK_MONOTONIC and not the scheduler's clock, which goes like CLOCK_MONOTONIC_RAW: after a hundred days
  they may be minutes apart. Where the processor's counter is not stable, it follows CLOCK_MONOTONIC all the same.
* The kernel computes both clocks from one counter, with factors that it rounds differently, by less than 1 ppm.
* The scheduler's clock starts earlier, on machines with much memory by a second.
* It goes on in suspend-to-idle on x86, like CLOCK_BOOTTIME, but not in deeper sleep
  (https://github.com/systemd/systemd/pull/33401).
* It may be as coarse as a tick, e.g. 10 ms in user-mode Linux.
"""

from __future__ import annotations

from scoperun.record import dataclass

_BEHIND = 0.1
"""Seconds that a stamp may be behind: ten of the coarsest ticks."""

_AHEAD = 1.0
"""Seconds that it may be ahead, because its clock starts earlier."""

_RATE = 1e-5
"""Of the time since the start, what rounding may make of it: ten times what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """How far a stamp may be off the monotonic clock, in seconds.

    behind: so long after its stamp the record may have been written; ahead: so long before.
    shift: our monotonic clock is so far ahead of the machine's, in a time namespace.
    """

    behind: float = _BEHIND
    ahead: float = _AHEAD
    shift: float = 0.0

    @classmethod
    def measured(cls, *, monotonic: float, raw: float, boottime: float, shift: float = 0.0) -> KernelClock:
        """Return what the machine's three clocks, read at the same moment, leave open."""
        rounded, suspended = _RATE * monotonic, max(0.0, boottime - monotonic)
        return cls(
            behind=_BEHIND + rounded + max(0.0, monotonic - raw),
            ahead=_AHEAD + rounded + max(0.0, raw - monotonic) + suspended,
            shift=shift,
        )

    def is_before(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was written before a moment for certain."""
        return stamp + self.shift + self.behind < moment

    def is_after(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was written after a moment for certain."""
        return stamp + self.shift - self.ahead > moment

    def may_be_between(self, stamp: float, since: float, until: float) -> bool:
        """Tell whether a record may have been written in that time."""
        return not self.is_before(stamp, since) and not self.is_after(stamp, until)
