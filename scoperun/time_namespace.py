"""How far our clocks are from the machine's: not at all, except in a time namespace (time_namespaces(7)).

Others tell times on the machine's clocks: systemd, and the kernel's log.
"""

from __future__ import annotations

from contextlib import suppress

_OFFSETS = "/proc/self/timens_offsets"


def monotonic_ahead() -> float:
    """Return the seconds by which CLOCK_MONOTONIC is ahead of the machine's here."""
    return _ahead("monotonic")


def boottime_ahead() -> float:
    """Return the seconds by which CLOCK_BOOTTIME is ahead of the machine's here."""
    return _ahead("boottime")


def _ahead(clock: str) -> float:
    with suppress(OSError), open(_OFFSETS, encoding="ascii") as file:  # a kernel without them has no such file
        for name, seconds, nanoseconds in map(str.split, file):
            if name == clock:
                return int(seconds) + int(nanoseconds) / 1e9
    return 0.0
