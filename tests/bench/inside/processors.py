"""The processor time of the whole machine, and of systemd and dbus-daemon."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SERVERS = ("systemd", "dbus-daemon")
TICKS = os.sysconf("SC_CLK_TCK")


def used() -> dict[str, float]:
    """Return the seconds that were used so far: `all`, and by each of SERVERS."""
    _, user, nice, system, *_ = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    seconds = {"all": sum(map(int, (user, nice, system))) / TICKS, **dict.fromkeys(SERVERS, 0.0)}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            start, _, rest = (process / "stat").read_text(encoding="utf-8").rpartition(")")
            name = start.partition("(")[2]
            if name in SERVERS:
                seconds[name] += sum(map(int, rest.split()[11:13])) / TICKS
    return seconds


def since(before: Mapping[str, float], number: int) -> dict[str, float]:
    """Return the seconds since `before`, divided by `number`."""
    return {name: (seconds - before[name]) / number for name, seconds in used().items()}
