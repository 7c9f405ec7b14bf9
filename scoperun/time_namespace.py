"""How far our clocks are ahead of the machine's: 0, except in a time namespace (time_namespaces(7)).

systemd and the kernel log give times on the machine's clocks.
"""

from __future__ import annotations

from contextlib import suppress

_OFFSETS = "/proc/self/timens_offsets"


def monotonic_ahead() -> float:
    """Return the seconds by which our CLOCK_MONOTONIC is ahead of the machine's."""
    return _ahead("monotonic")


def boottime_ahead() -> float:
    """Return the seconds by which our CLOCK_BOOTTIME is ahead of the machine's."""
    return _ahead("boottime")


def _ahead(clock: str) -> float:
    with suppress(OSError), open(_OFFSETS, encoding="utf-8") as file:  # missing on a kernel without time namespaces
        for name, seconds, nanoseconds in map(str.split, file):
            if name == clock:
                return int(seconds) + int(nanoseconds) / 1e9
    return 0.0
