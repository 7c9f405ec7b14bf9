"""What versions of systemd and Linux lack that scoperun would use. No I/O."""

from __future__ import annotations

import re

from scoperun.record import dataclass
from scoperun.supervision.check import Check, State

OLDEST_SYSTEMD = 252


@dataclass(frozen=True, slots=True)
class _Gap:
    """Something that came with a version. refuses: without it, something that can be asked for is refused."""

    version: tuple[int, int]
    lacks: str
    refuses: bool = False


_SYSTEMD = (
    _Gap(
        (252, 5),
        "no OOMPolicy= for scopes before 252.5: `oom_policy` would be refused, and an OOM kill ends the scope",
        refuses=True,
    ),
    _Gap((253, 0), "no MemoryZSwapMax= before 253: `memory_zswap_max` would be refused", refuses=True),
    _Gap((255, 0), "no PIDFDs= before 255: processes are named to systemd by their numbers"),
    _Gap((256, 3), "no MemoryPeak= after the end before 256.3: peaks are known from the cgroup alone"),
    _Gap((259, 0), "no OOMKills= before 259: kills are counted in the cgroup alone"),
)

_LINUX = (
    _Gap((5, 19), "no memory.peak before 5.19: the peak is known from systemd alone"),
    _Gap((5, 19), "no memory.zswap.max before 5.19: `memory_zswap_max` would be refused", refuses=True),
    _Gap((6, 1), "no pids.peak before 6.1: the highest number of tasks is not known"),
    _Gap((6, 5), "no memory.swap.peak before 6.5: the peak of swap is known from systemd alone"),
    _Gap((6, 15), "pidfds say nothing of the dead before 6.15: how attached processes ended is not known"),
)


_NEWER = "upgrade the distribution, or use its backports"


def systemd_check(version: str) -> Check:
    """Return the check of systemd's version, e.g. 252.39-1~deb12u1."""
    number = _number(version)
    if number is not None and number[0] < OLDEST_SYSTEMD:
        found = f"{version} is older than {OLDEST_SYSTEMD}, the oldest version that scoperun is tested with"
        return Check(name="systemd", state=State.LIMITED, found=found, remedy=_NEWER)
    return _check("systemd", version, _SYSTEMD)


def kernel_check(release: str) -> Check:
    """Return the check of the kernel's release, e.g. 6.12.57+deb13-amd64."""
    return _check("kernel", release, _LINUX)


def _check(name: str, version: str, gaps: tuple[_Gap, ...]) -> Check:
    lacking = [gap for gap in gaps if _is_before(_number(version), gap.version)]
    found = "; ".join([version, *(gap.lacks for gap in lacking)])
    if any(gap.refuses for gap in lacking):
        return Check(name=name, state=State.LIMITED, found=found, remedy=_NEWER)
    return Check(name=name, state=State.OK, found=found)


def _number(version: str) -> tuple[int, int | None] | None:
    """Return the first two numbers of a version; the second is None if there is none, as in 259~rc1."""
    found = re.match(r"([0-9]+)(?:\.([0-9]+))?", version)
    return (int(found[1]), int(found[2]) if found[2] else None) if found else None


def _is_before(number: tuple[int, int | None] | None, gap: tuple[int, int]) -> bool:
    """Tell whether a version certainly is an earlier one: a distribution's 252-46 can have what came with 252.5."""
    if number is None:
        return False
    first, second = number
    return first < gap[0] or (first == gap[0] and second is not None and second < gap[1])
