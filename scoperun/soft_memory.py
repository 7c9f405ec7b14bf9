"""A soft limit on memory: what is asked for, when it is passed, and what the report says of that. No I/O."""

from __future__ import annotations

from signal import NSIG, SIGKILL, SIGSTOP, SIGTERM
from typing import TYPE_CHECKING

from scoperun.dataclass import dataclass
from scoperun.errors import InvalidValue
from scoperun.events import SoftMemoryKilled, SoftMemoryPassed, SoftMemoryTold
from scoperun.sizes import INFINITY
from scoperun.values import signal_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scoperun.events import SoftMemoryEvent


@dataclass(frozen=True, slots=True)
class SoftMemory:
    """A limit at which the command is told, before the kernel kills.

    limit: bytes of what it needs, see MemorySnapshot.needed.
    signal: the number of the signal that all of its processes get then.
    """

    limit: int
    signal: int = SIGTERM

    def __post_init__(self) -> None:
        """Refuse what could not be told."""
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or not 1 <= self.limit < INFINITY:
            raise InvalidValue(f"a soft limit of {self.limit!r} bytes is out of range", hint="at least 1, and finite")
        if not 1 <= self.signal < NSIG:
            raise InvalidValue(f"{self.signal!r} is no signal", hint="as signal.SIGTERM")
        if self.signal in {SIGKILL, SIGSTOP}:
            raise InvalidValue(
                f"{signal_name(self.signal)} tells a command nothing, since it cannot be handled",
                hint="--mem kills at a limit; to be told of one take SIGTERM or SIGUSR1",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Passing:
    """One time that the limit was passed.

    at: seconds since the command began. memory: bytes of what it needed then. told: whether systemd sent the signal.
    """

    at: float
    memory: int
    told: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftMemoryReport:
    """What became of a soft limit: in bytes, its signal by name, when it was passed, whether a kill had to follow."""

    limit: int
    signal: str
    passed: tuple[Passing, ...]
    killed: bool


def soft_memory_report(soft: SoftMemory, events: Sequence[SoftMemoryEvent], *, began: float) -> SoftMemoryReport:
    """Return what became of a limit; `began` is when the command did, on the monotonic clock."""
    told = {event.at for event in events if isinstance(event, SoftMemoryTold)}
    passed = [event for event in events if isinstance(event, SoftMemoryPassed)]
    return SoftMemoryReport(
        limit=soft.limit,
        signal=signal_name(soft.signal),
        passed=tuple(
            Passing(at=round(each.at - began, 6), memory=each.memory, told=each.at in told) for each in passed
        ),
        killed=any(isinstance(event, SoftMemoryKilled) for event in events),
    )
