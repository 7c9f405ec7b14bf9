"""The start of a run: what was learned of the scope when it stood. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.record import dataclass

if TYPE_CHECKING:
    import datetime

    from scoperun.spec.limits import LimitsInForce
    from scoperun.spec.soft_memory import SoftMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What was learned of the scope when it stood: what the report says of its beginning.

    started: when the command was released, UTC; monotonic: the same in seconds on the monotonic clock.
    asked: when systemd was asked for the scope, on that clock: its own clock for the command began later.
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
