"""How much processor time a cgroup has used, and how soon it can have used more. Reads only."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoperun.kernel.cgroup import Cgroup


def used(cgroup: Cgroup) -> float | None:
    """Return the seconds that all processes in a cgroup and below have used; None if that cannot be read."""
    usec = (cgroup.table("cpu.stat") or {}).get("usage_usec")
    return None if usec is None else usec / 1e6


def soonest(cgroup: Cgroup, remaining: float) -> float:
    """Return the seconds after which a cgroup can have used `remaining` more seconds of processor time, not before.

    That depends on the processors and on each CPUQuota= from the cgroup up. The affinity of its processes does not
    count, because they can change it.
    """
    levels = cgroup.levels()
    quotas = [quota for level in levels if (quota := _quota(level.text("cpu.max"))) is not None]
    # A quota is refilled once a period, so the cgroup can have that of one period more at once.
    return max([remaining / _processors(levels), *(remaining / share - period for share, period in quotas)])


def _processors(levels: list[Cgroup]) -> int:
    """Return how many processors the innermost of these cgroups can use at a time."""
    texts = (level.text("cpuset.cpus.effective") for level in levels)
    usable = next((text for text in texts if text is not None), "")
    return len(numbers(usable)) or os.sysconf("SC_NPROCESSORS_ONLN")


def numbers(ranges: str) -> set[int]:
    """Return the numbers in a list such as 0-3,6, as the kernel writes sets of processors."""
    bounds = [each.split("-") for each in ranges.strip().split(",") if each]
    return {number for each in bounds for number in range(int(each[0]), int(each[-1]) + 1)}


def _quota(text: str | None) -> tuple[float, float] | None:
    """Return the processors and the period in seconds of a cpu.max, None if it does not limit."""
    match (text or "max").split():
        case ["max", *_]:
            return None
        case [quota, period]:
            return int(quota) / int(period), int(period) / 1e6
    return None
