"""The start of a run: what was learned about the scope once it existed. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    import datetime

    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.soft_memory import SoftMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was learned about the scope once it existed; None is not known.

    systemd, kernel: versions.
    manager: `system` or `user`.
    unit, invocation_id, slice, cgroup: the scope's unit name, InvocationID=, slice and cgroup path.
    pid: the command's own process. cwd: the directory that it starts in.
    started: when the command was released, UTC.
    monotonic: the same moment, in seconds on the monotonic clock.
    asked: when systemd was asked for the scope, in seconds on the monotonic clock; its own clock for the scope starts
        later.
    limits: the limits in force.
    soft_memory: the soft limit, None without one.
    """

    systemd: str | None
    kernel: str
    manager: str
    unit: str
    invocation_id: str
    slice: str | None
    cgroup: str | None
    pid: int
    cwd: str | None
    started: datetime.datetime
    monotonic: float
    asked: float
    limits: LimitsInForce
    soft_memory: SoftMemory | None = None
