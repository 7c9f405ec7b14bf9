"""What the report says about the timeline. No I/O."""

from __future__ import annotations

from scoperun.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineReport:
    """How often scoperun woke up for a timeline, and what only its samples tell.

    interval, last_interval: seconds between two samples at the beginning and at the end.
    wakes: how often scoperun woke up to take a sample; the first one, and the one at the end, count too.
    largest_anon: the most bytes of anonymous memory in any sample, None if none could be read. There can have been more
        between two samples: the kernel keeps no peak of it.
    """

    interval: float
    last_interval: float
    wakes: int
    largest_anon: int | None
