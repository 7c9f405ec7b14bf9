"""The clock of the kernel log, compared with the monotonic clock. No I/O, no clock.

printk stamps each record with the scheduler's clock. Like CLOCK_MONOTONIC it starts with the kernel, but:

* NTP adjusts CLOCK_MONOTONIC and not the scheduler's clock, which runs like CLOCK_MONOTONIC_RAW: after a hundred days
  they can be minutes apart. If the processor's counter is not stable, it follows CLOCK_MONOTONIC after all.
* The kernel computes both clocks from one counter, with factors that it rounds differently, by less than 1 ppm.
* The scheduler's clock starts earlier, by a second on machines with much memory.
* It continues in suspend-to-idle on x86, like CLOCK_BOOTTIME, but not in deeper sleep
  (https://github.com/systemd/systemd/pull/33401).
* It can be as coarse as a tick, e.g. 10 ms in user-mode Linux.
"""

from __future__ import annotations

from scoperun.record import dataclass

_BEHIND = 0.1
"""Seconds that a stamp can be behind: ten of the coarsest ticks."""

_AHEAD = 1.0
"""Seconds that a stamp can be ahead, because its clock starts earlier."""

_RATE = 1e-5
"""Drift through rounding, as a share of the time since the start: ten times the known figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelClock:
    """How far a stamp can differ from the monotonic clock, in seconds.

    behind: how long after its stamp a record can have been written.
    ahead: how long before its stamp a record can have been written.
    shift: how far our monotonic clock is ahead of the machine's, in a time namespace.
    """

    behind: float = _BEHIND
    ahead: float = _AHEAD
    shift: float = 0.0

    @classmethod
    def measured(cls, *, monotonic: float, raw: float, boottime: float, shift: float = 0.0) -> KernelClock:
        """Return the bounds that follow from the machine's three clocks, read at the same moment, in seconds."""
        rounded, suspended = _RATE * monotonic, max(0.0, boottime - monotonic)
        return cls(
            behind=_BEHIND + rounded + max(0.0, monotonic - raw),
            ahead=_AHEAD + rounded + max(0.0, raw - monotonic) + suspended,
            shift=shift,
        )

    def is_before(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was certainly written before a moment of the monotonic clock."""
        return stamp + self.shift + self.behind < moment

    def is_after(self, stamp: float, moment: float) -> bool:
        """Tell whether a record was certainly written after a moment of the monotonic clock."""
        return stamp + self.shift - self.ahead > moment

    def may_be_between(self, stamp: float, since: float, until: float) -> bool:
        """Tell whether a record can have been written between two moments of the monotonic clock."""
        return not self.is_before(stamp, since) and not self.is_after(stamp, until)
