"""The file descriptors of this process: each job that runs takes some, and the usual limit of 1024 is soon too low."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from scoperun.errors import InvalidValue

_PER_JOB = 24
"""Measured are 14 for a job that runs, five cgroups deep; its start, a soft limit and a deeper place take more."""

_SPARE = 64
"""For the rest: the database, the connection to systemd, the output."""

_RESOURCE = resource.RLIMIT_NOFILE
_UNLIMITED = 1 << 30


class Descriptors:
    """The limit of descriptors, which is raised for this process; its jobs get the one from before."""

    def __init__(self) -> None:
        """Note the limit as it is."""
        self._before = resource.getrlimit(_RESOURCE)

    def allow(self, slots: int) -> None:
        """Raise the limit as far as so many jobs at once need it. Raises InvalidValue if it cannot be raised so far."""
        needed, (soft, hard) = slots * _PER_JOB + _SPARE, map(_number, resource.getrlimit(_RESOURCE))
        if needed > hard:
            raise InvalidValue(
                f"{slots} jobs at once need {needed} descriptors, and this process can have {hard}",
                hint=f"at most {most_slots(can_raise=True)} at once, or a higher hard limit: ulimit -Hn",
            )
        if needed > soft:
            resource.setrlimit(_RESOURCE, (needed, self._before[1]))

    def undo_in_child(self) -> None:
        """Set the limit that we were started with: select(2) cannot cope with a higher one."""
        with suppress(ValueError, OSError):  # another program has lowered the hard limit meanwhile: prlimit(1)
            resource.setrlimit(_RESOURCE, self._before)


def most_slots(*, can_raise: bool) -> int:
    """Return for how many jobs at once there are descriptors. can_raise: the limit can be raised for them."""
    soft, hard = map(_number, resource.getrlimit(_RESOURCE))
    return max(1, ((hard if can_raise else soft) - _SPARE) // _PER_JOB)


def usual_slots(*, can_raise: bool) -> int:
    """Return how many jobs run at once if nothing else is said: one on each processor."""
    return min(len(os.sched_getaffinity(0)), most_slots(can_raise=can_raise))


def _number(limit: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit
