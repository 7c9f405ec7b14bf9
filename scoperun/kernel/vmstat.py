"""What the kernel counts for the whole machine: /proc/vmstat, see proc_vmstat(5)."""

from __future__ import annotations

import re

from scoperun.kernel.files import contents


def stalls() -> int | None:
    """Return how often an allocation had to free memory first, over all zones; None if that is not counted."""
    return _sum(rb"allocstall\w*")


def oom_kills() -> int | None:
    """Return how many processes the OOM killer has killed since boot, None if that is not counted."""
    return _sum(rb"oom_kill")


def _sum(name: bytes) -> int | None:
    try:
        counts = re.findall(rb"^%b ([0-9]+)$" % name, contents("/proc/vmstat"), flags=re.MULTILINE)
    except OSError:
        return None
    return sum(map(int, counts)) if counts else None
