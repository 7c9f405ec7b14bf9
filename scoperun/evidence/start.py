"""The start of a run: what was learned about the scope once it existed. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    import datetime

    from scoperun.spec.limits import Ceiling, LimitsInForce
    from scoperun.spec.soft_memory import SoftMemory
    from scoperun.spec.soft_pressure import SoftPressure


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was learned about the scope once it existed; None is not known.

    systemd, kernel: versions.
    manager: `system` or `user`.
    unit, invocation_id, slice, cgroup: the scope's unit name, InvocationID=, slice and cgroup path.
    pid: the command's own process. cwd: the directory that it starts in.
    started: when the command was released, UTC.
    monotonic: the same moment, in seconds on the monotonic clock.
    counted_from: the moment from which systemd counts the time of the scope, in seconds on the monotonic clock; if it
        had no limit on time at the start, when systemd was asked for it, which is a little earlier.
    limits: the limits in force.
    ceiling: the least limit on memory of the scope and those above it, when the command began.
    soft_memory: the soft limit, None without one.
    soft_pressure: the soft limit on pressure, None without one or if the kernel does not watch it.
    unwatched_pressure: why the kernel does not watch the pressure although that was asked for; None if it does.
    timeline_interval: seconds between the first samples of the timeline, None without one.
    unenforced: of a run that does not require its limits, those that are not in force and that the report's `limits`
        do not show; as text, each with the reason.
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
    counted_from: float
    limits: LimitsInForce
    ceiling: Ceiling | None = None
    soft_memory: SoftMemory | None = None
    soft_pressure: SoftPressure | None = None
    unwatched_pressure: str | None = None
    timeline_interval: float | None = None
    unenforced: tuple[str, ...] = ()

    @property
    def effective_memory_max(self) -> int | None:
        """The bytes of memory that the scope can have at most; None if not all limits above it could be read."""
        return self.ceiling.limit if self.ceiling is not None and self.ceiling.is_known else None
