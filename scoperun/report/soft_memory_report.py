"""What happened at a soft limit on memory, as part of the report. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import SoftMemoryKilled, SoftMemoryPassed, SoftMemoryTold
from scoperun.record import dataclass
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import SoftMemoryEvent
    from scoperun.spec.soft_memory import SoftMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One time that the limit was passed.

    at: seconds since the command began.
    memory: bytes that the scope needed then.
    told: whether systemd sent the signal; None if none was asked for.
    """

    at: float
    memory: int
    told: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryReport:
    """What happened at a soft limit.

    limit: bytes.
    signal: the name of the signal, e.g. SIGTERM; None if none was asked for.
    passed: each time that the limit was passed; without a signal only the first time.
    killed: the processes were killed because the signal did not help.
    """

    limit: int
    signal: str | None
    passed: tuple[Passing, ...]
    killed: bool


def soft_memory_report(soft: SoftMemory, events: Sequence[SoftMemoryEvent], *, began: float) -> SoftMemoryReport:
    """Return what happened at a soft limit; `began`: when the command began, in seconds on the monotonic clock."""
    told = {event.at for event in events if isinstance(event, SoftMemoryTold)}
    passed = [event for event in events if isinstance(event, SoftMemoryPassed)]
    return SoftMemoryReport(
        limit=soft.limit,
        signal=None if soft.signal is None else signal_name(soft.signal),
        passed=tuple(
            Passing(
                at=round(each.at - began, 6),
                memory=each.memory,
                told=None if soft.signal is None else each.at in told,
            )
            for each in passed
        ),
        killed=any(isinstance(event, SoftMemoryKilled) for event in events),
    )
