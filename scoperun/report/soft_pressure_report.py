"""What happened at a soft limit on pressure, as part of the report. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoperun.evidence.events import SoftPressureKilled, SoftPressurePassed, SoftPressureTold
from scoperun.record import dataclass
from scoperun.spec.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.evidence.events import SoftPressureEvent
    from scoperun.spec.soft_pressure import SoftPressure


@dataclass(frozen=True, slots=True, kw_only=True)
class PressurePassing:
    """One time that the limit was passed.

    at: when the kernel said so, in seconds since the command began. It does so up to two seconds late.
    told: whether systemd sent the signal; None if none was asked for.
    """

    at: float
    told: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftPressureReport:
    """What happened at a soft limit on pressure.

    share: of `window`, e.g. 0.3. window: seconds.
    signal: the name of the signal, e.g. SIGTERM; None if none was asked for.
    passed: each time that the limit was passed. The next time begins after the scope was below it for one window.
    killed: the processes were killed because the signal did not help.
    """

    share: float
    window: float
    signal: str | None
    passed: tuple[PressurePassing, ...]
    killed: bool


def soft_pressure_report(
    soft: SoftPressure, events: Sequence[SoftPressureEvent], *, began: float
) -> SoftPressureReport:
    """Return what happened at a soft limit; `began`: when the command began, in seconds on the monotonic clock."""
    told = {event.at for event in events if isinstance(event, SoftPressureTold)}
    passed = [event.at for event in events if isinstance(event, SoftPressurePassed)]
    return SoftPressureReport(
        share=soft.share,
        window=soft.window,
        signal=None if soft.signal is None else signal_name(soft.signal),
        passed=tuple(
            PressurePassing(at=round(at - began, 6), told=None if soft.signal is None else at in told) for at in passed
        ),
        killed=any(isinstance(event, SoftPressureKilled) for event in events),
    )
